#include "json/strict.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "json/document.h"
#include "json/parser_state.h"
#include "json/write.h"

namespace millrace::json {

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
  if (inside.find('\\') == inside.npos) return std::string(inside);
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

// Whether a key was there before. Few keys are compared one by one with the members; a set is made where there are many.
class KeysSeen {
 public:
  explicit KeysSeen(std::vector<Member> const& members) : members_(members) {}
  bool has_or_add(std::string const& key) {
    if (members_.size() < few)
      return std::ranges::find(members_, key, &Member::key) != members_.end();
    if (keys_.empty())
      for (auto const& member : members_) keys_.insert(member.key);
    return !keys_.insert(key).second;
  }

 private:
  static constexpr std::size_t few = 16;
  std::vector<Member> const& members_;
  std::unordered_set<std::string> keys_;
};

std::string_view inside(std::string_view raw) { return raw.substr(1, raw.size() - 2); }
bool has_escape(std::string_view text) { return text.find('\\') != text.npos; }

std::unexpected<Error> refuse(std::string_view where, std::string_view what) {
  return fail(Fault::invalid, fmt::format("{}: {}", where, what));
}

// Calls each(key token, value token, token after the value) for each member; it returns false to stop.
template <class Each>
void for_each_member(Document const& document, std::uint32_t object, Each each) {
  auto token = object + 1;
  if (document.at(token) == '}') return;
  for (;;) {
    auto const value = token + 2;
    auto const next = document.after(value);
    if (!each(token, value, next)) return;
    if (document.at(next) == '}') return;
    token = next + 1;
  }
}

}  // namespace

bool stands_for(Document const& document, std::uint32_t token, std::string_view wanted) {
  if (!document.has_escapes()) return document.is_plain(token, wanted);
  auto const text = inside(document.raw(token, token + 1));
  return text == wanted || (has_escape(text) && unescape(text) == wanted);
}

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
  KeysSeen seen(out);
  std::optional<std::string> twice;
  for_each_member(document, 0, [&](std::uint32_t key, std::uint32_t value, std::uint32_t next) {
    auto name = unquoted(document.raw(key, key + 1)).value_or("");
    if (seen.has_or_add(name)) twice = name;
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

}  // namespace millrace::json
