// What the benchmark programs share: flags, CPU time, percentiles. They use no room of src/: a yardstick must not share our faults.
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// `--name value` pairs and `--name` switches.
class Flags {
 public:
  Flags(int count, char** words) : words_(words, words + count) {}
  std::string text(std::string_view name, std::string fallback) const {
    for (std::size_t i = 1; i + 1 < words_.size(); ++i)
      if (words_[i] == name) return words_[i + 1];
    return fallback;
  }
  double number(std::string_view name, double fallback) const {
    auto const value = text(name, "");
    return value.empty() ? fallback : std::strtod(value.c_str(), nullptr);
  }
  int count(std::string_view name, int fallback) const {
    return static_cast<int>(number(name, fallback));
  }
  bool has(std::string_view name) const { return std::ranges::find(words_, name) != words_.end(); }

 private:
  std::vector<std::string> words_;
};

inline double seconds_of(timeval t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

inline double user_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return seconds_of(used.ru_utime);
}

inline double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}

inline std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] inline void die(std::string_view what) {
  std::fprintf(stderr, "bench: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               std::strerror(errno));
  std::exit(3);
}

// Microseconds in logarithmic buckets of 1/32 octave: percentiles within 3 %.
class Latencies {
 public:
  void add(std::int64_t us) {
    auto const value = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 1));
    auto const octave = static_cast<unsigned>(std::bit_width(value) - 1);
    auto const part = octave >= 5 ? (value >> (octave - 5)) & 31U : (value << (5 - octave)) & 31U;
    ++buckets_[octave * 32 + part];
    ++count_;
  }
  std::uint64_t count() const { return count_; }
  double percentile(double p) const {
    auto const wanted = static_cast<std::uint64_t>(static_cast<double>(count_) * p);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > wanted)
        return static_cast<double>(std::uint64_t{1} << (i / 32)) *
               (1 + static_cast<double>(i % 32) / 32.0);
    }
    return 0;
  }

 private:
  std::array<std::uint64_t, 64 * 32> buckets_{};
  std::uint64_t count_ = 0;
};

inline int connect_to(int port) {
  int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  std::memcpy(&generic, &address, sizeof address);
  if (fd < 0 || connect(fd, &generic, sizeof address) != 0) die("connect");
  int const one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

// The value of the first "name":NUMBER in the text, or -1.
inline std::int64_t number_after(std::string_view text, std::string_view mark) {
  auto const at = text.find(mark);
  return at == text.npos ? -1 : std::strtoll(text.data() + at + mark.size(), nullptr, 10);
}

}  // namespace bench
