// A range of addresses, as settings name it: 10.0.0.0/8, ::1/128.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::http {

class AddressRange {
 public:
  // Fails with: invalid (no range, or bits are set behind its length).
  static Result<AddressRange> parse(std::string_view text);
  // All, or the failure of the first that is none.
  static Result<std::vector<AddressRange>> parse_all(std::vector<std::string> const& texts);
  // An IPv4 address lies in an IPv4 range whichever way it is written (::ffff:10.0.0.1).
  bool holds(boost::asio::ip::address const& address) const;

 private:
  boost::asio::ip::address_v6::bytes_type bytes_{};  // IPv4 as ::ffff:0:0/96
  unsigned bits_ = 0;
};

bool any_holds(std::vector<AddressRange> const& ranges, boost::asio::ip::address const& address);

}  // namespace millrace::http
