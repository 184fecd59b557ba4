// How people name a thing: by its id, by the beginning of its id, or by its name.
#pragma once
#include <boost/json/array.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::commands {

class ServerClient;

struct Named {
  std::string id, name;  // the name may be empty
};

// Of a beginning at least so many characters are needed.
inline constexpr std::size_t shortest_beginning = 4;

// The id of the one that `word` means: a whole id goes before a name, a name before a beginning. `kind`: "data stream".
// Fails with: missing (none, with the nearest name), invalid (an empty word; several, with their ids). Pure.
Result<std::string> id_meant(std::span<Named const> all, std::string_view word,
                             std::string_view kind);

// What a list of the API has, by these members; what is revoked is left out.
std::vector<Named> named_in(boost::json::array const& items, std::string_view id_member,
                            std::string_view name_member);

struct NamedKind {
  std::string_view kind;                  // "data stream"
  std::string_view path;                  // of their list
  std::string_view id_member = "id";      // of its items
  std::string_view name_member = "name";  // empty: they have none
};
inline constexpr NamedKind streams_kind{"data stream", "/api/v1/data_streams"};

// id_meant() among what the server lists. A whole UUID is taken without asking: whoever uses it learns whether it is there.
Result<std::string> find_id(ServerClient& server, NamedKind const& kind, std::string_view word);

}  // namespace millrace::commands
