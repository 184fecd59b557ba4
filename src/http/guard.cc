#include "http/guard.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <memory>

namespace millrace::http {
namespace {

namespace ip = boost::asio::ip;
using Bytes = ip::address_v6::bytes_type;

struct Special {
  std::array<std::uint8_t, 4> bytes;
  unsigned bits;
  char const* what;
};

// The IANA IPv4 special-purpose registry, multicast and the reserved rest.
constexpr Special specials_v4[] = {
    {{0, 0, 0, 0}, 8, "an address of this network"},
    {{10, 0, 0, 0}, 8, "a private address"},
    {{100, 64, 0, 0}, 10, "a carrier's private address"},
    {{127, 0, 0, 0}, 8, "a loopback address"},
    {{169, 254, 0, 0}, 16, "a link-local address"},
    {{172, 16, 0, 0}, 12, "a private address"},
    {{192, 0, 0, 0}, 24, "a protocol assignment"},
    {{192, 0, 2, 0}, 24, "a documentation address"},
    {{192, 31, 196, 0}, 24, "an AS112 address"},
    {{192, 52, 193, 0}, 24, "an AMT address"},
    {{192, 88, 99, 0}, 24, "a 6to4 relay address"},
    {{192, 168, 0, 0}, 16, "a private address"},
    {{192, 175, 48, 0}, 24, "an AS112 address"},
    {{198, 18, 0, 0}, 15, "a benchmarking address"},
    {{198, 51, 100, 0}, 24, "a documentation address"},
    {{203, 0, 113, 0}, 24, "a documentation address"},
    {{224, 0, 0, 0}, 4, "a multicast address"},
    {{240, 0, 0, 0}, 4, "a reserved address"},
};

struct Special6 {
  std::array<std::uint16_t, 8> words;
  unsigned bits;
  char const* what;
};

// Those of IPv6 that hold no IPv4 address; what is outside 2000::/3 is never public.
constexpr Special6 specials_v6[] = {
    {{0x2001, 0x0db8}, 32, "a documentation address"},
    {{0x2001}, 23, "a protocol assignment"},
    {{0x2620, 0x4f, 0x8000}, 48, "an AS112 address"},
    {{0x3fff}, 20, "a documentation address"},
    {{0x64, 0xff9b, 1}, 48, "a local translation address"},
    {{0x100}, 64, "a discard-only address"},
    {{0x5f00}, 16, "a segment routing address"},
    {{0xfc00}, 7, "a private address"},
    {{0xfe80}, 10, "a link-local address"},
    {{0xfec0}, 10, "a site-local address"},
    {{0xff00}, 8, "a multicast address"},
};

bool same_bits(std::uint8_t const* a, std::uint8_t const* b, unsigned bits) {
  for (; bits >= 8; bits -= 8)
    if (*a++ != *b++) return false;
  return bits == 0 || ((*a ^ *b) >> (8 - bits)) == 0;
}

Bytes bytes_of(std::array<std::uint16_t, 8> const& words) {
  Bytes bytes{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    bytes[2 * i] = static_cast<std::uint8_t>(words[i] >> 8);
    bytes[2 * i + 1] = static_cast<std::uint8_t>(words[i] & 0xff);
  }
  return bytes;
}

bool in(Bytes const& bytes, std::array<std::uint16_t, 8> const& words, unsigned bits) {
  auto const wanted = bytes_of(words);
  return same_bits(bytes.data(), wanted.data(), bits);
}

char const* special_v4(ip::address_v4 const& address) {
  auto const bytes = address.to_bytes();
  for (auto const& special : specials_v4)
    if (same_bits(bytes.data(), special.bytes.data(), special.bits)) return special.what;
  return nullptr;
}

ip::address_v4 v4_at(Bytes const& bytes, std::size_t at, std::uint8_t mask = 0) {
  ip::address_v4::bytes_type v4;
  for (std::size_t i = 0; i < 4; ++i) v4[i] = bytes[at + i] ^ mask;
  return ip::address_v4(v4);
}

char const* special_v6(ip::address_v6 const& address) {
  auto const bytes = address.to_bytes();
  if (address.is_loopback()) return "a loopback address";
  if (in(bytes, {0, 0, 0, 0, 0, 0xffff}, 96)) return special_v4(v4_at(bytes, 12));
  if (in(bytes, {0x64, 0xff9b}, 96))
    return special_v4(v4_at(bytes, 12));  // NAT64: public when what it stands for is
  if (in(bytes, {0x2001, 0}, 32)) {       // Teredo: the server's address, and the client's inverted
    auto const* const server = special_v4(v4_at(bytes, 4));
    auto const* const client = special_v4(v4_at(bytes, 12, 0xff));
    return client != nullptr ? client : server != nullptr ? server : "a tunnel address";
  }
  if (in(bytes, {0x2002}, 16)) return special_v4(v4_at(bytes, 2));  // 6to4
  for (auto const& special : specials_v6)
    if (in(bytes, special.words, special.bits)) return special.what;
  return in(bytes, {0x2000}, 3) ? nullptr : "a reserved address";
}

// One form for both families, so that ::ffff:127.0.0.1 lies in 127.0.0.0/8.
Bytes wide(ip::address const& address) {
  return address.is_v6() ? address.to_v6().to_bytes()
                         : ip::make_address_v6(ip::v4_mapped, address.to_v4()).to_bytes();
}

bool is_unspecified(Bytes const& wide_address) {
  return wide_address == Bytes{} || wide_address == wide(ip::address_v4::any());
}

}  // namespace

std::vector<ip::address> local_addresses() {
  std::vector<ip::address> found;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return found;
  std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> const owner(first, &::freeifaddrs);
  for (auto const* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      auto const& v4 = *reinterpret_cast<sockaddr_in const*>(at->ifa_addr);
      found.emplace_back(ip::address_v4(ntohl(v4.sin_addr.s_addr)));
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      auto const& v6 = *reinterpret_cast<sockaddr_in6 const*>(at->ifa_addr);
      Bytes bytes;
      std::copy_n(v6.sin6_addr.s6_addr, bytes.size(), bytes.begin());
      found.emplace_back(ip::address_v6(bytes));
    }
  }
  return found;
}

