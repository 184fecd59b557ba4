// The one place that says which Millrace this is. CMakeLists.txt has the same number for packages.
#pragma once
#include <string_view>

namespace millrace {

inline constexpr std::string_view version = "0.1.0";

}  // namespace millrace
