#include "http/head.h"

#include <http_parser.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "http/message.h"

namespace millrace::http {
namespace {

constexpr std::array<bool, 256> token_bytes = [] {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  for (char const c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

// Visible characters, space, tab and bytes above ASCII.
constexpr std::array<bool, 256> value_bytes = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0x20; c < 256; ++c) table[c] = c != 0x7f;
  table['\t'] = true;
  return table;
}();

bool all_in(std::array<bool, 256> const& table, std::string_view text) {
  for (char const c : text)
    if (!table[static_cast<unsigned char>(c)]) return false;
  return true;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The lines after the first, up to the empty one.
std::optional<BadHead> read_fields(std::string_view rest, std::vector<Field>& fields) {
  fields.clear();
  int lengths = 0, encodings = 0;
  while (rest.size() > 2) {
    auto const end = rest.find('\n');
    auto const line = rest.substr(0, end - 1);
    rest.remove_prefix(end + 1);
    if (line.front() == ' ' || line.front() == '\t') return BadHead{400, "a header line is folded"};
    auto const colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon)))
      return BadHead{400, "a header name is not a token"};
    Field const field{line.substr(0, colon), trimmed(line.substr(colon + 1))};
    if (!all_in(value_bytes, field.value))
      return BadHead{400, "a header value has control characters"};
    if (same_name(field.name, "content-length")) {
      if (++lengths > 1) return BadHead{400, "there are two Content-Length headers"};
      if (field.value.empty() || field.value.size() > 18 ||
          field.value.find_first_not_of("0123456789") != field.value.npos)
        return BadHead{400, "Content-Length is not a number"};
    } else if (same_name(field.name, "transfer-encoding")) {
      ++encodings;
    }
    fields.push_back(field);
  }
  if (lengths > 0 && encodings > 0)
    return BadHead{400, "there are both Content-Length and Transfer-Encoding"};
  if (encodings > 1) return BadHead{400, "there are two Transfer-Encoding headers"};
  return std::nullopt;
}

int note_framing(http_parser* parser) {
  auto& framing = *static_cast<Framing*>(parser->data);
  framing.status = static_cast<int>(parser->status_code);
  framing.minor = parser->http_minor;
  framing.chunked = (parser->flags & F_CHUNKED) != 0;
  framing.has_length = (parser->flags & F_CONTENTLENGTH) != 0;
  framing.length = framing.has_length ? parser->content_length : 0;
  framing.keep_alive = http_should_keep_alive(parser) != 0;
  return 1;  // the body is not its business
}

constexpr http_parser_settings framing_only = [] {
  http_parser_settings settings{};
  settings.on_headers_complete = note_framing;
  return settings;
}();

std::optional<BadHead> ask_parser(http_parser_type type, std::string_view head, Framing& framing) {
  http_parser parser;
  http_parser_init(&parser, type);
  parser.data = &framing;
  auto const used = http_parser_execute(&parser, &framing_only, head.data(), head.size());
  auto const error = HTTP_PARSER_ERRNO(&parser);
  if (error != HPE_OK) return BadHead{400, http_errno_description(error)};
  if (used != head.size()) return BadHead{400, "the head does not end where its empty line is"};
  return std::nullopt;
}

bool is_version(std::string_view text) { return text == "HTTP/1.1" || text == "HTTP/1.0"; }

// "HTTP/2.7": well-formed, but not ours.
bool is_other_version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && text[6] == '.' && text[5] >= '0' &&
         text[5] <= '9' && text[7] >= '0' && text[7] <= '9';
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  return true;
}

bool is_token(std::string_view text) { return !text.empty() && all_in(token_bytes, text); }

std::optional<std::string_view> find_header(std::vector<Header> const& headers,
                                            std::string_view name) {
  for (auto const& header : headers)
    if (same_name(header.name, name)) return header.value;
  return std::nullopt;
}

HeadEnd::State HeadEnd::scan(std::string_view bytes) {
  while (seen_ < bytes.size()) {
    auto const* const found =
        static_cast<char const*>(std::memchr(bytes.data() + seen_, '\n', bytes.size() - seen_));
    if (found == nullptr) {
      seen_ = bytes.size();
      return State::more;
    }
    auto const at = static_cast<std::size_t>(found - bytes.data());
    if (at == line_ || bytes[at - 1] != '\r') return State::bad;
    bool const empty = at - 1 == line_;
    line_ = seen_ = at + 1;
    if (empty) return State::found;
  }
  return State::more;
}

std::optional<BadHead> read_request_head(std::string_view head, RequestHead& request,
                                         std::vector<Field>& fields, Framing& framing) {
  auto const end = head.find("\r\n");
  auto const line = head.substr(0, end);
  auto const first = line.find(' ');
  auto const last = line.rfind(' ');
  if (first == line.npos || first == last)
    return BadHead{400, "the request line is not METHOD TARGET VERSION"};
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  if (!is_token(request.method)) return BadHead{400, "the method is not a token"};
  if (!is_version(line.substr(last + 1)))
    return is_other_version(line.substr(last + 1)) ? BadHead{505, "the version is not HTTP/1.1"}
                                                   : BadHead{400, "the version is not HTTP/1.1"};
  for (char const c : request.target)
    if (c <= 0x20 || c >= 0x7f || c == '#')
      return BadHead{400, "the target has forbidden characters"};
  if (auto const bad = read_fields(head.substr(end + 2), fields)) return bad;
  int hosts = 0;
  for (auto const& field : fields) {
    if (same_name(field.name, "host")) ++hosts;
    if (same_name(field.name, "transfer-encoding")) {
      if (!same_name(field.value, "chunked"))
        return BadHead{501, "the transfer encoding is not chunked"};
      if (line.back() == '0') return BadHead{400, "HTTP/1.0 has no transfer encoding"};
    }
  }
  if (hosts > 1 || (hosts == 0 && line.back() == '1'))
    return BadHead{400, "there must be one Host header"};
  return ask_parser(HTTP_REQUEST, head, framing);
}

std::optional<BadHead> read_answer_head(std::string_view head, std::vector<Field>& fields,
                                        Framing& framing) {
  auto const end = head.find("\r\n");
  auto const line = head.substr(0, end);
  if (!is_version(line.substr(0, std::min<std::size_t>(8, line.size()))))
    return BadHead{0, "the answer is not HTTP/1.1"};
  auto const digit = [&](std::size_t i) { return line[i] >= '0' && line[i] <= '9'; };
  if (line.size() < 12 || line[8] != ' ' || line[9] == '0' || !digit(9) || !digit(10) ||
      !digit(11) || (line.size() > 12 && line[12] != ' '))
    return BadHead{0, "the status is not a number of three digits"};
  if (!all_in(value_bytes, line)) return BadHead{0, "the status line has control characters"};
  if (auto const bad = read_fields(head.substr(end + 2), fields)) return bad;
  return ask_parser(HTTP_RESPONSE, head, framing);
}

}  // namespace millrace::http
