// JSON of the control plane: parsed into a tree (Boost.JSON), with limits, and read field by field so that all faults of an input
// are told at once, each with its JSON pointer.
#pragma once
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "json/strict.h"

namespace millrace::json {

// The whole text as a tree. A key that comes twice in one object is refused. Fails with: invalid (the message does not name the input).
Result<boost::json::value> parse(std::string_view text, Limits limits = {});

// The string at `key`; nullopt when there is none.
std::optional<std::string_view> text_at(boost::json::object const& object, std::string_view key);

struct FieldTrouble {
  std::string field;    // JSON pointer
  std::string message;  // a sentence without its subject: "is not a string"
};

// Reads one object. Each getter gives nullopt where the field is absent, and where it is wrong, which is then among the troubles.
class Fields {
 public:
  Fields(boost::json::object const& object, std::string pointer,
         std::vector<FieldTrouble>& troubles)
      : object_(object), pointer_(std::move(pointer)), troubles_(troubles) {}

  bool has(std::string_view key) { return member(key) != nullptr; }
  bool is_null(std::string_view key) {
    auto const* const v = member(key);
    return v != nullptr && v->is_null();
  }
  // `most` counts bytes. Control characters are refused.
  std::optional<std::string> text(std::string_view key, std::size_t least, std::size_t most);
  // The same for text of several lines: line ends and tabs are taken.
  std::optional<std::string> lines(std::string_view key, std::size_t least, std::size_t most);
  // `least` and `most` are allowed.
  std::optional<bool> flag(std::string_view key);
  std::optional<std::int64_t> number(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<double> real(std::string_view key, double least, double most);
  std::optional<std::size_t> choice(
      std::string_view key,
      std::vector<std::string_view> const& choices);  // index of the one chosen
  std::optional<std::vector<std::string>> texts(std::string_view key, std::size_t most_items,
                                                std::size_t most_bytes);
  boost::json::object const* object(std::string_view key);

  void wrong(std::string_view key, std::string message);  // key "": the object itself
  // Every key that no getter asked for is a fault, with a guess at what was meant; the first 100 by name.
  void refuse_others();
  std::string pointer_of(std::string_view key) const;

 private:
  boost::json::value const* member(std::string_view key);
  std::optional<std::string> sized(std::string_view key, std::size_t least, std::size_t most);

  boost::json::object const& object_;
  std::string pointer_;
  std::vector<FieldTrouble>& troubles_;
  std::vector<std::string_view> asked_;
};

}  // namespace millrace::json
