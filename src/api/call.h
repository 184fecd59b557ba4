// One request as handlers see it: matched, allowed, its parts decoded and within their limits.
#pragma once
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/problem.h"
#include "control/registry.h"
#include "http/message.h"
#include "model/access.h"

namespace millrace::api {

constexpr std::size_t most_body_bytes = 1024 * 1024;
constexpr std::size_t most_items = 1000;
constexpr std::size_t usual_items = 100;

using Query = std::map<std::string, std::string, std::less<>>;

struct Call {
  http::ServerRequest request;
  model::Principal principal;    // empty on open routes
  std::vector<std::string> ids;  // what stood for each {…} of the path
  Query query;
  std::optional<control::Repeat> repeat;  // of an Idempotency-Key
  std::optional<control::Made> made;      // what an earlier call with it has made
};

// Whether all of them are on his side of the wall.
bool sees_all_of(model::Principal const& who, std::vector<std::string> const& accounts);

// %xx decoded; nullopt: not a valid encoding, or one that hides a NUL byte.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space);

// `names`: the parameters that the route knows, with spaces between. All faults at once.
std::expected<Query, FieldFaults> parse_query(std::string_view text, std::string_view names);

// The word that the parameter has, one of `words`; a fault with the nearest of them where it is another.
std::optional<std::string> word_of(Query const& query, std::string_view name,
                                   std::initializer_list<std::string_view> words,
                                   FieldFaults& faults);

struct PageAsk {
  std::size_t limit = usual_items;
  std::string after;
};
PageAsk page_of(Query const& query, FieldFaults& faults, std::size_t most = most_items);

// The tags of an If-Match; none: no such header. "*" matches everything that is there.
bool if_match_allows(http::ServerRequest const& request, std::uint64_t version);
bool none_match_has(http::ServerRequest const& request, std::string_view tag);
bool accepts_json(http::ServerRequest const& request);
bool is_json_body(http::ServerRequest const& request);

std::string etag_of(std::uint64_t version);
http::ServerResponse json_answer(int status, std::string body);

}  // namespace millrace::api
