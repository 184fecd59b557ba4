// A change of a data stream is stored in the registry first and then told to the dispatcher, both within the stream's turn and under the
// dispatcher's permit: a node that stops has refused it before anything was stored, or waits for it. The registry is the truth: a
// node that ends in between reads it when it starts. A dispatcher that refuses has the change undone.
#include "api/streams.h"

#include <algorithm>
#include <iterator>

#include "api/handlers.h"
#include "api/json_text.h"
#include "api/list.h"
#include "api/remarks.h"
#include "http/url.h"
#include "json/reader.h"

namespace millrace::api {
namespace {

using StreamPtr = std::shared_ptr<model::DataStream const>;

http::ServerResponse stream_answer(int status, model::DataStream const& stream,
                                   std::vector<std::string> const& warnings = {}) {
  auto text = model::to_json(stream);
  if (!warnings.empty()) {
    text.pop_back();
    text += R"(,"warnings":)" + texts_json(warnings) + "}";
  }
  auto out = json_answer(status, std::move(text));
  out.headers.push_back({"ETag", etag_of(stream.version)});
  if (status == 201)
    out.headers.push_back({"Location", "/api/v1/data_streams/" + stream.id.text()});
  return out;
}

http::ServerResponse changed_meanwhile(model::DataStream const& stream) {
  return problem(412, "the stream is at version " + std::to_string(stream.version) +
                          "; read it again and repeat the change");
}

model::StreamRules rules_for(Context const& context, Call const& call) {
  auto rules = context.parts.rules;
  rules.allow_every_account = call.principal.sees_all();
  return rules;
}

bool is_faulty(FieldFaults const& faults, std::string_view field) {
  return std::any_of(faults.begin(), faults.end(),
                     [&](auto const& fault) { return fault.field == field; });
}

// What only this room can tell: the wall, and the URL as whoever connects will read it. Told beside all other faults, so it looks
// into the text itself, which may be wrong in any way.
struct Checked {
  FieldFaults faults;
  bool foreign = false;  // the account is on the other side of the caller's wall
};

Checked check_ours(Context const& context, Call const& call, FieldFaults found) {
  Checked out{std::move(found)};
  auto const input = json::parse(call.request.body);
  if (!input || !input->is_object()) return out;
  auto const& object = input->get_object();
  auto const account = json::text_at(object, "account");
  if (account && !account->empty() && !is_faulty(out.faults, "/account") &&
      !call.principal.sees(*account)) {
    out.foreign = true;
    out.faults.push_back({"/account", "is not an account of this credential"});
  }
  auto const* const delivery = object.if_contains("delivery");
  if (delivery == nullptr || !delivery->is_object() || is_faulty(out.faults, "/delivery/url"))
    return out;
  auto const url = json::text_at(delivery->get_object(), "url");
  if (!url) return out;
  auto const* const guard = context.parts.guard;
  if (auto const parsed = http::parse_url(*url); !parsed)
    out.faults.push_back({"/delivery/url", parsed.error().what});
  else if (auto const why = guard != nullptr ? guard->refusal(*parsed) : ""; !why.empty())
    out.faults.push_back({"/delivery/url", "is not allowed: " + why});
  return out;
}

// Of a stream that the model takes. Settings of TLS that were taken once stay good, whatever has become of them.
FieldFaults deep_faults(Context const& context, model::DataStream const& stream,
                        model::DataStream const* before) {
  auto faults = form_faults(context, stream);
  if (before == nullptr || before->delivery.tls != stream.delivery.tls)
    for (auto& fault : tls_faults(stream, context.parts.clock.wall()))
      faults.push_back(std::move(fault));
  return faults;
}

http::ServerResponse refuse_stream(Checked const& checked) {
  if (checked.foreign && checked.faults.size() == 1)
    return problem(403, "the account is not one of this credential", checked.faults);
  return bad_input(checked.faults);
}

// One name for all spellings of an id, so that its changes share a turn.
std::string turn_of(Call const& call) {
  auto const id = StreamId::parse(call.ids.front());
  return id ? id->text() : "";
}

http::ServerResponse stopping() {
  return problem(503,
                 "this node is stopping: nothing was changed; repeat the change when it is back");
}

http::ServerResponse not_at_work(Context& context, Error const& error, bool undone) {
  context.parts.log.error("dispatcher refused a data stream",
                          {{"why", error.what}, {"undone", undone}});
  auto const status = error.fault == Fault::busy ? 503 : 500;
  return problem(status, undone ? "the change could not be put to work and was undone"
                                : "the change is stored, but this node works on without it until "
                                  "it is started again");
}

// Not undone, for the lane works by it already, and the record survives everything.
http::ServerResponse not_yet_safe(Context& context, Error const& error) {
  context.parts.log.error("a changed data stream's progress is not stored", {{"why", error.what}});
  return problem(
      503,
      "the change is stored and at work, but how far the data stream has come could not be "
      "written yet; this is tried again. A node that ends before that begins the change "
      "when it is back, not when it was asked for");
}

// Beside the change's own line, which is stored before anybody can count. Told in the log where it cannot be stored.
io::Task<void> note_events(Context& context, Call const& call, model::DataStream const& stream,
                           std::string action, std::vector<control::FieldChange> counts) {
  auto const noted = co_await context.parts.registry.note(
      {std::move(action), stream.id.text(), stream.name, {stream.account}, std::move(counts)},
      call.principal);
  if (!noted)
    context.parts.log.error("an audit line is not stored",
                            {{"stream", stream.id.text()}, {"why", noted.error().what}});
}

control::FieldChange count_of(std::string field, std::uint64_t events) {
  return {std::move(field), std::nullopt, std::to_string(events)};
}

// Puts a stored change to work; when that fails, stores what was before it again.
template <class PutToWork>
Answer finish_change(Context& context, Call const& call, StreamPtr before, PutToWork put_to_work,
                     std::vector<std::string> warnings = {}) {
  auto& registry = context.parts.registry;
  auto const after = registry.stream(before->id);
  auto const done = co_await put_to_work(*after);
  if (done) co_return stream_answer(200, *after, warnings);
  if (done.error().fault == Fault::uncertain) co_return not_yet_safe(context, done.error());
  auto const undone =
      co_await registry.save(*before, after->version, call.principal, "data_streams.undo");
  co_return not_at_work(context, done.error(), undone.has_value());
}

Answer add_stream(Context& context, Call const& call, model::DataStream stream, std::string action,
                  std::vector<std::string> warnings = {}) {
  auto& registry = context.parts.registry;
  auto const id = stream.id = StreamId{Uuid::v7(
      context.parts.clock.wall(), context.parts.random.bits(), context.parts.random.bits())};
  auto const turn = co_await context.turns.take(id.text());
  auto const permit = context.parts.dispatcher.begin_change();
  if (!permit) co_return stopping();
  auto const saved =
      co_await registry.save(std::move(stream), 0, call.principal, std::move(action), call.repeat);
  if (!saved) co_return failed(context, "store a data stream", saved.error());
  auto const held = registry.stream(id);
  auto const put = co_await context.parts.dispatcher.put(*held);
  if (put) co_return stream_answer(201, *held, warnings);
  auto const undone = co_await registry.erase(id, held->version, call.principal, call.repeat);
  // A lane that was made and could not be stored ends with its record; where there is none, nothing of it stays.
  if (undone) static_cast<void>(co_await context.parts.dispatcher.remove(id));
  co_return not_at_work(context, put.error(), undone.has_value());
}

// The answer to a repeat: what the first call made, as it is now.
http::ServerResponse made_before(Context& context, Call const& call) {
  auto const id = StreamId::parse(call.made->id);
  auto const stream = id ? context.parts.registry.stream(*id) : nullptr;
  if (!stream || !call.principal.sees(stream->account))
    return problem(409, "the data stream that this Idempotency-Key made has been deleted since");
  return stream_answer(201, *stream);
}

// `name` with " (copy)", within 255 characters and not cut inside one.
std::string name_of_copy(std::string name) {
  constexpr std::string_view suffix = " (copy)";
  std::size_t characters = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if ((static_cast<unsigned char>(name[i]) & 0xC0U) == 0x80) continue;
    if (characters++ == 255 - suffix.size()) {
      name.resize(i);
      break;
    }
  }
  return name.append(suffix);
}

// "stop", "now" or a time.
std::expected<delivery::ActivateFrom, FieldFaults> parse_from(Call const& call, WallTime now) {
  using Kind = delivery::ActivateFrom::Kind;
  auto const body = body_object(call);
  if (!body) return std::unexpected(FieldFaults{{"", body.error().what}});
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*body, "", troubles);
  delivery::ActivateFrom out;
  if (auto const from = fields.text("from", 1, 64)) {
    auto const time = parse_time(*from);
    if (*from == "now") {
      out.kind = Kind::now;
    } else if (time && *time > now) {
      fields.wrong("from", "lies in the future (it is " + iso_s(now) +
                               "): nothing was accepted then; \"now\" skips all that waits");
    } else if (time) {
      out = {Kind::time, *time};
    } else if (*from != "stop") {
      fields.wrong("from", R"(must be "stop", "now" or a time like "2026-11-21T19:05:12Z")");
    }
  }
  fields.refuse_others();
  if (troubles.empty()) return out;
  return std::unexpected(told(std::move(troubles)));
}

