#include <fmt/format.h>

#include <array>
#include <utility>

#include "json/document.h"
#include "json/parser_state.h"
#include "json/strict.h"
#include "json/write.h"

namespace millrace::json {
namespace {

// A member that decides about the way of an event.
struct Route {
  std::string_view key;
  std::string_view* value;
  bool seen = false;
};

// Why a routing value cannot be used; empty: it can.
std::string_view route_refusal(std::string_view value) {
  if (value.size() > 255) return "is longer than 255 bytes";
  for (char const c : value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return "holds a control character";
  return {};
}

// One walk over the tokens of an event does everything, as this is the hottest loop of ingest: it counts the depth, finds the
// members of the event, and those members of its two objects that decide about its way.
class Walk {
 public:
  Walk(Parser::State& state, Envelope& out)
      : document_(state.document),
        state_(state),
        out_(out),
        metadata_routes_{Route{"event_name", &out.event_name}, Route{"event_time", &out.event_time},
                         Route{"root_account_uuid", &out.metadata_root_account}},
        body_routes_{Route{"root_account_uuid", &out.body_root_account}} {}

  Result<Envelope> run(std::size_t most_depth) {
    std::size_t depth = 0;
    bool const plain = !document_.has_escapes();
    for (std::uint32_t token = 0; token < document_.tokens(); ++token) {
      char const c = document_.at(token);
      char const folded =
          static_cast<char>(c | 0x20);  // '[' and '{' differ in this bit only, ']' and '}' too
      if (folded == '{') {
        if (++depth > most_depth)
          return refuse("event", fmt::format("is nested deeper than {}", most_depth));
      } else if (folded == '}') {
        if (--depth == 1) *value_ = document_.raw(value_token_, token + 1);
      } else if (c == ':' && depth <= 2) {
        if (depth == 2 && plain && !document_.may_be(token - 1, 'e', 'r')) continue;
        if (auto good = depth == 1 ? begin_member(token - 1) : look(token - 1); !good)
          return pass(good);
      }
    }
    return finish();
  }

 private:
  static std::unexpected<Error> refuse(std::string_view where, std::string_view what) {
    return fail(Fault::invalid, fmt::format("{}: {}", where, what));
  }

  // A member of the event itself.
  Result<void> begin_member(std::uint32_t key) {
    bool const is_attributes = stands_for(document_, key, "attributes");
    in_metadata_ = is_attributes || stands_for(document_, key, "metadata");
    if (!in_metadata_ && !stands_for(document_, key, "body"))
      return refuse(
          "event",
          fmt::format(
              "has the unknown key {}; it takes \"metadata\" (or \"attributes\") and \"body\"",
              quote(unquoted(document_.raw(key, key + 1)).value_or(""))));
    if (std::exchange(in_metadata_ ? metadata_seen_ : body_seen_, true))
      return refuse("event", in_metadata_
                                 ? "has its metadata (\"metadata\" or \"attributes\") twice"
                                 : "has \"body\" twice");
    if (in_metadata_) out_.attributes = is_attributes;
    value_token_ = key + 2;
    value_ = in_metadata_ ? &out_.metadata : &out_.body;
    if (document_.at(value_token_) != '{') return refuse(where(), "is not an object");
    return {};
  }

  // A member of one of the two objects.
  Result<void> look(std::uint32_t key) {
    for (auto& route :
         in_metadata_ ? std::span<Route>(metadata_routes_) : std::span<Route>(body_routes_)) {
      if (!stands_for(document_, key, route.key)) continue;
      auto const why = take(route, document_.raw(key + 2, document_.after(key + 2)));
      if (!why.empty()) return refuse(fmt::format("{}.{}", where(), route.key), why);
      return {};
    }
    return {};
  }

  // A value is a string, or null where it stands for nothing.
  std::string_view take(Route& route, std::string_view raw) {
    if (std::exchange(route.seen, true)) return "is there twice";
    if (raw == "null") return {};
    if (raw.front() != '"') return "is not a string";
    *route.value = raw.substr(1, raw.size() - 2);
    if (route.value->contains('\\')) {
      auto& kept = state_.unescaped[state_.unescaped_used++];
      kept = unquoted(raw).value_or("");
      *route.value = kept;
    }
    return route_refusal(*route.value);
  }

  std::string_view where() const {
    return !in_metadata_ ? "event.body" : out_.attributes ? "event.attributes" : "event.metadata";
  }

  Result<Envelope> finish() {
    if (!metadata_seen_) return refuse("event", "has no \"metadata\" (or \"attributes\")");
    if (!body_seen_) return refuse("event", "has no \"body\"");
    in_metadata_ = true;
    if (out_.event_name.empty())
      return refuse(fmt::format("{}.event_name", where()), "is absent or empty");
    return out_;
  }

  Document const& document_;
  Parser::State& state_;
  Envelope& out_;
  std::array<Route, 3> metadata_routes_;
  std::array<Route, 1> body_routes_;
  std::string_view* value_ = nullptr;  // of the member of the event that the walk is in
  std::uint32_t value_token_ = 0;
  bool in_metadata_ = false, metadata_seen_ = false, body_seen_ = false;
};

}  // namespace

Result<Envelope> split_event(std::string_view json, Parser& parser) {
  auto& state = *parser.state_;
  constexpr Limits limits;
  if (auto good = state.document.read_any_depth(json, limits); !good)
    return fail(Fault::invalid, "event: " + good.error().what);
  if (state.document.at(0) != '{') return fail(Fault::invalid, "event: is not a JSON object");
  state.unescaped_used = 0;
  Envelope out;
  return Walk(state, out).run(limits.depth);
}

}  // namespace millrace::json
