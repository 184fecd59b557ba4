// The file openapi.yaml of the tree's root, embedded when the program is built (tools/embed.py).
#pragma once
#include <string_view>

namespace millrace::api {

std::string_view openapi_yaml();

}  // namespace millrace::api
