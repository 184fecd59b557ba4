#include "http_client/answer_head.h"

#include <algorithm>
#include <cstring>

namespace millrace::http::client {
namespace {

constexpr std::size_t max_strict_bytes = 64 * 1024;  // beyond it the parser says nothing
constexpr std::size_t max_field_bytes = 16 * 1024;
constexpr std::string_view begin = "HTTP/1.";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    auto const byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads a head line by line, for as long as it says one thing only.
class OddHead {
 public:
  explicit OddHead(std::vector<Field>& fields) : fields_(fields) { fields_.clear(); }

  // Why the head is none; null: it is one.
  char const* read(std::string_view head, Framing& framing) {
    framing = Framing();
    if (head.contains('\0')) return "a header value has control characters";
    for (bool first = true; !head.empty(); first = false) {
      auto const end = head.find('\n');
      auto line = head.substr(0, end);
      head.remove_prefix(std::min(end, head.size() - 1) + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.contains('\r')) return "a carriage return stands within a line";
      char const* const bad = first ? read_status(line, framing) : read_line(line);
      if (bad != nullptr) return bad;
    }
    framing.chunked = encoded_ && ends_chunked_;
    framing.has_length = has_length_ && !encoded_;
    framing.length = framing.has_length ? length_ : 0;
    return nullptr;
  }

 private:
  static char const* read_status(std::string_view line, Framing& framing) {
    if (!line.starts_with(begin) || line.size() < 12 || !is_digit(line[7]) || line[7] > '1')
      return "the answer is not HTTP/1.1";
    bool const digits = is_digit(line[9]) && is_digit(line[10]) && is_digit(line[11]);
    if (line[8] != ' ' || !digits || line[9] == '0' || (line.size() > 12 && line[12] != ' '))
      return "the status is not a number of three digits";
    framing.minor = line[7] - '0';
    framing.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    return nullptr;
  }

  char const* read_line(std::string_view line) {
    bool const folded = line.starts_with(' ') || line.starts_with('\t');
    auto const text = trimmed(line);
    if (text.size() >= 5 && same_name(text.substr(0, 5), "HTTP/"))
      return "a second status line stands among the headers";
    if (folded && framing_last_ && !text.empty()) return "Content-Length or its like is folded";
    if (folded) return nullptr;
    auto const colon = line.find(':');
    auto const name = trimmed(line.substr(0, std::min(colon, line.size())));
    auto const value = colon == line.npos ? std::string_view() : trimmed(line.substr(colon + 1));
    bool const length = same_name(name, "content-length"),
               encoding = same_name(name, "transfer-encoding");
    framing_last_ = length || encoding;
    if (length)
      if (char const* const bad = read_length(value)) return bad;
    if (encoding) read_encoding(value);
    if (colon == line.npos || !is_token(line.substr(0, colon)) || !is_text(value)) return nullptr;
    kept_ += name.size() + value.size();
    if (kept_ <= max_field_bytes) fields_.push_back({name, value});
    return nullptr;
  }

  // "5", and "5, 5" for what two headers say.
  char const* read_length(std::string_view value) {
    for (;;) {
      auto const comma = value.find(',');
      auto const one = trimmed(value.substr(0, comma));
      if (one.empty() || one.size() > 18 || !std::ranges::all_of(one, is_digit))
        return "Content-Length is not a number";
      std::uint64_t length = 0;
      for (char const c : one) length = length * 10 + static_cast<unsigned>(c - '0');
      if (has_length_ && length != length_) return "there are Content-Length headers that differ";
      has_length_ = true;
      length_ = length;
      if (comma == value.npos) return nullptr;
      value.remove_prefix(comma + 1);
    }
  }

  void read_encoding(std::string_view value) {
    encoded_ = true;
    ends_chunked_ = same_name(trimmed(value.substr(value.rfind(',') + 1)), "chunked");
  }

  std::vector<Field>& fields_;
  std::size_t kept_ = 0;
  bool has_length_ = false, encoded_ = false, ends_chunked_ = false;
  bool framing_last_ = false;  // the last field says how long the body is
  std::uint64_t length_ = 0;
};

}  // namespace

bool AnswerEnd::scan(std::string_view bytes) {
  while (seen_ < bytes.size()) {
    auto const* const found =
        static_cast<char const*>(std::memchr(bytes.data() + seen_, '\n', bytes.size() - seen_));
    if (found == nullptr) {
      seen_ = bytes.size();
      return false;
    }
    auto const at = static_cast<std::size_t>(found - bytes.data());
    bool const empty = at == line_ || (at == line_ + 1 && bytes[line_] == '\r');
    line_ = seen_ = at + 1;
    if (empty) return true;
  }
  return false;
}

bool may_begin_answer(std::string_view bytes) {
  return begin.starts_with(bytes.substr(0, begin.size()));
}

AnswerHead read_any_answer_head(std::string_view head, std::vector<Field>& fields) {
  AnswerHead read;
  if (head.size() > max_strict_bytes) {
    read.odd = "the headers are larger than 64 KiB";
  } else if (HeadEnd lines; lines.scan(head) != HeadEnd::State::found) {
    read.odd = "a line does not end in CRLF";
  } else if (auto const wrong = read_answer_head(head, fields, read.framing)) {
    read.odd = wrong->why;
  } else {
    return read;
  }
  read.bad = OddHead(fields).read(head, read.framing);
  return read;
}

}  // namespace millrace::http::client
