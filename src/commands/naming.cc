#include "commands/naming.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/uuid.h"
#include "commands/client.h"

namespace millrace::commands {
namespace {

constexpr std::size_t most_told = 5;

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::unexpected<Error> ambiguous(std::string_view word, std::string_view why,
                                 std::vector<std::string> ids) {
  auto const count = ids.size();
  if (ids.size() > most_told) {
    ids.resize(most_told);
    ids.emplace_back("…");
  }
  return fail(Fault::invalid, fmt::format("{}: {} {} ({}); give more of an id", word, why, count,
                                          fmt::join(ids, ", ")));
}

std::unexpected<Error> none(std::span<Named const> all, std::string_view word,
                            std::string_view kind) {
  Nearest near(word);
  for (auto const& one : all) near.consider(one.name);
  auto const guess = near.found();
  return fail(Fault::missing,
              fmt::format("{}: there is no such {} (an id, its beginning of {} characters or more, "
                          "or a name){}",
                          word, kind, shortest_beginning,
                          guess.empty() ? "" : fmt::format("; did you mean \"{}\"?", guess)));
}

}  // namespace

Result<std::string> id_meant(std::span<Named const> all, std::string_view word,
                             std::string_view kind) {
  if (word.empty()) return fail(Fault::invalid, fmt::format("which {}? the word is empty", kind));
  std::vector<std::string> by_name, by_beginning;
  auto const small = lower(word);
  for (auto const& one : all) {
    if (one.id == word) return one.id;
    if (one.name == word) by_name.push_back(one.id);
    if (small.size() >= shortest_beginning && lower(one.id).starts_with(small))
      by_beginning.push_back(one.id);
  }
  if (by_name.size() == 1) return by_name.front();
  if (by_name.size() > 1)
    return ambiguous(word, fmt::format("is the name of more than one {}:", kind), by_name);
  if (by_beginning.size() == 1) return by_beginning.front();
  if (by_beginning.size() > 1)
    return ambiguous(word, "is the beginning of more than one id:", by_beginning);
  return none(all, word, kind);
}

std::vector<Named> named_in(boost::json::array const& items, std::string_view id_member,
                            std::string_view name_member) {
  std::vector<Named> all;
  for (auto const& item : items) {
    auto const* const object = item.if_object();
    if (object == nullptr || shown(*object, "revoked") == "yes") continue;
    auto const text = [&](std::string_view member) {
      auto const* const value = member.empty() ? nullptr : object->if_contains(member);
      return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                    : std::string();
    };
    all.push_back({text(id_member), text(name_member)});
  }
  return all;
}

Result<std::string> find_id(ServerClient& server, NamedKind const& kind, std::string_view word) {
  if (Uuid::parse(word)) return std::string(word);
  auto const items = server.items(std::string(kind.path));
  if (!items) return pass(items);
  return id_meant(named_in(*items, kind.id_member, kind.name_member), word, kind.kind);
}

}  // namespace millrace::commands
