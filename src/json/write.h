// Writing JSON by hand, quickly: always valid, always UTF-8. Bytes that are not UTF-8 become U+FFFD.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::json {

// Appends `text` as a JSON string, quotes included.
void append_string(std::string& out, std::string_view text);
std::string quote(std::string_view text);

// `Writer w; w.begin_object().key("id").text(id).end_object(); return std::move(w).take();`
// Commas come by themselves; that each key has its value and each bracket its end is the caller's part.
class Writer {
 public:
  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);
  Writer& text(std::string_view value);
  Writer& number(std::int64_t value);
  Writer& number(std::uint64_t value);
  Writer& number(int value) { return number(std::int64_t{value}); }
  Writer& number(unsigned value) { return number(std::uint64_t{value}); }
  Writer& real(double value);  // null when it is not finite
  Writer& flag(bool value) { return raw(value ? "true" : "false"); }
  Writer& null() { return raw("null"); }
  Writer& raw(std::string_view json);  // one valid value, as it stands
  Writer& text_or_null(std::string_view value) { return value.empty() ? null() : text(value); }

  std::string const& str() const { return out_; }
  std::string take() && { return std::move(out_); }

 private:
  Writer& open(char bracket);
  Writer& close(char bracket);
  void comma();

  std::string out_;
  bool first_ = true;  // nothing stands before the next value in its brackets
};

}  // namespace millrace::json
