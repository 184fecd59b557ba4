// Chance. Any thread may call; the real form reads the kernel's generator.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace millrace::io {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> out) = 0;  // unpredictable: good for keys

  std::uint64_t bits();                  // 64 of them
  double unit();                         // in [0, 1)
  std::string bytes(std::size_t count);  // for keys and tokens
};

class SystemRandom final : public Random {
 public:
  void fill(
      std::span<std::byte> out) override;  // ends the process where the kernel has no generator
};

}  // namespace millrace::io
