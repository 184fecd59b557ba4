// A URL that a user gave, parsed once. Whoever connects uses these parts, never the text again.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace millrace::http {

struct Url {
  std::string scheme;  // "https" or "http"
  std::string
      host;  // lower case; an IPv6 address without brackets; canonical (no userinfo, no trailing dot, no %-escapes)
  std::uint16_t port = 0;
  std::string target;  // path and query as sent, at least "/"; no fragment
  bool is_ip = false;  // host is an address in its canonical spelling

  bool tls() const { return scheme == "https"; }
  std::string origin() const;       // "https://ally.example.edu:443": key of connection pools
  std::string host_header() const;  // host, with the port when it is not the scheme's own
};

// Strict: http and https only, in any case; no userinfo, no control characters, spaces or backslashes, at most 2,048 bytes; a host that is a
// number must be an address in its usual spelling (127.1, 0x7f000001 and 2130706433 are refused).
// Fails with: invalid, saying what is wrong.
Result<Url> parse_url(std::string_view text);

}  // namespace millrace::http
