// How the text of a setting becomes a value: one maker of a parser for each kind of value.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace millrace::cli {

using Take =
    std::function<Result<void>(std::string_view text)>;  // fails with: invalid, "must be …"

Take take_text(std::string& into);
Take take_name(std::string& into);  // not empty, no white space or control characters
Take take_list(
    std::vector<std::string>& into);  // items with commas between; white space around them goes
Take take_switch(bool& into);         // true or false
Take take_count(std::size_t& into, std::size_t least, std::size_t most);
Take take_bytes(std::uint64_t& into, std::uint64_t least, std::uint64_t most);
Take take_span(Duration& into, Duration least, Duration most);

// Reads "4096", "64KiB", "256MiB", "1GiB", "50GB". Fails with: invalid.
Result<std::uint64_t> parse_bytes(std::string_view text);
std::string format_bytes(std::uint64_t bytes);  // the shortest of the same forms that is exact

}  // namespace millrace::cli
