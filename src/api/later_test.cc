// What a later version brings is taken and kept already, and says everywhere that it has no effect yet. Whoever builds it finds the places here,
// and takes each line out with the words.
#include <fstream>
#include <iterator>

#include "api/openapi.h"
#include "api/world_test.h"

namespace millrace::api {
namespace {

constexpr std::string_view no_effect = "no effect in this version";

std::string file(std::string const& name) {
  std::ifstream in(std::string(MILLRACE_SOURCE_DIR) + "/" + name);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Whether the words stand within `reach` bytes behind the mark.
bool says_so(std::string_view text, std::string_view mark, std::size_t reach) {
  auto const at = text.find(mark);
  return at != text.npos && text.substr(at, reach).contains(no_effect);
}

TEST(LaterTest, the_description_of_the_api_says_what_has_no_effect_yet) {
  auto const text = openapi_yaml();
  EXPECT_TRUE(says_so(text, "\n        breaker:", 260));
  EXPECT_TRUE(says_so(text, "\n        retry:", 160));
  EXPECT_TRUE(says_so(text, "\n        contact_email:", 180));
  EXPECT_TRUE(says_so(text, "\n        error_budget:", 260));
}

TEST(LaterTest, the_manual_says_what_has_no_effect_yet) {
  auto const manual = file("docs/manual.md");
  auto const at = manual.find("What a later version brings");
  ASSERT_NE(at, manual.npos);
  auto const sentence = manual.substr(at, 400);
  for (auto const* const word : {"breaker", "retry", "contact_email", "error budget"})
    EXPECT_TRUE(sentence.contains(word)) << word;
  EXPECT_TRUE(sentence.contains(no_effect));
}

TEST(LaterTest, the_command_line_says_what_has_no_effect_yet) {
  EXPECT_TRUE(says_so(file("src/commands/stream_flags.cc"), "--breaker", 120));
}

}  // namespace
}  // namespace millrace::api
