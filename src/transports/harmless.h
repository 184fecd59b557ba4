// What an endpoint answered, made fit to be kept and shown: it is a stranger's text, and it may echo what we sent.
//   Secrets   The values of the stream's own headers are taken out wherever they stand, and the word after "Bearer" by itself;
//             of Set-Cookie, Authorization and their like no value is kept.
//   Bytes     Valid UTF-8 without control characters (those are written \u001b, other bytes \xff); a body keeps its line ends and tabs.
//   Limits    16 KiB of headers, 64 KiB of body, after all that.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace millrace::transports {

class Harmless {
 public:
  // Secrets of fewer than 4 bytes are left alone: they stand in every text.
  explicit Harmless(std::vector<std::string> secrets);

  std::string headers(std::vector<http::Header> const& headers) const;  // "Name: value\n" lines
  std::string body(std::string body, bool cut)
      const;  // `cut`: its end is missing, so its last bytes may be half a secret

 private:
  std::string scrubbed(std::string text, bool cut) const;
  std::vector<std::string> secrets_;  // longest first
};

// Text for people, on one line, at most 500 bytes.
std::string one_line(std::string_view text);

}  // namespace millrace::transports
