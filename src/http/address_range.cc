#include "http/address_range.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace millrace::http {
namespace {

namespace ip = boost::asio::ip;
using Bytes = ip::address_v6::bytes_type;

// One form for both families, so that ::ffff:127.0.0.1 lies in 127.0.0.0/8.
Bytes wide(ip::address const& address) {
  return address.is_v6() ? address.to_v6().to_bytes()
                         : ip::make_address_v6(ip::v4_mapped, address.to_v4()).to_bytes();
}

bool has_bit(Bytes const& bytes, unsigned bit) {
  return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

}  // namespace

Result<AddressRange> AddressRange::parse(std::string_view text) {
  auto const wrong = [&] {
    return fail(Fault::invalid,
                fmt::format("'{}' is not a range of addresses like 10.0.0.0/8 or ::1/128", text));
  };
  auto const slash = text.find('/');
  if (slash == text.npos) return wrong();
  boost::system::error_code error;
  auto const address = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error || (address.is_v6() && address.to_v6().scope_id() != 0)) return wrong();
  AddressRange range;
  auto const* const end = text.data() + text.size();
  auto const [stop, bad] = std::from_chars(text.data() + slash + 1, end, range.bits_);
  if (bad != std::errc() || stop != end || range.bits_ > (address.is_v4() ? 32U : 128U))
    return wrong();
  if (address.is_v4()) range.bits_ += 96;
  range.bytes_ = wide(address);
  for (unsigned bit = range.bits_; bit < 128; ++bit)
    if (has_bit(range.bytes_, bit))
      return fail(Fault::invalid, fmt::format("'{}' has bits set behind its first {}", text,
                                              text.substr(slash + 1)));
  return range;
}

Result<std::vector<AddressRange>> AddressRange::parse_all(std::vector<std::string> const& texts) {
  std::vector<AddressRange> ranges;
  for (auto const& text : texts) {
    auto range = parse(text);
    if (!range) return pass(range);
    ranges.push_back(*range);
  }
  return ranges;
}

bool AddressRange::holds(ip::address const& address) const {
  auto const bytes = wide(address);
  for (unsigned bit = 0; bit < bits_; ++bit)
    if (has_bit(bytes, bit) != has_bit(bytes_, bit)) return false;
  return true;
}

bool any_holds(std::vector<AddressRange> const& ranges, ip::address const& address) {
  return std::ranges::any_of(ranges, [&](auto const& range) { return range.holds(address); });
}

}  // namespace millrace::http
