#include "api/api.h"

#include <algorithm>

#include "api/call.h"
#include "api/context.h"
#include "api/routes.h"
#include "crypto/digest.h"

namespace millrace::api {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    auto const end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

// What stood for each {…}; nullopt: another path.
std::optional<std::vector<std::string>> matched(std::string_view pattern, std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  auto const wanted = segments_of(pattern);
  auto const given = segments_of(path);
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      auto id = percent_decoded(given[i], false);
      if (!id || id->empty()) return std::nullopt;
      ids.push_back(std::move(*id));
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return ids;
}

struct Found {
  Route const* any = nullptr;    // a route of this path, of whatever method
  Route const* route = nullptr;  // of this path and method
  std::vector<std::string> ids;
  std::string allow;  // all methods of the path
};

Found find_route(http::ServerRequest const& request) {
  Found found;
  auto const method = request.method == "HEAD" ? "GET" : request.method;
  for (auto const& route : routes()) {
    auto ids = matched(route.path, request.path);
    if (!ids) continue;
    // What is written out goes before what {…} stands for.
    if (found.any != nullptr && found.any->path.contains('{') && ids->empty()) found = {};
    found.any = &route;
    if (!found.allow.empty()) found.allow += ", ";
    found.allow += route.method == "GET" ? "GET, HEAD" : route.method;
    if (route.method != method) continue;
    found.route = &route;
    found.ids = std::move(*ids);
  }
  return found;
}

std::optional<std::string_view> bearer_of(http::ServerRequest const& request) {
  constexpr std::string_view scheme = "bearer ";
  auto value = request.header("Authorization");
  if (!value || value->size() <= scheme.size()) return std::nullopt;
  auto const same = [](char a, char b) {
    return a == (b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b);
  };
  if (!std::equal(scheme.begin(), scheme.end(), value->begin(), same)) return std::nullopt;
  value->remove_prefix(scheme.size());
  while (value->starts_with(' ')) value->remove_prefix(1);
  return value;
}

http::ServerResponse unknown_caller(bool had_token) {
  auto out = problem(401, had_token ? "this token is not known here, or was revoked"
                                    : "send the header Authorization: Bearer TOKEN");
  out.headers.push_back(
      {"WWW-Authenticate", had_token ? R"(Bearer realm="millrace", error="invalid_token")"
                                     : R"(Bearer realm="millrace")"});
  return out;
}

// Empty: allowed; else what it takes.
std::string_view lacks(model::Principal const& who, Access access) {
  constexpr std::string_view of_all = "this takes a credential of every account";
  switch (access) {
    case Access::open:
      return "";
    case Access::read:
      return who.may_read() ? "" : "a producer may only send events";
    case Access::edit:
      return who.may_edit() ? "" : "this takes the role editor or owner";
    case Access::own:
      return who.may_own() ? "" : "this takes the role owner";
    case Access::read_all:
      return !who.may_read() ? "a producer may only send events" : who.sees_all() ? "" : of_all;
    case Access::own_all:
      return !who.may_own() ? "this takes the role owner" : who.sees_all() ? "" : of_all;
  }
  return "this is not allowed";
}

std::optional<http::ServerResponse> refuse_body(Route const& route,
                                                http::ServerRequest const& request) {
  if (route.body == BodyKind::none) return std::nullopt;
  if (request.body.size() > most_body_bytes) return problem(413, "a body has at most 1 MiB");
  if (request.body.empty() && route.body == BodyKind::optional_json) return std::nullopt;
  if (request.body.empty()) return bad_input({{"", "the body is empty; it must be JSON"}});
  if (!is_json_body(request))
    return problem(415, "the body must be JSON, with Content-Type: application/json");
  return std::nullopt;
}

class RoutedApi final : public Api {
 public:
  explicit RoutedApi(ApiParts parts) : context_{.parts = std::move(parts)} {}

  io::Task<http::ServerResponse> handle(http::ServerRequest request) override {
    auto found = find_route(request);
    if (found.any == nullptr)
      co_return problem(404, "there is nothing at this path; /openapi.yaml has all paths");
    Call call;
    call.request = std::move(request);
    call.ids = std::move(found.ids);
    if (found.any->access != Access::open) {
      auto const token = bearer_of(call.request);
      auto principal = token ? context_.parts.registry.token(*token) : std::nullopt;
      if (!principal) co_return unknown_caller(token.has_value());
      call.principal = std::move(*principal);
    }
    if (found.route == nullptr) {
      auto out = problem(405, "this path takes " + found.allow);
      out.headers.push_back({"Allow", found.allow});
      co_return out;
    }
    auto const& route = *found.route;
    if (auto refused = refuse(route, call)) co_return std::move(*refused);

    std::optional<control::Turns::Turn> turn;
    if (call.repeat) {
      turn.emplace(co_await context_.turns.take("repeat/" + call.repeat->key));
      call.made = context_.parts.registry.made(call.repeat->key);
      if (call.made && call.made->body_hash != call.repeat->body_hash)
        co_return problem(
            422, "this Idempotency-Key came with another body at " + iso_ms(call.made->at));
    }
    co_return co_await route.handler(context_, call);
  }

 private:
  std::optional<http::ServerResponse> refuse(Route const& route, Call& call) const;

  Context context_;
};

// Reads what every route has in common into the call.
std::optional<http::ServerResponse> RoutedApi::refuse(Route const& route, Call& call) const {
  if (auto const why = lacks(call.principal, route.access); !why.empty())
    return problem(403, std::string(why));
  if (route.path.starts_with("/api/") && !accepts_json(call.request))
    return problem(406, "answers are application/json");
  if (auto refused = refuse_body(route, call.request)) return refused;
  if (route.access != Access::open) {
    auto query = parse_query(call.request.query, route.parameters);
    if (!query) return bad_input(query.error());
    call.query = std::move(*query);
  }
  auto const key = route.makes ? call.request.header("Idempotency-Key") : std::nullopt;
  if (!key) return std::nullopt;
  auto const printable = [](char c) { return c >= 0x20 && c < 0x7F; };
  if (key->empty() || key->size() > 255 || !std::all_of(key->begin(), key->end(), printable))
    return bad_input({{"Idempotency-Key", "must be 1 to 255 printable ASCII characters"}});
  call.repeat = control::Repeat{
      crypto::sha256_hex(call.principal.id + "\n" + call.request.path + "\n" + std::string(*key)),
      crypto::sha256(call.request.body), call.principal.id};
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Api> Api::make(ApiParts parts) {
  return std::make_unique<RoutedApi>(std::move(parts));
}

}  // namespace millrace::api
