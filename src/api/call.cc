#include "api/call.h"

#include <algorithm>
#include <charconv>

#include "api/json_text.h"
#include "base/encoding.h"
#include "base/nearest.h"

namespace millrace::api {
namespace {

constexpr std::size_t most_parameters = 32;

// Runs `take(part)` for each trimmed part; true when one is taken.
template <class Take>
bool any_part(std::string_view text, char separator, Take take) {
  while (!text.empty()) {
    auto const end = std::min(text.find(separator), text.size());
    auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.remove_suffix(1);
    if (take(part)) return true;
  }
  return false;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// The media type without its parameters.
std::string media_type(std::string_view text) {
  std::string_view type;
  any_part(text, ';', [&](std::string_view part) {
    type = part;
    return true;
  });
  return lower(type);
}

bool is_refused_by_q(std::string_view range) {
  return any_part(range, ';', [](std::string_view part) {
    auto const p = lower(part);
    return p == "q=0" || p == "q=0.0" || p == "q=0.00" || p == "q=0.000";
  });
}

}  // namespace

bool sees_all_of(model::Principal const& who, std::vector<std::string> const& accounts) {
  return std::all_of(accounts.begin(), accounts.end(),
                     [&](std::string const& account) { return who.sees(account); });
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      auto const byte = i + 2 < text.size() ? unhex(text.substr(i + 1, 2)) : std::nullopt;
      if (!byte || byte->size() != 1 || byte->front() == '\0') return std::nullopt;
      out += *byte;
      i += 2;
    }
  }
  return out;
}

std::expected<Query, FieldFaults> parse_query(std::string_view text, std::string_view names) {
  Query query;
  FieldFaults faults;
  std::size_t count = 0;
  any_part(text, '&', [&](std::string_view part) {
    if (part.empty()) return false;
    auto const equals = std::min(part.find('='), part.size());
    auto const name = percent_decoded(part.substr(0, equals), true);
    auto const value = percent_decoded(part.substr(std::min(equals + 1, part.size())), true);
    if (!name || !value) {
      faults.push_back({"?", "the query is not properly encoded"});
    } else if (Nearest near(*name); !any_part(names, ' ', [&](std::string_view known) {
                 near.consider(known);
                 return known == *name;
               })) {
      faults.push_back(
          {"?" + *name, "is not a parameter of this path" + did_you_mean(near.found())});
    } else if (!query.emplace(*name, *value).second) {
      faults.push_back({"?" + *name, "is given twice"});
    }
    return ++count >= most_parameters;
  });
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return query;
}

std::optional<std::string> word_of(Query const& query, std::string_view name,
                                   std::initializer_list<std::string_view> words,
                                   FieldFaults& faults) {
  auto const at = query.find(name);
  if (at == query.end()) return std::nullopt;
  if (std::ranges::find(words, at->second) != words.end()) return at->second;
  std::string all;
  for (auto const word : words)
    all.append(all.empty() ? "" : word == *(words.end() - 1) ? " or " : ", ").append(word);
  faults.push_back(
      {"?" + std::string(name), "must be " + all + did_you_mean(nearest(at->second, words))});
  return std::nullopt;
}

PageAsk page_of(Query const& query, FieldFaults& faults, std::size_t most) {
  PageAsk ask;
  ask.limit = std::min(usual_items, most);
  if (auto const at = query.find("limit"); at != query.end()) {
    auto const& text = at->second;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), ask.limit);
    if (error != std::errc() || end != text.data() + text.size() || ask.limit < 1 ||
        ask.limit > most)
      faults.push_back({"?limit", "must be a number from 1 to " + std::to_string(most)});
  }
  if (auto const at = query.find("after"); at != query.end()) {
    ask.after = at->second;
    if (ask.after.size() > 512) faults.push_back({"?after", "is not a cursor of this list"});
  }
  return ask;
}

bool if_match_allows(http::ServerRequest const& request, std::uint64_t version) {
  auto const wanted = request.header("If-Match");
  if (!wanted) return true;
  return any_part(*wanted, ',',
                  [&](std::string_view tag) { return tag == "*" || tag == etag_of(version); });
}

bool none_match_has(http::ServerRequest const& request, std::string_view tag) {
  auto const held = request.header("If-None-Match");
  return held && any_part(*held, ',', [&](std::string_view part) {
           if (part.starts_with("W/")) part.remove_prefix(2);
           return part == "*" || part == tag;
         });
}

bool accepts_json(http::ServerRequest const& request) {
  auto const accepted = request.header("Accept");
  if (!accepted || accepted->empty()) return true;
  return any_part(*accepted, ',', [](std::string_view range) {
    auto const type = media_type(range);
    return (type == "*/*" || type == "application/*" || type == "application/json") &&
           !is_refused_by_q(range);
  });
}

bool is_json_body(http::ServerRequest const& request) {
  auto const type = request.header("Content-Type");
  if (!type) return false;
  auto const media = media_type(*type);
  return media == "application/json" || media == "application/merge-patch+json";
}

std::string etag_of(std::uint64_t version) { return "\"" + std::to_string(version) + "\""; }

http::ServerResponse json_answer(int status, std::string body) {
  http::ServerResponse out;
  out.status = status;
  out.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  out.body = std::move(body);
  return out;
}

}  // namespace millrace::api
