#include "json/strict.h"

#include <fmt/format.h>

#include <array>
#include <unordered_set>

#include "json/document.h"
#include "json/write.h"

namespace millrace::json {

struct Parser::State {
  Document document;
  // Unescaped values of one event; few, and kept apart so that views into them stay good.
  std::array<std::string, 4> unescaped;
  std::size_t unescaped_used = 0;
};

Parser::Parser() : state_(std::make_unique<State>()) {}
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

namespace {

void append_utf8(std::string& out, std::uint32_t point) {
  auto const put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | (point >> 6)), put(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    put(0xE0 | (point >> 12)), put(0x80 | ((point >> 6) & 0x3F)), put(0x80 | (point & 0x3F));
  } else {
    put(0xF0 | (point >> 18)), put(0x80 | ((point >> 12) & 0x3F)),
        put(0x80 | ((point >> 6) & 0x3F)), put(0x80 | (point & 0x3F));
  }
}

// Four hexadecimal digits at `at`; more than 0xFFFF when they are not there.
std::uint32_t unit_at(std::string_view s, std::size_t at) {
  if (at + 4 > s.size()) return 0x10000;
  std::uint32_t value = 0;
  for (char const c : s.substr(at, 4)) {
    auto const digit = c >= '0' && c <= '9'                     ? c - '0'
                       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                : -1;
    if (digit < 0) return 0x10000;
    value = value * 16 + static_cast<std::uint32_t>(digit);
  }
  return value;
}

// `inside`: what stands between the quotes of a valid string.
std::optional<std::string> unescape(std::string_view inside) {
  std::string out;
  out.reserve(inside.size());
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') {
      out += inside[i];
      continue;
    }
    if (++i == inside.size()) return std::nullopt;
    switch (inside[i]) {
      case '"':
      case '\\':
      case '/':
        out += inside[i];
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        auto unit = unit_at(inside, i + 1);
        i += 4;
        if (unit >= 0xD800 && unit < 0xDC00 && inside.substr(i + 1).starts_with("\\u")) {
          auto const low = unit_at(inside, i + 3);
          if (low < 0xDC00 || low > 0xDFFF) return std::nullopt;
          unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
          i += 6;
        } else if (unit > 0xFFFF || (unit >= 0xD800 && unit < 0xE000)) {
          return std::nullopt;
        }
        append_utf8(out, unit);
        break;
      }
      default:
        return std::nullopt;
    }
  }
  return out;
}

std::string_view inside(std::string_view raw) { return raw.substr(1, raw.size() - 2); }
bool has_escape(std::string_view text) { return text.find('\\') != text.npos; }

// True when the raw string `raw` stands for `wanted`.
bool stands_for(std::string_view raw, std::string_view wanted) {
  auto const text = inside(raw);
  if (text == wanted) return true;
  return has_escape(text) && unescape(text) == wanted;
}

std::unexpected<Error> refuse(std::string_view where, std::string_view what) {
  return fail(Fault::invalid, fmt::format("{}: {}", where, what));
}

// Calls each(key token, raw key, value token, token after the value) for each member; it returns false to stop.
template <class Each>
void for_each_member(Document const& document, std::uint32_t object, Each each) {
  auto token = object + 1;
  if (document.at(token) == '}') return;
  for (;;) {
    auto const value = token + 2;
    auto const next = document.after(value);
    if (!each(document.raw(token, token + 1), value, next)) return;
    if (document.at(next) == '}') return;
    token = next + 1;
  }
}

// A member that decides about the way of an event.
struct Route {
  std::string_view key;
  std::string_view* value;
  bool seen = false;
};

// Finds the routes among the members of the object at `object`. A value is a string, or null where it stands for nothing.
template <std::size_t Count, class Keep>
Result<void> find_routes(Document const& document, std::uint32_t object, std::string_view where,
                         std::array<Route, Count>& routes, Keep keep) {
  Result<void> result;
  for_each_member(
      document, object, [&](std::string_view key, std::uint32_t value, std::uint32_t next) {
        for (auto& route : routes) {
          // Nearly every key differs in its length; only one with escapes must be looked at closer.
          if (key.size() == route.key.size() + 2 ? !stands_for(key, route.key)
                                                 : !has_escape(key) || !stands_for(key, route.key))
            continue;
          auto const name = fmt::format("{}.{}", where, route.key);
          if (route.seen) {
            result = refuse(name, "is there twice");
            return false;
          }
          route.seen = true;
          auto const raw = document.raw(value, next);
          if (raw == "null") break;
          if (raw.front() != '"') {
            result = refuse(name, "is not a string");
            return false;
          }
          *route.value = keep(inside(raw));
          if (route.value->size() > 255) {
            result = refuse(name, "is longer than 255 bytes");
            return false;
          }
          for (char const c : *route.value) {
            if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) continue;
            result = refuse(name, "holds a control character");
            return false;
          }
          break;
        }
        return true;
      });
  return result;
}

}  // namespace

