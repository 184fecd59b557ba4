// Requests for changes of data streams become calls of control::Streams, and what it answers becomes JSON.
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

using control::StreamPtr;

http::ServerResponse stream_answer(int status, model::DataStream const& stream,
                                   std::string const& further = {}) {
  auto text = model::to_json(stream);
  text.insert(text.size() - 1, further);
  auto out = json_answer(status, std::move(text));
  out.headers.push_back({"ETag", etag_of(stream.version)});
  return out;
}

// `status` when the stream's lane works by the change; else 202: it is stored, and true after any crash.
http::ServerResponse change_answer(int status, control::Changed const& changed,
                                   std::string further = {}) {
  if (!changed.applied) further += R"(,"applied":false)";
  return stream_answer(changed.applied ? status : 202, *changed.stream, further);
}

http::ServerResponse made_answer(control::Changed const& changed,
                                 std::vector<std::string> const& warnings = {}) {
  auto out = change_answer(
      201, changed, warnings.empty() ? std::string() : R"(,"warnings":)" + texts_json(warnings));
  out.headers.push_back({"Location", "/api/v1/data_streams/" + changed.stream->id.text()});
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

// Held while a stream is read and changed: one name for all spellings of an id.
io::Task<control::Turns::Turn> take_turn(Context& context, Call const& call) {
  return context.parts.streams.take_turn(StreamId::parse(call.ids.front()).value_or(StreamId{}));
}

// The answer to a repeat: what the first call made, as it is now.
http::ServerResponse made_before(Context& context, Call const& call) {
  auto const id = StreamId::parse(call.made->id);
  auto const stream = id ? context.parts.registry.stream(*id) : nullptr;
  if (!stream || !call.principal.sees(stream->account))
    return problem(409, "the data stream that this Idempotency-Key made has been deleted since");
  return made_answer({stream, true});
}

// "stop", "now" or a time.
std::expected<control::ResumeFrom, FieldFaults> parse_from(Call const& call, WallTime now) {
  using Kind = control::ResumeFrom::Kind;
  auto const body = body_object(call);
  if (!body) return std::unexpected(FieldFaults{{"", body.error().what}});
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*body, "", troubles);
  control::ResumeFrom out;
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
  auto const made = co_await context.parts.streams.add(std::move(*stream), call.principal,
                                                       "data_streams.create", call.repeat);
  if (!made) co_return failed(context, "store a data stream", made.error());
  co_return made_answer(*made, remarks.warnings);
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
  auto const turn = co_await take_turn(context, call);
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
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

  auto const done = co_await context.parts.streams.change(std::move(*changed), call.principal);
  if (!done) co_return failed(context, "store a data stream", done.error());
  co_return change_answer(
      200, *done,
      remarks.warnings.empty() ? std::string() : R"(,"warnings":)" + texts_json(remarks.warnings));
}

Answer delete_stream(Context& context, Call const& call) {
  auto const turn = co_await take_turn(context, call);
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
  auto const done = co_await context.parts.streams.erase(stream, call.principal);
  if (!done) co_return failed(context, "delete a data stream", done.error());
  if (!done->applied)
    co_return json_answer(202, R"({"id":)" + quoted(stream->id.text()) + R"(,"applied":false})");
  http::ServerResponse gone;
  gone.status = 204;
  gone.headers = {
      {"Millrace-Dropped-Events", std::to_string(done->counts.dropped)},
      {"Millrace-Dropped-Undelivered", std::to_string(done->counts.dropped_undelivered)}};
  co_return gone;
}

Answer duplicate_stream(Context& context, Call const& call) {
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (call.made) co_return made_before(context, call);
  auto const body = body_object(call);
  if (!body || !body->empty()) co_return bad_input({{"", "the body must be empty, or {}"}});
  auto const made = co_await context.parts.streams.duplicate(stream, call.principal, call.repeat);
  if (!made) co_return failed(context, "store a data stream", made.error());
  co_return made_answer(*made);
}

Answer deactivate_stream(Context& context, Call const& call) {
  auto const turn = co_await take_turn(context, call);
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
  if (stream->state == model::StreamState::deactivated) co_return stream_answer(200, *stream);
  auto const done = co_await context.parts.streams.deactivate(stream, model::StateReason::by_user,
                                                              call.principal);
  if (!done) co_return failed(context, "store a data stream", done.error());
  co_return change_answer(200, *done);
}

Answer activate_stream(Context& context, Call const& call) {
  auto const turn = co_await take_turn(context, call);
  auto const stream = visible_stream(context, call);
  if (!stream) co_return no_such_stream();
  if (!if_match_allows(call.request, stream->version)) co_return changed_meanwhile(*stream);
  auto const from = parse_from(call, context.parts.clock.wall());
  if (!from) co_return bad_input(from.error());
  // Not answered as done: where it is to begin would be ignored.
  if (stream->state != model::StreamState::deactivated)
    co_return problem(409, "the data stream is active already");
  auto const done = co_await context.parts.streams.activate(stream, *from, call.principal);
  if (!done) co_return failed(context, "store a data stream", done.error());
  co_return change_answer(
      200, *done,
      done->applied ? R"(,"skipped":)" + std::to_string(done->counts.skipped) : std::string());
}

}  // namespace millrace::api
