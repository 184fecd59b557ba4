// Which addresses we may connect to on a user's behalf. One guard, asked with the binary address at each connect.
//   Threads  Any, once it is set up.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/address_range.h"
#include "http/url.h"
#include "io/net.h"

namespace millrace::http {

// The addresses of this machine's interfaces, as they are now; none if the system does not say.
std::vector<boost::asio::ip::address> local_addresses();

class Guard {
 public:
  // `allowed`: ranges like "127.0.0.0/8", "::1/128", "10.0.0.0/8" that are allowed though special-purpose. Fails with: invalid.
  static Result<Guard> make(std::vector<std::string> const& allowed);

  // The sockets that we listen on ourselves: refused also where their range is allowed, because what is delivered there would come
  // back as new events. One that listens on every address (0.0.0.0, ::) is refused at each that `local` gives when asked.
  void refuse_own(std::vector<io::Endpoint> listening,
                  std::function<std::vector<boost::asio::ip::address>()> local = local_addresses);

  // Empty when connecting is allowed, else why not: "10.0.0.7 is a private address", "127.0.0.1:8080 is Millrace itself".
  std::string refusal(io::Endpoint const& to) const;
  std::string refusal(boost::asio::ip::address const& address) const;
  // The same, for what a user gives: of a URL whose host is an address, plain http:// included. A name is looked at when connecting.
  std::string refusal(Url const& url) const;
  // Plain http:// is allowed only to addresses in an allowed range.
  bool allows_plain(boost::asio::ip::address const& address) const;
  bool allows_anything() const { return !ranges_.empty(); }

 private:
  bool is_own(io::Endpoint const& to) const;

  std::vector<AddressRange> ranges_;
  std::vector<io::Endpoint> own_;
  std::function<std::vector<boost::asio::ip::address>()> local_;
};

}  // namespace millrace::http
