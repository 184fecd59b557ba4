#include "receive/paths.h"

#include <fmt/format.h>

#include <chrono>

#include "crypto/digest.h"

namespace millrace::receive {
namespace {

constexpr std::size_t longest_part = 120;

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

}  // namespace

std::string path_part(std::string_view text) {
  std::string part;
  for (char const c : text.substr(0, 2 * longest_part)) {
    // A leading dot would hide the file, or name the folder itself or the one above.
    if (plain(c) && (c != '.' || !part.empty()))
      part += c;
    else
      part += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  if (part.empty()) return "unknown";
  if (part.size() <= longest_part) return part;
  return part.substr(0, longest_part - 17) + '-' + crypto::sha256_hex(text).substr(0, 16);
}

std::string per_event_path(WallTime accepted_at, std::string_view id, std::string_view replay) {
  auto const stamp = iso_s(accepted_at);  // 2026-11-21T19:05:12Z
  return fmt::format("{}/{}/{}/{}/{}{}{}.json", stamp.substr(0, 4), stamp.substr(5, 2),
                     stamp.substr(8, 2), stamp.substr(11, 2), path_part(id),
                     replay.empty() ? "" : "~replay-", replay.empty() ? "" : path_part(replay));
}

std::string date_of(WallTime time) { return iso_s(time).substr(0, 10); }

WallTime sensible_time(std::string_view event_time, WallTime received) {
  // Before Canvas there was no event of Canvas.
  static constexpr WallTime earliest =
      std::chrono::sys_days(std::chrono::year(2011) / std::chrono::January / 1);
  auto const time = parse_time(event_time);
  if (!time || *time < earliest || *time > received + std::chrono::days(1)) return received;
  return *time;
}

std::string ulid(WallTime time, std::string_view random) {
  static constexpr std::string_view digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  auto ms = static_cast<std::uint64_t>(unix_ms(time));
  std::string text(26, '0');
  for (std::size_t i = 10; i-- > 0; ms >>= 5) text[i] = digits[ms & 31];
  std::uint64_t bits = 0;
  unsigned held = 0;
  std::size_t next = 0;
  for (std::size_t i = 10; i < 26; ++i) {
    if (held < 5) {
      bits = (bits << 8) | static_cast<unsigned char>(random.at(next++));
      held += 8;
    }
    held -= 5;
    text[i] = digits[(bits >> held) & 31];
  }
  return text;
}

std::string folder_of(std::string_view path) {
  auto const slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

}  // namespace millrace::receive
