// Who a request comes from when proxies stand before the server.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <vector>

#include "http/address_range.h"
#include "http_server/server.h"

namespace millrace::http::server {

// The peer's address, unless it is in `proxies`; then the last of X-Forwarded-For that is not. What a trusted proxy has written is
// believed; what stands left of a stranger's address is the stranger's word. An entry that is no address ends the search at whoever
// wrote it, and so does the sixteenth.
boost::asio::ip::address client_address(ServerRequest const& request,
                                        std::vector<AddressRange> const& proxies);

}  // namespace millrace::http::server
