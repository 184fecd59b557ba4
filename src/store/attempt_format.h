// The bytes of a block of attempts. The one file that knows them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/attempt.h"

namespace millrace::store {

std::string encode_attempts(std::vector<model::Attempt> const& attempts);  // in the order of adding
// Fails with: corrupt.
Result<std::vector<model::Attempt>> decode_attempts(std::string_view bytes);

}  // namespace millrace::store