io::Task<Result<void>> activate(delivery::Dispatcher& dispatcher, model::DataStream stream,
                                delivery::ActivateFrom from, std::uint64_t& skipped) {
  auto const done = co_await dispatcher.activate(std::move(stream), from);
  if (!done) co_return std::unexpected(done.error());
  skipped = *done;
  co_return Result<void>();
}

}  // namespace

StreamPtr visible_stream(Context& context, Call const& call) {
  auto const id = StreamId::parse(call.ids.front());
  auto stream = id ? context.parts.registry.stream(*id) : nullptr;
  return stream && call.principal.sees(stream->account) ? stream : nullptr;
}

http::ServerResponse no_such_stream() { return problem(404, "there is no such data stream"); }

FieldFaults told(std::vector<json::FieldTrouble> troubles) {
  FieldFaults faults;
  for (auto& trouble : troubles)
    faults.push_back({std::move(trouble.field), std::move(trouble.message)});
  return faults;
}

Result<boost::json::object> body_object(Call const& call) {
  if (call.request.body.empty()) return boost::json::object();
  auto body = json::parse(call.request.body);
  if (!body) return pass(body);
  if (!body->is_object()) return fail(Fault::invalid, "the body must be a JSON object");
  return body->get_object();
}

Answer list_streams(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  auto const state = word_of(call.query, "state", {"active", "holding", "deactivated"}, faults);
  if (!faults.empty()) co_return bad_input(faults);
  auto const account = call.query.find("account");
  std::vector<StreamPtr> items;
  for (auto const& stream : context.parts.registry.streams()) {
    if (!call.principal.sees(stream->account)) continue;
    if (account != call.query.end() && stream->account != account->second) continue;
    if (state && name_of(stream->state) != *state) continue;
    items.push_back(stream);
  }
  co_return co_await list_answer(
      context, call, ask,
      item_rows<StreamPtr>(
          std::move(items), [](StreamPtr const& stream) { return stream->id.text(); },
          [](StreamPtr const& stream) { return model::to_json(*stream); }));
}