std::optional<std::string> unquoted(std::string_view raw) {
  if (raw.size() < 2 || raw.front() != '"' || raw.back() != '"') return std::nullopt;
  return unescape(inside(raw));
}

Result<void> Parser::validate(std::string_view json, Limits limits) {
  return state_->document.read(json, limits);
}

Result<void> Parser::validate_unique(std::string_view json, Limits limits) {
  auto& document = state_->document;
  if (auto good = document.read(json, limits); !good) return good;
  std::vector<std::unordered_set<std::string>>
      open;  // the keys seen in each object or array around the token
  for (std::uint32_t token = 0; token < document.tokens(); ++token) {
    char const c = document.at(token);
    if (c == '{' || c == '[') open.emplace_back();
    if (c == '}' || c == ']') open.pop_back();
    if (c != '"' || token + 1 >= document.tokens() || document.at(token + 1) != ':') continue;
    auto name = unquoted(document.raw(token, token + 1)).value_or("");
    if (!open.back().insert(name).second) return refuse(quote(name), "is there twice");
  }
  return {};
}

Result<std::vector<Member>> Parser::members(std::string_view json, Limits limits) {
  auto& document = state_->document;
  if (auto good = document.read(json, limits); !good) return pass(good);
  if (document.at(0) != '{') return fail(Fault::invalid, "is not a JSON object");
  std::vector<Member> out;
  std::unordered_set<std::string> keys;
  std::optional<std::string> twice;
  for_each_member(document, 0, [&](std::string_view key, std::uint32_t value, std::uint32_t next) {
    auto name = unquoted(key).value_or("");
    if (!keys.insert(name).second) twice = name;
    out.push_back({std::move(name), document.raw(value, next)});
    return !twice;
  });
  if (twice) return refuse(quote(*twice), "is there twice");
  return out;
}

Result<std::vector<std::string_view>> Parser::elements(std::string_view json, Limits limits) {
  auto& document = state_->document;
  if (auto good = document.read(json, limits); !good) return pass(good);
  if (document.at(0) != '[') return fail(Fault::invalid, "is not a JSON array");
  std::vector<std::string_view> out;
  for (std::uint32_t token = 1; document.at(token) != ']';) {
    auto const next = document.after(token);
    out.push_back(document.raw(token, next));
    token = document.at(next) == ',' ? next + 1 : next;
  }
  return out;
}

Result<Envelope> split_event(std::string_view json, Parser& parser) {
  auto& state = *parser.state_;
  auto const& document = state.document;
  if (auto good = state.document.read(json, {}); !good) return refuse("event", good.error().what);
  if (document.at(0) != '{') return refuse("event", "is not a JSON object");
  state.unescaped_used = 0;

  Envelope out;
  std::uint32_t metadata = 0, body = 0;  // tokens; 0: not seen, as 0 is the event's own brace
  std::string trouble;
  for_each_member(document, 0, [&](std::string_view key, std::uint32_t value, std::uint32_t next) {
    bool const is_attributes = stands_for(key, "attributes");
    bool const is_metadata = is_attributes || stands_for(key, "metadata");
    if (!is_metadata && !stands_for(key, "body")) {
      trouble = fmt::format(
          "event: has the unknown key {}; it takes \"metadata\" (or \"attributes\") and \"body\"",
          quote(unquoted(key).value_or("")));
      return false;
    }
    auto& seen = is_metadata ? metadata : body;
    if (seen != 0) {
      trouble = is_metadata ? "event: has its metadata (\"metadata\" or \"attributes\") twice"
                            : "event: has \"body\" twice";
      return false;
    }
    seen = value;
    if (document.at(value) != '{') {
      trouble = fmt::format("event.{}: is not an object", is_attributes ? "attributes"
                                                          : is_metadata ? "metadata"
                                                                        : "body");
      return false;
    }
    if (is_metadata) out.attributes = is_attributes;
    (is_metadata ? out.metadata : out.body) = document.raw(value, next);
    return true;
  });
  if (!trouble.empty()) return fail(Fault::invalid, std::move(trouble));
  if (metadata == 0) return refuse("event", "has no \"metadata\" (or \"attributes\")");
  if (body == 0) return refuse("event", "has no \"body\"");

  auto const keep = [&state](std::string_view text) -> std::string_view {
    if (!has_escape(text)) return text;
    auto& kept = state.unescaped[state.unescaped_used++];
    kept = unescape(text).value_or("");
    return kept;
  };
  std::string_view const where = out.attributes ? "event.attributes" : "event.metadata";
  std::array metadata_routes{Route{"event_name", &out.event_name},
                             Route{"event_time", &out.event_time},
                             Route{"root_account_uuid", &out.metadata_root_account}};
  if (auto good = find_routes(document, metadata, where, metadata_routes, keep); !good)
    return pass(good);
  std::array body_routes{Route{"root_account_uuid", &out.body_root_account}};
  if (auto good = find_routes(document, body, "event.body", body_routes, keep); !good)
    return pass(good);
  if (out.event_name.empty())
    return refuse(fmt::format("{}.event_name", where), "is absent or empty");
  return out;
}

}  // namespace millrace::json
