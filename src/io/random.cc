#include "io/random.h"

#include <sys/random.h>

#include "base/error.h"

namespace millrace::io {

std::uint64_t Random::bits() {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

double Random::unit() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }

std::string Random::bytes(std::size_t count) {
  std::string out(count, '\0');
  fill(std::as_writable_bytes(std::span(out)));
  return out;
}

void SystemRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    auto const n = ::getrandom(out.data(), out.size(), 0);
    check(n > 0, "the kernel gives random bytes");
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace millrace::io
