// The header block of a request over HTTP/2, gathered field by field and made a ServerRequest. Pure; bounded by ServerLimits.
//   Division  nghttp2 sees to what RFC 9113 section 8 demands of fields (lower case, pseudo-headers, no connection headers, lengths that
//             agree); this file to what HTTP/1 is held to here as well.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/head.h"
#include "http_server/server.h"

namespace millrace::http::server {

class Http2Head {
 public:
  // What is beyond the limits is counted and not kept.
  void take(std::string_view name, std::string_view value, ServerLimits const& limits);
  // RFC 9113 section 6.5.2: names, values, and 32 bytes a field.
  std::size_t bytes() const { return bytes_; }
  std::size_t count() const { return count_; }
  // The block is complete. Sets the request's method, target, path, query and headers; `:authority` becomes the first header, Host.
  // Returns what is wrong, with the status to answer; the method is set then too. Once.
  std::optional<BadHead> finish(ServerRequest& request, ServerLimits const& limits);
  std::optional<std::uint64_t> const& length() const { return length_; }  // Content-Length
  bool wants_continue() const { return wants_continue_; }

 private:
  std::optional<BadHead> check_fields();
  std::string method_, target_, authority_, cookie_;
  std::vector<Header> fields_;
  std::size_t bytes_ = 0, count_ = 0;
  std::optional<std::uint64_t> length_;
  bool wants_continue_ = false;
};

}  // namespace millrace::http::server
