// The version of this program, as `millrace version` prints it.
#pragma once

namespace millrace::cli {

inline constexpr char version[] = "0.1.0";

}  // namespace millrace::cli
