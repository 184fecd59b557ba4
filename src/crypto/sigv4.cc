#include "crypto/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/encoding.h"
#include "crypto/digest.h"

namespace millrace::crypto {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";
constexpr Duration skew = std::chrono::minutes(5);
constexpr std::size_t max_signed_headers = 64;

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && lower(a) == lower(b);
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

std::string encoded(std::string_view text, bool keep_slash) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char const c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out += c;
    } else {
      auto const byte = static_cast<unsigned char>(c);
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

// A '%' that no two hexadecimal digits follow stands for itself.
std::string decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (auto const byte = unhex(text.substr(i + 1, 2)); byte && byte->size() == 1) {
        out += *byte;
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

// RFC 3986 "remove dot segments", and AWS's own: repeated slashes are one.
std::string normalized(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at < path.size();) {
    auto const end = std::min(path.find('/', at), path.size());
    auto const part = path.substr(at, end - at);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    at = end + 1;
  }
  std::string out;
  for (auto const part : parts) out.append("/").append(part);
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_path(std::string_view path, PathForm form) {
  if (path.empty()) return "/";
  switch (form) {
    case PathForm::as_sent:
      return encoded(path, true);
    case PathForm::normalized:
      return encoded(normalized(path), true);
    case PathForm::once:
      return encoded(decoded(path), true);
  }
  std::abort();
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    auto const part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    if (part.empty()) continue;
    auto const equals = std::min(part.find('='), part.size());
    auto const value = part.substr(std::min(equals + 1, part.size()));
    pairs.emplace_back(encoded(decoded(part.substr(0, equals)), false),
                       encoded(decoded(value), false));
  }
  std::ranges::sort(pairs);
  std::string out;
  for (auto const& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

void append_collapsed(std::string& out, std::string_view value) {
  bool space = false, begun = false;
  for (char const c : value) {
    if (c == ' ' || c == '\t') {
      space = begun;
      continue;
    }
    if (space) out += ' ';
    space = false;
    begun = true;
    out += c;
  }
}

std::string_view trimmed(std::string_view text) {
  auto const first = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

std::optional<std::string_view> header(AwsRequest const& request, std::string_view name) {
  for (auto const& [key, value] : request.headers)
    if (same_name(key, name)) return trimmed(value);
  return std::nullopt;
}

std::string signing_key(std::string_view secret, std::string_view date, std::string_view region,
                        std::string_view service) {
  auto key = hmac_sha256("AWS4" + std::string(secret), date);
  for (auto const part : {region, service, std::string_view("aws4_request")})
    key = hmac_sha256(key, part);
  return key;
}

std::string joined(std::vector<std::string> const& names) {
  std::string out;
  for (auto const& name : names) out.append(out.empty() ? "" : ";").append(name);
  return out;
}

struct Authorization {
  std::string access_key_id, date, region, service;
  std::vector<std::string> signed_headers;
  std::string_view signature;
};

std::unexpected<SignatureFault> incomplete(std::string message) {
  return std::unexpected(SignatureFault{SignatureTrouble::incomplete, std::move(message)});
}

// What the client sent goes back in the message, as AWS does it, but only so much of it.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, 1024));
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) c = '?';
  return out;
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  for (;;) {
    auto const end = text.find(by);
    out.push_back(text.substr(0, end));
    if (end == text.npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::expected<Authorization, SignatureFault> parse_authorization(std::string_view text,
                                                                 bool dated) {
  auto rest = text.substr(algorithm.size());
  std::string_view credential, signature, signed_headers;
  while (!rest.empty()) {
    auto part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    auto const equals = std::min(part.find('='), part.size());
    auto const name = part.substr(0, equals);
    auto value = part.substr(std::min(equals + 1, part.size()));
    value = value.substr(0, value.find_last_not_of(" \t") + 1);
    if (name == "Credential") credential = value;
    if (name == "Signature") signature = value;
    if (name == "SignedHeaders") signed_headers = value;
  }
  std::string wrong;
  if (credential.empty()) wrong += "Authorization header requires 'Credential' parameter. ";
  if (signature.empty()) wrong += "Authorization header requires 'Signature' parameter. ";
  if (signed_headers.empty()) wrong += "Authorization header requires 'SignedHeaders' parameter. ";
  if (!dated)
    wrong +=
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
  if (!wrong.empty()) return incomplete(wrong + "Authorization=" + shown(text));

  // An access key id has no slash, but nothing else says so: the scope's four parts are counted from the end.
  auto parts = split(credential, '/');
  if (parts.size() != 5 || parts[0].empty() || parts[4] != "aws4_request")
    return incomplete(
        "Credential must have exactly 5 slash-delimited elements, e.g. "
        "keyid/date/region/service/term, got '" +
        shown(credential) + "'");
  Authorization out{std::string(parts[0]),
                    std::string(parts[1]),
                    std::string(parts[2]),
                    std::string(parts[3]),
                    {},
                    signature};
  for (auto const name : split(signed_headers, ';')) out.signed_headers.push_back(lower(name));
  if (out.signed_headers.size() > max_signed_headers)
    return incomplete("SignedHeaders names more than 64 headers.");
  return out;
}

std::optional<WallTime> time_of_stamp(std::string_view stamp) {
  if (stamp.size() != 16 || stamp[8] != 'T' || stamp[15] != 'Z') return std::nullopt;
  auto const time = parse_time(
      fmt::format("{}-{}-{}T{}:{}:{}Z", stamp.substr(0, 4), stamp.substr(4, 2), stamp.substr(6, 2),
                  stamp.substr(9, 2), stamp.substr(11, 2), stamp.substr(13, 2)));
  return time ? std::optional(*time) : std::nullopt;
}

// "Sat, 21 Nov 2026 19:26:57 GMT": what the Date header holds when there is no X-Amz-Date; or AWS's own form.
std::optional<WallTime> time_of_date(std::string_view text) {
  if (auto const time = time_of_stamp(text)) return time;
  constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || !text.ends_with(" GMT")) return std::nullopt;
  auto const month = std::ranges::find(months, text.substr(8, 3)) - months.begin() + 1;
  if (month > 12) return std::nullopt;
  auto const time = parse_time(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), month,
                                           text.substr(5, 2), text.substr(17, 8)));
  return time ? std::optional(*time) : std::nullopt;
}

std::optional<SignatureFault> out_of_time(WallTime at, WallTime now) {
  auto const early = amz_stamp(now - skew), late = amz_stamp(now + skew), stamp = amz_stamp(at);
  if (at < now - skew)
    return SignatureFault{SignatureTrouble::expired,
                          fmt::format("Signature expired: {} is now earlier than {} ({} - 5 min.)",
                                      stamp, early, amz_stamp(now))};
  if (at > now + skew)
    return SignatureFault{
        SignatureTrouble::expired,
        fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)", stamp,
                    late, amz_stamp(now))};
  return std::nullopt;
}