Answer make_stream(Context& context, Call const& call) {
  if (call.made) co_return made_before(context, call);
  auto stream = model::parse_new(call.request.body, rules_for(context, call));
  auto checked = check_ours(
      context, call, stream ? deep_faults(context, *stream, nullptr) : std::move(stream.error()));
  Remarks remarks;
  if (stream) {
    auto found = co_await stream_remarks(context, call.principal, *stream, nullptr);
    if (!found) co_return failed(context, "count the events of the log", found.error());
    remarks = std::move(*found);
    std::ranges::move(remarks.faults, std::back_inserter(checked.faults));
  }
  if (!checked.faults.empty()) co_return refuse_stream(checked);
  co_return co_await add_stream(context, call, std::move(*stream), "data_streams.create",
                                std::move(remarks.warnings));
}

Answer show_stream(Context& context, Call const& call) {
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (none_match_has(call.request, etag_of(stream->version))) {
    http::ServerResponse same;
    same.status = 304;
    same.headers = {{"ETag", etag_of(stream->version)}};
    co_return same;
  }
  co_return stream_answer(200, *stream);
}

boost::json::object const* object_at(boost::json::object const* object, std::string_view key) {
  auto const* const value = object == nullptr ? nullptr : object->if_contains(key);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

// Secrets that were given for one origin, and that a change without them would use at another. Its author may never have seen them.
FieldFaults redirected_secrets(model::DataStream const& before, model::DataStream const& after,
                               std::string_view patch) {
  auto const from = http::parse_url(before.delivery.url);
  auto const to = http::parse_url(after.delivery.url);
  if (from && to && from->origin() == to->origin()) return {};
  auto const given = json::parse(patch);
  auto const* const object = given && given->is_object() ? &given->get_object() : nullptr;
  auto const* const headers = object_at(object, "headers");
  auto const* const tls = object_at(object_at(object, "delivery"), "tls");
  FieldFaults faults;
  if (std::ranges::any_of(after.headers, [&](auto const& header) {
        return headers == nullptr || !headers->contains(header.first);
      }))
    faults.push_back({"/headers",
                      "hold secrets that were given for another address: give their values again, "
                      "or null to remove them"});
  if (after.delivery.tls.client_key && (tls == nullptr || !tls->contains("client_key")))
    faults.push_back({"/delivery/tls/client_key",
                      "was given for another address: give it again, or null to remove it"});
  return faults;
}

Answer change_stream(Context& context, Call const& call) {
  auto const turn = co_await context.turns.take(turn_of(call));
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
  auto const permit = context.parts.dispatcher.begin_change();
  if (!permit) co_return stopping();
  auto changed = model::merged(*stream, call.request.body, rules_for(context, call));
  auto checked =
      check_ours(context, call,
                 changed ? deep_faults(context, *changed, &*stream) : std::move(changed.error()));
  // What the stream has kept belongs to its account: attempts and undelivered events must not move to another with it.
  if (changed && changed->account != stream->account && !checked.foreign)
    checked.faults.push_back(
        {"/account", "cannot be changed; make a stream for the other account"});
  if (changed)
    for (auto& fault : redirected_secrets(*stream, *changed, call.request.body))
      checked.faults.push_back(std::move(fault));
  Remarks remarks;
  if (changed) {
    auto found = co_await stream_remarks(context, call.principal, *changed, &*stream);
    if (!found) co_return failed(context, "count the events of the log", found.error());
    remarks = std::move(*found);
    std::ranges::move(remarks.faults, std::back_inserter(checked.faults));
  }
  if (!checked.faults.empty()) co_return refuse_stream(checked);
  if (control::changes_between(*stream, *changed).empty()) co_return stream_answer(200, *stream);

  auto const saved = co_await context.parts.registry.save(std::move(*changed), stream->version,
                                                          call.principal, "data_streams.update");
  if (!saved) co_return failed(context, "store a data stream", saved.error());
  auto const put = [&](model::DataStream const& s) { return context.parts.dispatcher.put(s); };
  co_return co_await finish_change(context, call, stream, put, std::move(remarks.warnings));
}

Answer delete_stream(Context& context, Call const& call) {
  auto const turn = co_await context.turns.take(turn_of(call));
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
  auto const permit = context.parts.dispatcher.begin_change();
  if (!permit) co_return stopping();
  auto const erased =
      co_await context.parts.registry.erase(stream->id, stream->version, call.principal);
  if (!erased) co_return failed(context, "delete a data stream", erased.error());
  auto const removed = co_await context.parts.dispatcher.remove(stream->id);
  // Its record is gone for good: what the disk did not take now is swept at the next start.
  if (!removed && removed.error().fault != Fault::uncertain)
    co_return not_at_work(context, removed.error(), false);
  auto const dropped = removed ? *removed : delivery::Dropped();
  co_await note_events(
      context, call, *stream, "data_streams.dropped",
      {count_of("/events", dropped.waiting), count_of("/undelivered", dropped.undelivered)});
  http::ServerResponse done;
  done.status = 204;
  done.headers = {{"Millrace-Dropped-Events", std::to_string(dropped.waiting)},
                  {"Millrace-Dropped-Undelivered", std::to_string(dropped.undelivered)}};
  co_return done;
}

// The copy does not run at once: it would send everything twice before anybody has looked at it.
Answer duplicate_stream(Context& context, Call const& call) {
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (call.made) co_return made_before(context, call);
  auto const body = body_object(call);
  if (!body || !body->empty()) co_return bad_input({{"", "the body must be empty, or {}"}});
  auto copy = *stream;
  copy.name = name_of_copy(std::move(copy.name));
  copy.state = model::StreamState::deactivated;
  copy.reason = model::StateReason::by_user;
  co_return co_await add_stream(context, call, std::move(copy), "data_streams.duplicate");
}

Answer deactivate_stream(Context& context, Call const& call) {
  auto const turn = co_await context.turns.take(turn_of(call));
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
  auto const permit = context.parts.dispatcher.begin_change();
  if (!permit) co_return stopping();
  if (stream->state == model::StreamState::deactivated) co_return stream_answer(200, *stream);
  auto changed = *stream;
  changed.state = model::StreamState::deactivated;
  changed.reason = model::StateReason::by_user;
  auto const saved = co_await context.parts.registry.save(
      std::move(changed), stream->version, call.principal, "data_streams.deactivate");
  if (!saved) co_return failed(context, "store a data stream", saved.error());
  auto const put = [&](model::DataStream const& s) {
    return context.parts.dispatcher.deactivate(s);
  };
  co_return co_await finish_change(context, call, stream, put);
}

Answer activate_stream(Context& context, Call const& call) {
  auto const turn = co_await context.turns.take(turn_of(call));
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
  auto const permit = context.parts.dispatcher.begin_change();
  if (!permit) co_return stopping();
  auto const from = parse_from(call, context.parts.clock.wall());
  if (!from) co_return bad_input(from.error());
  // Not answered as done: where it is to begin would be ignored.
  if (stream->state != model::StreamState::deactivated)
    co_return problem(409, "the data stream is active already");
  auto changed = *stream;
  changed.state = model::StreamState::active;
  changed.reason = model::StateReason::none;
  auto const saved = co_await context.parts.registry.save(std::move(changed), stream->version,
                                                          call.principal, "data_streams.activate");
  if (!saved) co_return failed(context, "store a data stream", saved.error());
  std::uint64_t skipped = 0;
  auto const put = [&](model::DataStream const& s) {
    return activate(context.parts.dispatcher, s, *from, skipped);
  };
  auto answer = co_await finish_change(context, call, stream, put);
  if (answer.status != 200) co_return answer;
  if (from->kind != delivery::ActivateFrom::Kind::stop)
    co_await note_events(context, call, *stream, "data_streams.skipped",
                         {count_of("/events", skipped)});
  answer.body.pop_back();
  answer.body.append(",\"skipped\":").append(std::to_string(skipped)).append("}");
  co_return answer;
}

}  // namespace millrace::api
