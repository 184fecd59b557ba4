// What the sending yardsticks share: the body, the header lines of a delivery, the measured time.
#pragma once
#include <fstream>
#include <sstream>

#include "common.h"

namespace bench {

inline std::string read_file(std::string const& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (text.str().empty()) die(path);
  return text.str();
}

inline constexpr std::string_view stream_id = "019a3e5c-7b1d-7c3a-9f52-6d1b8f0a4c21";

// Writes the 36 characters of an id that no other number has.
inline void write_event_id(std::array<char, 37>& out, std::uint64_t number) {
  std::snprintf(out.data(), out.size(), "019a3e5c-7b1d-7c3a-9f52-%012lx", number & 0xFFFFFFFFFFFFU);
}

// The header lines that a delivery has beyond Host and Content-Length, as transports/https.cc makes them.
inline std::string delivery_head(std::uint64_t number) {
  std::array<char, 37> id{};
  write_event_id(id, number);
  std::string head = "User-Agent: Millrace/0.1.0\r\nMillrace-Stream-Id: ";
  head.append(stream_id).append("\r\nContent-Type: application/json\r\nMillrace-Event-Id: ");
  head.append(id.data(), 36).append("\r\nMillrace-Event-Type: submission_created");
  return head.append("\r\nMillrace-Attempt: 1\r\n");
}

// Half a second of warming up, then the time that counts.
class Measured {
 public:
  Measured(std::uint64_t& posts, double seconds) : posts_(posts), seconds_(seconds) {}

  bool is_over() {
    double const now = steady_seconds();
    if (!warm_ && now - start_ > 0.5) {
      warm_ = true;
      start_ = now;
      cpu_ = cpu_seconds();
      user_ = user_seconds();
      posts_ = 0;
    }
    return warm_ && now - start_ > seconds_;
  }
  void print() const {
    auto const posts = static_cast<double>(posts_);
    std::printf("posts %lu per_s %.0f cpu_us %.2f user_us %.2f\n", posts_,
                posts / (steady_seconds() - start_), (cpu_seconds() - cpu_) / posts * 1e6,
                (user_seconds() - user_) / posts * 1e6);
    std::fflush(stdout);
  }

 private:
  std::uint64_t& posts_;
  double seconds_;
  double start_ = steady_seconds(), cpu_ = cpu_seconds(), user_ = user_seconds();
  bool warm_ = false;
};

}  // namespace bench