// What decides about the request must be under the signature, or whoever sees one request could make another of it.
std::optional<std::string> unsigned_header(AwsRequest const& request,
                                           std::vector<std::string> const& signed_headers) {
  auto const is_signed = [&](std::string_view name) {
    return std::ranges::find(signed_headers, name) != signed_headers.end();
  };
  if (!is_signed("host") && !is_signed(":authority"))
    return "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
  for (std::string_view const name : {"x-amz-date", "x-amz-target", "x-amz-content-sha256"})
    if (header(request, name) && !is_signed(name))
      return fmt::format("'{}' must be a 'SignedHeader' in the AWS Authorization.", name);
  return std::nullopt;
}

std::string_view constexpr mismatch_message =
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing "
    "method. Consult the service documentation for details.";

struct SignedPayload {
  std::string text;       // the last line of the canonical request
  std::string body_hash;  // raw; empty: the body is not signed
};

// What x-amz-content-sha256 says is never believed: it is held against the body, or it is a word of S3's.
std::expected<SignedPayload, SignatureFault> signed_payload(AwsRequest const& request,
                                                            std::string_view service) {
  auto const given = header(request, "x-amz-content-sha256").value_or("");
  if (given == unsigned_payload && service == "s3")
    return SignedPayload{std::string(unsigned_payload), ""};
  auto hash = request.body_hash.empty() ? sha256(request.body) : std::string(request.body_hash);
  auto text = hex(hash);
  if (given.empty()) return SignedPayload{std::move(text), std::move(hash)};
  if (lower(given) == text) return SignedPayload{std::string(given), std::move(hash)};
  std::string why(mismatch_message);
  if (given == unsigned_payload || given.starts_with("STREAMING-"))
    why += fmt::format(
        " x-amz-content-sha256 is '{}', but requests here sign their whole body: send its SHA-256, "
        "or leave the header out.",
        shown(given));
  else
    why +=
        " x-amz-content-sha256 is not the SHA-256 of the body that arrived: it was changed on the "
        "way, or hashed in another form.";
  return std::unexpected(SignatureFault{SignatureTrouble::mismatch, std::move(why)});
}

}  // namespace

std::string amz_stamp(WallTime time) {
  auto const iso = iso_s(time);
  std::string out;
  for (char const c : iso)
    if (c != '-' && c != ':') out += c;
  return out;
}

std::string canonical_request(AwsRequest const& request,
                              std::vector<std::string> const& signed_headers,
                              std::string_view payload_hash, PathForm path) {
  std::string out(request.method);
  out.append("\n")
      .append(canonical_path(request.path, path))
      .append("\n")
      .append(canonical_query(request.query))
      .append("\n");
  for (auto const& name : signed_headers) {
    out.append(name).append(":");
    bool first = true;
    // HTTP/2 has no Host; what stands in its place is signed under its own name, and comes here as Host.
    std::string_view const wanted = name == ":authority" ? "host" : std::string_view(name);
    for (auto const& [key, value] : request.headers) {
      if (!same_name(key, wanted)) continue;
      if (!first) out += ',';
      append_collapsed(out, value);
      first = false;
    }
    out += '\n';
  }
  out.append("\n").append(joined(signed_headers)).append("\n").append(payload_hash);
  return out;
}

