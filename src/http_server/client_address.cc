#include "http_server/client_address.h"

#include <optional>
#include <ranges>
#include <string>
#include <string_view>

#include "http/head.h"

namespace millrace::http::server {
namespace {

namespace ip = boost::asio::ip;
constexpr int most_entries = 16;

std::string_view trimmed(std::string_view text) {
  auto const from = text.find_first_not_of(" \t");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

// "10.0.0.1", "10.0.0.1:4711", "::1", "[::1]", "[::1]:4711"
std::optional<ip::address> read_entry(std::string_view text) {
  text = trimmed(text);
  if (text.size() > 64) return std::nullopt;
  if (text.starts_with('['))
    text = text.substr(1, text.find(']') - 1);
  else if (auto const colon = text.find(':'); colon != text.npos && colon == text.rfind(':'))
    text = text.substr(0, colon);
  boost::system::error_code error;
  auto const address = ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

}  // namespace

ip::address client_address(ServerRequest const& request, std::vector<AddressRange> const& proxies) {
  auto client = request.peer.address();
  int left = most_entries;
  for (auto const& header : std::views::reverse(request.headers)) {
    if (!same_name(header.name, "x-forwarded-for")) continue;
    std::string_view rest = header.value;
    for (bool more = true; more;) {
      if (!any_holds(proxies, client) || left-- == 0) return client;
      auto const comma = rest.rfind(',');
      more = comma != rest.npos;
      auto const entry = read_entry(more ? rest.substr(comma + 1) : rest);
      if (!entry) return client;
      client = *entry;
      rest = rest.substr(0, more ? comma : 0);
    }
  }
  return client;
}

}  // namespace millrace::http::server
