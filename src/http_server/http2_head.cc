#include "http_server/http2_head.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace millrace::http::server {
namespace {

constexpr std::size_t overhead = 32;  // of a field, as RFC 9113 counts it

bool may_stand_in_target(char c) {
  auto const byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7f && byte != '#';
}

std::optional<BadHead> check_target(std::string_view target, ServerLimits const& limits) {
  if (target.size() > limits.target_bytes) return BadHead{414, "the target is too long"};
  if (!target.starts_with('/') && target != "*") return BadHead{400, "the target is not a path"};
  for (char const c : target)
    if (!may_stand_in_target(c)) return BadHead{400, "the target has forbidden characters"};
  return std::nullopt;
}

void set_target(ServerRequest& request, std::string target) {
  request.target = std::move(target);
  std::string_view const whole = request.target;
  auto const question = whole.find('?');
  request.path = whole.substr(0, question);
  if (question != whole.npos) request.query = whole.substr(question + 1);
}

}  // namespace

void Http2Head::take(std::string_view name, std::string_view value, ServerLimits const& limits) {
  bytes_ += name.size() + value.size() + overhead;
  if (bytes_ > limits.header_bytes || ++count_ > limits.headers) return;
  if (name == ":method")
    method_ = value;
  else if (name == ":path")
    target_ = value;
  else if (name == ":authority")
    authority_ = value;
  else if (name.starts_with(':'))
    return;
  else if (name == "cookie")  // may come in pieces: RFC 9113 section 8.2.3
    cookie_.append(cookie_.empty() ? "" : "; ").append(value);
  else
    fields_.push_back({std::string(name), std::string(value)});
}

std::optional<BadHead> Http2Head::check_fields() {
  for (auto const& [name, value] : fields_) {
    if (!is_token(name)) return BadHead{400, "a header name is not a token"};
    if (name == "host" && !authority_.empty() && !same_name(value, authority_))
      return BadHead{400, "Host is not what :authority is"};
    if (name == "content-length") {
      std::uint64_t length = 0;
      auto const* const end = value.data() + value.size();
      auto const [at, error] = std::from_chars(value.data(), end, length);
      if (error != std::errc() || at != end) return BadHead{400, "Content-Length is not a number"};
      length_ = length;
    }
    if (name == "expect") {
      if (!same_name(value, "100-continue"))
        return BadHead{417, "the expectation is not 100-continue"};
      wants_continue_ = true;
    }
  }
  return std::nullopt;
}

std::optional<BadHead> Http2Head::finish(ServerRequest& request, ServerLimits const& limits) {
  request.method = std::move(method_);
  if (bytes_ > limits.header_bytes) return BadHead{431, "the head is too large"};
  if (count_ > limits.headers) return BadHead{431, "there are too many headers"};
  if (!is_token(request.method)) return BadHead{400, "the method is not a token"};
  if (request.method == "CONNECT") return BadHead{501, "this is no proxy"};
  if (auto const bad = check_target(target_, limits)) return bad;
  if (auto const bad = check_fields()) return bad;
  set_target(request, std::move(target_));
  if (!authority_.empty()) {
    request.headers.push_back({"Host", std::move(authority_)});
    std::erase_if(fields_, [](Header const& field) { return field.name == "host"; });
  }
  std::ranges::move(fields_, std::back_inserter(request.headers));
  if (!cookie_.empty()) request.headers.push_back({"cookie", std::move(cookie_)});
  int hosts = 0;
  for (auto const& [name, value] : request.headers) hosts += same_name(name, "host") ? 1 : 0;
  if (hosts != 1) return BadHead{400, "there must be one Host header"};
  return std::nullopt;
}

}  // namespace millrace::http::server