std::string string_to_sign(std::string_view stamp, std::string_view scope,
                           std::string_view canonical) {
  return fmt::format("{}\n{}\n{}\n{}", algorithm, stamp, scope, sha256_hex(canonical));
}

std::vector<std::pair<std::string, std::string>> sign_v4(AwsRequest const& request,
                                                         AwsCredentials const& credentials,
                                                         std::string_view region,
                                                         std::string_view service, WallTime now,
                                                         bool sign_once) {
  auto const stamp = amz_stamp(now);
  std::vector<std::pair<std::string, std::string>> added{{"x-amz-date", stamp}};
  if (!credentials.session_token.empty())
    added.emplace_back("x-amz-security-token", credentials.session_token);

  AwsRequest full = request;
  for (auto const& [name, value] : added) full.headers.emplace_back(name, value);
  std::vector<std::string> names;
  for (auto const& [name, value] : full.headers) names.push_back(lower(name));
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());

  auto const given = header(request, "x-amz-content-sha256");
  auto const payload_hash =
      given && !given->empty() ? std::string(*given) : sha256_hex(request.body);
  auto const canonical = canonical_request(full, names, payload_hash,
                                           sign_once ? PathForm::once : PathForm::normalized);
  auto const date = std::string_view(stamp).substr(0, 8);
  auto const scope = fmt::format("{}/{}/{}/aws4_request", date, region, service);
  auto const key = signing_key(credentials.secret_access_key, date, region, service);
  auto const signature = hex(hmac_sha256(key, string_to_sign(stamp, scope, canonical)));
  added.emplace_back("authorization",
                     fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", algorithm,
                                 credentials.access_key_id, scope, joined(names), signature));
  return added;
}

std::string claimed_key(std::string_view authorization) {
  if (!authorization.starts_with(algorithm)) return {};
  auto parsed = parse_authorization(authorization, true);
  return parsed ? std::move(parsed->access_key_id) : std::string();
}

std::expected<VerifiedSignature, SignatureFault> verify_v4(
    AwsRequest const& request,
    std::function<std::optional<std::string>(std::string_view)> const& secret_of,
    std::optional<WallTime> now) {
  auto const text = header(request, "authorization");
  if (!text || text->empty())
    return std::unexpected(
        SignatureFault{SignatureTrouble::missing, "Missing Authentication Token"});
  if (!text->starts_with(algorithm) ||
      (text->size() > algorithm.size() && (*text)[algorithm.size()] != ' '))
    return incomplete("Authorization header requires the scheme '" + std::string(algorithm) +
                      "'. Authorization=" + shown(*text));
  auto const amz_date = header(request, "x-amz-date"), date = header(request, "date");
  auto const authorization = parse_authorization(*text, amz_date || date);
  if (!authorization) return std::unexpected(authorization.error());

  auto const at = amz_date ? time_of_stamp(*amz_date) : time_of_date(*date);
  if (!at)
    return incomplete("Date must be in ISO-8601 'basic format'. Got '" +
                      shown(amz_date ? *amz_date : *date) +
                      "'. See http://en.wikipedia.org/wiki/ISO_8601");
  auto const stamp = amz_stamp(*at);
  if (std::string_view(stamp).substr(0, 8) != authorization->date)
    return std::unexpected(
        SignatureFault{SignatureTrouble::mismatch,
                       fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                                   "version of date from HTTP: '{}' != '{}', from '{}'.",
                                   shown(authorization->date), stamp.substr(0, 8), stamp)});
  if (auto const name = unsigned_header(request, authorization->signed_headers))
    return std::unexpected(SignatureFault{SignatureTrouble::mismatch, *name});

  auto const secret = secret_of(authorization->access_key_id);
  if (!secret)
    return std::unexpected(SignatureFault{
        SignatureTrouble::unknown_key, "The security token included in the request is invalid."});
  if (now)
    if (auto fault = out_of_time(*at, *now)) return std::unexpected(std::move(*fault));

  auto const payload = signed_payload(request, authorization->service);
  if (!payload) return std::unexpected(payload.error());
  auto const scope = fmt::format("{}/{}/{}/aws4_request", authorization->date,
                                 authorization->region, authorization->service);
  auto const key =
      signing_key(*secret, authorization->date, authorization->region, authorization->service);
  auto const matches = [&](PathForm form) {
    auto const canonical =
        canonical_request(request, authorization->signed_headers, payload->text, form);
    return same_secret(hex(hmac_sha256(key, string_to_sign(stamp, scope, canonical))),
                       authorization->signature);
  };
  if (authorization->service == "s3" ? !matches(PathForm::once) : !matches(PathForm::normalized))
    return std::unexpected(
        SignatureFault{SignatureTrouble::mismatch, std::string(mismatch_message), true});
  return VerifiedSignature{authorization->access_key_id, authorization->region,
                           authorization->service, payload->body_hash};
}

}  // namespace millrace::crypto