Result<Guard> Guard::make(std::vector<std::string> const& allowed) {
  auto ranges = AddressRange::parse_all(allowed);
  if (!ranges) return pass(ranges);
  Guard guard;
  guard.ranges_ = std::move(*ranges);
  return guard;
}

bool Guard::allows_plain(ip::address const& address) const { return any_holds(ranges_, address); }

void Guard::refuse_own(std::vector<io::Endpoint> listening,
                       std::function<std::vector<ip::address>()> local) {
  own_ = std::move(listening);
  local_ = std::move(local);
}

bool Guard::is_own(io::Endpoint const& to) const {
  auto const address = wide(to.address());
  bool const v4 = to.address().is_v4() || to.address().to_v6().is_v4_mapped();
  // All of 127.0.0.0/8 is this machine, and the unspecified address leads to it, though no interface names them.
  bool const always_here =
      same_bits(address.data(), wide(ip::address_v4::loopback()).data(), 104) ||
      is_unspecified(address) || to.address().is_loopback();
  for (auto const& own : own_) {
    if (own.port() != to.port()) continue;
    if (is_unspecified(address) || wide(own.address()) == address) return true;
    if (!own.address().is_unspecified() || (own.address().is_v4() && !v4)) continue;
    if (always_here ||
        std::ranges::any_of(local_(), [&](auto const& here) { return wide(here) == address; }))
      return true;
  }
  return false;
}

std::string Guard::refusal(io::Endpoint const& to) const {
  if (!own_.empty() && is_own(to)) return io::text_of(to) + " is Millrace itself";
  return refusal(to.address());
}

std::string Guard::refusal(Url const& url) const {
  if (!url.is_ip) return {};
  boost::system::error_code error;
  auto const address = ip::make_address(url.host, error);
  if (error) return url.host + " is not an address";
  auto why = refusal(io::Endpoint(address, url.port));
  if (why.empty() && !url.tls() && !allows_plain(address))
    why = fmt::format("http:// to {} is not allowed; use https://", url.host);
  return why;
}

std::string Guard::refusal(ip::address const& address) const {
  char const* const what =
      address.is_v4() ? special_v4(address.to_v4()) : special_v6(address.to_v6());
  if (what == nullptr || allows_plain(address)) return {};
  return fmt::format("{} is {}", address.to_string(), what);
}

}  // namespace millrace::http
