// Within room json: what a Parser keeps between texts.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "json/document.h"
#include "json/strict.h"

namespace millrace::json {

struct Parser::State {
  Document document;
  // Unescaped values of one event: at most one for each route. Kept apart so that views into them stay good.
  std::array<std::string, 4> unescaped;
  std::size_t unescaped_used = 0;
};

// True when the string at `token` stands for `wanted`.
bool stands_for(Document const& document, std::uint32_t token, std::string_view wanted);

}  // namespace millrace::json
