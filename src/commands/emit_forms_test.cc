#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "commands/emit_source.h"

namespace millrace::commands {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EmitFormsTest : public ::testing::Test {
 protected:
  EmitFormsTest() { std::filesystem::create_directories(folder); }
  ~EmitFormsTest() override { std::filesystem::remove_all(folder); }

  // What the one file with these bytes gives; the last item is the failure, where there is one.
  std::vector<std::string> read(std::string_view bytes) {
    auto const path = (folder / "events").string();
    std::ofstream(path, std::ios::binary) << bytes;
    auto source = EmitSource::open({path});
    std::vector<std::string> out;
    for (;;) {
      auto event = source->next();
      if (!event) return out.push_back(event.error().what), out;
      if (!*event) return out;
      out.push_back((*event)->json);
    }
  }

  std::filesystem::path const folder =
      std::filesystem::path(::testing::TempDir()) /
      (std::string("emit-") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(EmitFormsTest, reads_lines_arrays_and_objects_of_any_layout) {
  EXPECT_THAT(read("{\"a\":1}\n\n {\"b\":2}\r\nbroken\n"),
              ElementsAre(R"({"a":1})", R"({"b":2})", "broken"));
  EXPECT_THAT(read("[{\"a\":1},\n{\"b\":2}]"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(read("{\n\"a\":1}\n"), ElementsAre("{\n\"a\":1}"));
}

TEST_F(EmitFormsTest, passes_over_a_byte_order_mark) {
  EXPECT_THAT(read("\xEF\xBB\xBF{\"a\":1}\n{\"b\":2}\n"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(read("\xEF\xBB\xBF[{\"a\":1}]"), ElementsAre(R"({"a":1})"));
}

TEST_F(EmitFormsTest, reads_objects_one_after_another) {
  EXPECT_THAT(read("{\"a\":1}{\"b\":2}"), ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(read("{\"a\":1}{\"b\":2}\n{\"c\":3}\n{\"d\":4} {\"e\":5}\n"),
              ElementsAre(R"({"a":1})", R"({"b":2})", R"({"c":3})", R"({"d":4})", R"({"e":5})"));
  EXPECT_THAT(read("{\n\"a\":1\n}\n{\n\"b\":2\n}\n"),
              ElementsAre("{\n\"a\":1\n}", "{\n\"b\":2\n}"));
  EXPECT_THAT(read("\x1e{\"a\":1}\n\x1e{\"b\":2}\n"), ElementsAre(R"({"a":1})", R"({"b":2})"));
}

TEST_F(EmitFormsTest, leaves_a_broken_first_line_to_the_server) {
  EXPECT_THAT(read("{\"a\":\n{\"b\":2}\n"), ElementsAre(R"({"a":)", R"({"b":2})"));
}

TEST_F(EmitFormsTest, says_what_to_do_with_files_of_other_forms) {
  EXPECT_THAT(read(std::string("\xFF\xFE{\0", 4)), ElementsAre(HasSubstr("iconv -f UTF-16")));
  EXPECT_THAT(read("\x1F\x8B\x08..."), ElementsAre(HasSubstr("zcat FILE | millrace emit -")));
  EXPECT_THAT(read("\x28\xB5\x2F\xFD..."), ElementsAre(HasSubstr("zstdcat FILE")));
}

}  // namespace
}  // namespace millrace::commands
