#include "json/split.h"

#include <algorithm>

namespace millrace::json {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
constexpr char record_separator = 0x1E;

}  // namespace

Splitter::Found Splitter::refuse(std::string_view why) {
  trouble_ = why;
  place_ = Place::done;
  return Found::trouble;
}

// False: the step ends before something else was seen.
bool Splitter::skip_blanks(std::size_t end) {
  while (at_ < end &&
         (is_blank(text_[at_]) || (row_ == Row::sequence && text_[at_] == record_separator)))
    ++at_;
  return at_ < end || at_ == text_.size();
}

// True: text_[begin_, at_) is the value, or the text has ended within it. A value that is neither object, array nor string ends where
// the next token begins.
bool Splitter::find_end(std::size_t end) {
  while (at_ < end) {
    char const c = text_[at_];
    if (in_string_) {
      while (at_ < end && text_[at_] != '"' && text_[at_] != '\\') ++at_;
      if (at_ >= end) break;
      in_string_ = text_[at_] == '\\';
      at_ = std::min(at_ + (in_string_ ? 2 : 1), text_.size());
      if (!in_string_ && depth_ == 0 && row_ == Row::sequence) return true;
      continue;
    }
    if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      if (depth_ == 0) return true;  // the array's own bracket, or one too many
      if (--depth_ == 0 && row_ == Row::sequence) return ++at_, true;
    } else if (depth_ == 0 &&
               (row_ == Row::array ? c == ',' : is_blank(c) || c == record_separator)) {
      return true;
    }
    ++at_;
  }
  return at_ == text_.size();
}

Splitter::Found Splitter::before_value() {
  if (at_ == text_.size()) {
    if (row_ == Row::array) return refuse("has no end");
    place_ = Place::done;
    return Found::end;
  }
  if (row_ == Row::array && text_[at_] == ']' && first_) {
    ++at_;
    place_ = Place::behind;
    return Found::pause;
  }
  if (text_[at_] == ']' || text_[at_] == '}' || text_[at_] == ',')
    return refuse("has a comma or a bracket where a value is due");
  begin_ = at_;
  depth_ = 0;
  in_string_ = first_ = false;
  place_ = Place::inside;
  return Found::pause;
}

// The value is cut out; of an array, what follows it is looked at as well.
Splitter::Found Splitter::behind_value() {
  if (in_string_ || depth_ > 0) return refuse("has no end");
  auto end = at_;
  while (is_blank(text_[end - 1])) --end;
  value_ = text_.substr(begin_, end - begin_);
  if (row_ == Row::sequence) {
    place_ = Place::before;
    return Found::value;
  }
  if (at_ == text_.size()) return refuse("has no end");
  if (text_[at_] == '}') return refuse("has a bracket where a comma is due");
  place_ = text_[at_++] == ',' ? Place::before : Place::behind;
  return Found::value;
}

Splitter::Found Splitter::next(std::size_t bytes) {
  auto const end = at_ + std::min(bytes, text_.size() - at_);
  for (;;) {
    switch (place_) {
      case Place::start:
        if (!skip_blanks(end)) return Found::pause;
        if (row_ == Row::array) {
          if (at_ == text_.size() || text_[at_] != '[') return refuse("is not an array");
          ++at_;
        }
        place_ = Place::before;
        break;
      case Place::before:
        if (!skip_blanks(std::max(end, at_))) return Found::pause;
        if (auto const found = before_value(); found != Found::pause) return found;
        break;
      case Place::inside:
        if (!find_end(end)) return Found::pause;
        return behind_value();
      case Place::behind:
        if (!skip_blanks(std::max(end, at_))) return Found::pause;
        if (at_ < text_.size()) return refuse("has something behind its end");
        place_ = Place::done;
        return Found::end;
      case Place::done:
        return trouble_.empty() ? Found::end : Found::trouble;
    }
  }
}

}  // namespace millrace::json
