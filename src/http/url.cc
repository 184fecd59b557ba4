#include "http/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace millrace::http {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t max_url_bytes = 2048;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(Fault::invalid, fmt::format("url: {}", what));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Some resolvers take "0x7f.1", "017700000001" or "2130706433" for addresses: a name whose last label is a number is none
// (and so says the WHATWG).
bool looks_like_a_number(std::string_view host) {
  auto const last = host.substr(host.rfind('.') == host.npos ? 0 : host.rfind('.') + 1);
  if (std::ranges::all_of(last, is_digit)) return true;
  return last.starts_with("0x") && std::ranges::all_of(last.substr(2), [](char c) {
           return is_digit(c) || (c >= 'a' && c <= 'f');
         });
}

Result<void> check_name(std::string_view host) {
  if (host.size() > 253) return wrong("the host name is longer than 253 bytes");
  std::size_t begin = 0;
  while (begin <= host.size()) {
    auto const end = std::min(host.find('.', begin), host.size());
    auto const label = host.substr(begin, end - begin);
    if (label.empty()) return wrong("the host name has an empty label");
    if (label.size() > 63) return wrong("a label of the host name is longer than 63 bytes");
    if (label.front() == '-' || label.back() == '-')
      return wrong("a label of the host name begins or ends with '-'");
    for (char const c : label)
      if (!is_digit(c) && !is_letter(c) && c != '-' && c != '_')
        return wrong(
            "the host name may have letters, digits, '-' and '.' only (write other scripts in "
            "their xn-- form)");
    begin = end + 1;
  }
  return {};
}

Result<void> read_host(std::string_view text, Url& url) {
  boost::system::error_code error;
  if (text.starts_with('[')) {
    auto const inside = text.substr(1, text.size() - 2);
    if (inside.find('%') != inside.npos) return wrong("an address with a zone is not supported");
    auto const address = ip::make_address_v6(std::string(inside), error);
    if (error) return wrong("what stands in brackets is not an IPv6 address");
    url.host = address.to_string();
    url.is_ip = true;
    return {};
  }
  url.host = text;
  std::ranges::transform(url.host, url.host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (url.host.ends_with('.')) return wrong("the host ends with a dot");
  if (looks_like_a_number(url.host)) {
    auto const address = ip::make_address_v4(url.host, error);
    if (error || address.to_string() != url.host)
      return wrong("the host is a number, but not an address like 192.0.2.1");
    url.is_ip = true;
    return {};
  }
  return check_name(url.host);
}

// None behind the colon: the scheme's own (RFC 3986 section 6.2.3).
Result<void> read_port(std::string_view digits, Url& url) {
  if (digits.empty()) return {};
  if (digits.size() > 5 || !std::ranges::all_of(digits, is_digit))
    return wrong("the port is not a number");
  unsigned port = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (port == 0 || port > 65535) return wrong("the port is not between 1 and 65535");
  url.port = static_cast<std::uint16_t>(port);
  return {};
}

}  // namespace

std::string Url::origin() const {
  return fmt::format(fmt::runtime(is_ip && host.contains(':') ? "{}://[{}]:{}" : "{}://{}:{}"),
                     scheme, host, port);
}

std::string Url::host_header() const {
  auto text = is_ip && host.contains(':') ? '[' + host + ']' : host;
  if (port != (tls() ? 443 : 80)) text += fmt::format(":{}", port);
  return text;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > max_url_bytes) return wrong("is longer than 2,048 bytes");
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) return wrong("has characters beyond ASCII (encode them)");
    if (byte <= 0x20 || byte == 0x7f) return wrong("has spaces or control characters");
    if (c == '\\' || c == '"' || c == '<' || c == '>' || c == '^' || c == '`' || c == '{' ||
        c == '}' || c == '|')
      return wrong(fmt::format("has a '{}' (encode it)", c));
  }
  Url url;
  auto const colon = text.find("://");
  if (colon == text.npos) return wrong("does not begin with https://");
  url.scheme = text.substr(0, colon);
  std::ranges::transform(url.scheme, url.scheme.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (url.scheme != "https" && url.scheme != "http")
    return wrong("the scheme is not https or http");
  url.port = url.tls() ? 443 : 80;
  auto rest = text.substr(colon + 3);
  auto const end = std::min(rest.find_first_of("/?#"), rest.size());
  auto authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (authority.empty()) return wrong("has no host");
  if (authority.contains('@'))
    return wrong("has a user name or password; use a request header instead");
  if (authority.contains('%')) return wrong("the host has %-escapes");
  auto const bracket = authority.rfind(']');
  auto const port_at = authority.find(':', bracket == authority.npos ? 0 : bracket);
  if (authority.starts_with('[') != (bracket != authority.npos))
    return wrong("what stands in brackets is not an IPv6 address");
  if (bracket != authority.npos && bracket + 1 != std::min(port_at, authority.size()))
    return wrong("the host goes on behind the bracket");
  if (auto const good = read_host(authority.substr(0, port_at), url); !good) return pass(good);
  if (port_at != authority.npos)
    if (auto const good = read_port(authority.substr(port_at + 1), url); !good) return pass(good);
  rest = rest.substr(0, rest.find('#'));
  url.target = rest.starts_with('/') ? std::string(rest) : '/' + std::string(rest);
  return url;
}

}  // namespace millrace::http
