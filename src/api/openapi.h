// The file openapi.yaml of the tree's root, as the program carries it; a test holds the two together.
#pragma once
#include <string_view>

namespace millrace::api {

std::string_view openapi_yaml();

}  // namespace millrace::api
