// Cuts values that stand in a row out of a text, one by one and in small steps. What is cut out is not validated but for its
// brackets being even in number and its strings having ends: each value is to be checked on its own afterwards, and then the whole was
// as valid as if it had been parsed in one go.
//   Lifetime Borrows from the text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::json {

class Splitter {
 public:
  enum class Row : std::uint8_t {
    array,  // the elements of the array that the text is
    sequence,  // values one after the other: `}{`, with white space or RS (RFC 7464) between them or nothing
  };
  enum class Found : std::uint8_t {
    value,    // value() is the next one
    pause,    // nothing yet within the bytes that were to be looked at
    end,      // the row has ended, and so has the text
    trouble,  // see trouble(); it stays so
  };

  Splitter(std::string_view text, Row row) : text_(text), row_(row) {}
  // Looks at about `bytes` more bytes of the text.
  Found next(std::size_t bytes);
  std::string_view value() const { return value_; }      // without the white space around
  std::string_view trouble() const { return trouble_; }  // a sentence without its subject
  std::size_t position() const { return at_; }           // how many bytes were looked at

 private:
  enum class Place : std::uint8_t { start, before, inside, behind, done };
  Found refuse(std::string_view why);
  bool skip_blanks(std::size_t end);
  bool find_end(std::size_t end);
  Found before_value();
  Found behind_value();

  std::string_view text_, value_, trouble_;
  Row row_;
  Place place_ = Place::start;
  std::size_t at_ = 0, begin_ = 0, depth_ = 0;
  bool in_string_ = false, first_ = true;
};

}  // namespace millrace::json
