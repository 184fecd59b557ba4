// What `millrace doctor` finds: one line each.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

namespace millrace::commands {

enum class Verdict : std::uint8_t { ok, warn, fail };

struct Finding {
  std::string check;
  Verdict verdict = Verdict::ok;
  std::string what;  // is the case
  std::string cure;  // empty when all is well
};

inline Finding ok(std::string check, std::string what) {
  return {std::move(check), Verdict::ok, std::move(what), {}};
}
inline Finding warn(std::string check, std::string what, std::string cure) {
  return {std::move(check), Verdict::warn, std::move(what), std::move(cure)};
}
inline Finding bad(std::string check, std::string what, std::string cure) {
  return {std::move(check), Verdict::fail, std::move(what), std::move(cure)};
}

}  // namespace millrace::commands
