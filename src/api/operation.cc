// Signing keys, and what machines and operators ask of a node.
#include "api/handlers.h"
#include "api/json_text.h"
#include "api/list.h"
#include "api/openapi.h"
#include "api/streams.h"
#include "base/encoding.h"
#include "crypto/digest.h"

namespace millrace::api {
namespace {

constexpr std::string_view welcome =
    R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Millrace</title></head><body>
<h1>Millrace</h1>
<p>This node takes Canvas Live Events in and delivers them to data streams.</p>
<ul>
<li>The API is below <code>/api/v1</code>, with <code>Authorization: Bearer TOKEN</code>; it is described in <a href="/openapi.yaml">/openapi.yaml</a>.</li>
<li>Public signing keys: <a href="/jwks">/jwks</a>.</li>
<li>How this node is: <a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>.</li>
</ul>
</body></html>
)";

constexpr auto jwks_age = std::chrono::hours(1);  // Cache-Control of the JWKS

http::ServerResponse text_answer(std::string type, std::string body) {
  http::ServerResponse out;
  out.headers = {{"Content-Type", std::move(type)}, {"X-Content-Type-Options", "nosniff"}};
  out.body = std::move(body);
  return out;
}

std::string status_answer_json(std::string_view status, std::string_view note = {}) {
  ObjectText text;
  text.text("status", status);
  if (!note.empty()) text.text("note", note);
  return std::move(text).done();
}

struct KeyRow {
  std::string kid;
  std::string json;
};

bool is_withdrawn(crypto::RingKey const& key, WallTime now) {
  return key.withdrawn && *key.withdrawn <= now;
}

// Newest last, as `keys` lists them; the state follows from where the current one stands.
std::vector<KeyRow> key_rows(crypto::KeyRing const& ring, WallTime now) {
  auto const published = ring.published(now);
  auto const& current = ring.key_for(now, now);
  std::vector<KeyRow> rows;
  for (auto const& key : ring.keys()) {
    bool const shown = std::any_of(published.begin(), published.end(),
                                   [&](auto const* p) { return p->kid == key.kid; });
    std::string_view state = "retired";
    if (is_withdrawn(key, now))
      state = "withdrawn";
    else if (key.kid == current.kid)
      state = "current";
    else if (shown)
      state = key.active_from <= now ? "previous" : "next";
    ObjectText text;
    text.text("kid", key.kid).text("state", state).truth("published", shown);
    text.time("created_at", key.created_at).time("active_from", key.active_from);
    text.time("withdrawn_at", key.withdrawn);
    rows.push_back({key.kid, std::move(text).done()});
  }
  return rows;
}

Answer keys_answer(Context& context, Call const& call, PageAsk ask) {
  auto const ring = context.parts.keys.get();
  auto rows = key_rows(*ring, context.parts.store.time().earliest());
  std::sort(rows.begin(), rows.end(), [](auto const& a, auto const& b) { return a.kid < b.kid; });
  co_return co_await list_answer(context, call, std::move(ask),
                                 item_rows<KeyRow>(
                                     std::move(rows), [](KeyRow const& row) { return row.kid; },
                                     [](KeyRow const& row) { return row.json; }));
}

}  // namespace

Answer list_signing_keys(Context& context, Call const& call) {
  FieldFaults faults;
  auto const ask = page_of(call.query, faults);
  if (!faults.empty()) co_return bad_input(faults);
  co_return co_await keys_answer(context, call, ask);
}

// Until when receivers may hold a JWKS without the next key, since a rotation has made it; none: all have it.
std::optional<WallTime> too_soon_until(crypto::KeyRing const& ring, WallTime now) {
  auto const& keys = ring.keys();
  // The keys of the first start stand in the first JWKS already.
  auto const rotated = std::ranges::count_if(
      keys, [&](crypto::RingKey const& key) { return key.active_from <= now; });
  if (keys.empty() || rotated < 2) return std::nullopt;
  auto const until = keys.back().created_at + jwks_age;
  return keys.back().created_at <= now && until > now ? std::optional(until) : std::nullopt;
}

// The audit line comes first: there is no rotation without one.
Answer rotate_signing_keys(Context& context, Call const& call) {
  auto const input = body_object(call);
  if (!input) co_return bad_input({{"", input.error().what}});
  std::vector<json::FieldTrouble> troubles;
  json::Fields fields(*input, "", troubles);
  auto const withdrawn = fields.text("emergency", 1, 128);
  auto const ring = context.parts.keys.get();
  if (withdrawn && ring->find(*withdrawn) == nullptr)
    fields.wrong("emergency", "is not the kid of a key of this node");
  bool const confirmed = fields.flag("confirm").value_or(false);
  fields.refuse_others();
  if (!troubles.empty()) co_return bad_input(told(std::move(troubles)));
  if (auto const until = too_soon_until(*ring, context.parts.clock.wall());
      until && !withdrawn && !confirmed)
    co_return problem(
        409,
        "the keys were rotated less than an hour ago: receivers that hold the JWKS since then may "
        "not know the next key yet, and would refuse what it signs. Wait until " +
            iso_s(*until) + ", or say \"confirm\": true");

  control::AuditLine line{withdrawn ? "signing_keys.withdraw" : "signing_keys.rotate",
                          withdrawn.value_or(""),
                          "",
                          {"*"},
                          {}};
  auto const noted = co_await context.parts.registry.note(line, call.principal);
  if (!noted) co_return failed(context, "write the audit log", noted.error());
  auto const rotated = co_await context.parts.rotate_keys(withdrawn);
  if (!rotated) {
    line.action += "_failed";
    // The first line stands; that this one is missing too is the lesser trouble.
    static_cast<void>(co_await context.parts.registry.note(line, call.principal));
    co_return failed(context, "rotate the signing keys", rotated.error());
  }
  co_return co_await keys_answer(context, call, {});
}

Answer show_jwks(Context& context, Call const& call) {
  auto body = context.parts.keys.get()->jwks(context.parts.store.time().earliest());
  auto const tag = "\"" + hex(crypto::sha256(body)).substr(0, 32) + "\"";
  http::ServerResponse out;
  out.headers = {{"Cache-Control", "max-age=3600"}, {"ETag", tag}};
  if (none_match_has(call.request, tag)) {
    out.status = 304;
  } else {
    out.headers.push_back({"Content-Type", "application/json"});
    out.body = std::move(body);
  }
  co_return out;
}

Answer show_metrics(Context& context, Call const&) {
  auto answer = text_answer("text/plain; version=0.0.4; charset=utf-8", "");
  answer.more = context.parts.metrics();
  co_return answer;
}

Answer show_healthz(Context& context, Call const&) {
  auto const why = context.parts.not_healthy();
  if (!why.empty()) co_return problem(503, why);
  auto const& note = context.parts.health_note;
  co_return json_answer(200, status_answer_json("ok", note ? note() : ""));
}

Answer show_readyz(Context& context, Call const&) {
  auto const why = context.parts.not_ready();
  co_return why.empty() ? json_answer(200, status_answer_json("ready")) : problem(503, why);
}

Answer show_openapi(Context&, Call const&) {
  co_return text_answer("application/yaml", std::string(openapi_yaml()));
}

Answer show_welcome(Context&, Call const&) {
  co_return text_answer("text/html; charset=utf-8", std::string(welcome));
}

}  // namespace millrace::api
