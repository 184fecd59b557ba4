// Which addresses we may connect to on a user's behalf. One guard, asked with the binary address at each connect.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::http {

class Guard {
 public:
  // `allowed`: ranges like "127.0.0.0/8", "::1/128", "10.0.0.0/8" that are allowed though special-purpose. Fails with: invalid.
  static Result<Guard> make(std::vector<std::string> const& allowed);

  // Empty when connecting is allowed, else why not: "10.0.0.7 is a private address".
  std::string refusal(boost::asio::ip::address const& address) const;
  // Plain http:// is allowed only to addresses in an allowed range.
  bool allows_plain(boost::asio::ip::address const& address) const;
  bool allows_anything() const { return !ranges_.empty(); }

 private:
  struct Range {
    boost::asio::ip::address_v6::bytes_type bytes;  // IPv4 as ::ffff:0:0/96
    unsigned bits;
  };
  std::vector<Range> ranges_;
};

}  // namespace millrace::http
