#include "cli/client.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/emit_sender.h"
#include "cli/emit_source.h"
#include "cli/table.h"
#include "json/reader.h"

namespace millrace::cli {
namespace {

using namespace std::chrono_literals;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-cli-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(Folder const&) = delete;
  Folder& operator=(Folder const&) = delete;
  std::string write(std::string const& name, std::string const& text) const {
    auto const path = path_ + '/' + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string const& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> all_of(EmitSource source) {
  std::vector<std::string> events;
  for (;;) {
    auto event = source.next();
    if (!event) return events.push_back("failed: " + event.error().what), events;
    if (!*event) return events;
    events.push_back((*event)->json);
  }
}

using Texts = std::vector<std::string>;

TEST(EmitSourceTest, reads_objects_arrays_and_lines) {
  Folder const folder;
  auto const of = [&](std::string const& text) {
    return all_of(*EmitSource::open({folder.write("f", text)}));
  };

  EXPECT_EQ(of("{\"a\":1}\n{\"b\":2}\n"), (Texts{"{\"a\":1}", "{\"b\":2}"}));
  EXPECT_EQ(of("\n\n  {\"a\":1}\r\n\r\n{\"b\":2}"), (Texts{"{\"a\":1}", "{\"b\":2}"}));
  EXPECT_EQ(of("{\n \"a\": 1\n}\n"), (Texts{"{\n \"a\": 1\n}"}));
  EXPECT_EQ(of("[{\"a\" : 1},\n {\"b\":2}]"), (Texts{"{\"a\" : 1}", "{\"b\":2}"}));
  EXPECT_EQ(of("[]"), Texts{});
  EXPECT_EQ(of(""), Texts{});
  EXPECT_EQ(of("\n \n"), Texts{});
}

TEST(EmitSourceTest, wrong_lines_go_to_whoever_judges_them) {
  Folder const folder;
  auto source = *EmitSource::open({folder.write("f", "{\"a\":\n{\"b\":2}\nnot json\n")});

  EXPECT_EQ((*source.next())->where, folder.path() + "/f:1");
  EXPECT_EQ((*source.next())->json, "{\"b\":2}");
  auto const third = *source.next();
  EXPECT_EQ(third->json, "not json");
  EXPECT_EQ(third->where, folder.path() + "/f:3");
  EXPECT_FALSE(*source.next());
}

TEST(EmitSourceTest, several_files_follow_each_other_and_a_missing_one_is_told_first) {
  Folder const folder;
  auto const one = folder.write("one", "{\"a\":1}\n"), two = folder.write("two", "[{\"b\":2}]");

  EXPECT_EQ(all_of(*EmitSource::open({one, two, one})),
            (Texts{"{\"a\":1}", "{\"b\":2}", "{\"a\":1}"}));
  EXPECT_FALSE(EmitSource::open({one, folder.path() + "/none"}));
  EXPECT_FALSE(EmitSource::open({folder.path()}));
}

TEST(EmitSourceTest, a_broken_array_is_told) {
  Folder const folder;

  auto const events = all_of(*EmitSource::open({folder.write("f", "[{\"a\":1},")}));

  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(events[0].starts_with("failed: "));
}

TEST(EmitSenderTest, waits_grow_to_a_limit_and_heed_the_server) {
  EXPECT_EQ(wait_before(2, 1.0, {}), 300ms);
  EXPECT_EQ(wait_before(2, 0.0, {}), 150ms);
  EXPECT_EQ(wait_before(5, 1.0, {}), 2400ms);
  EXPECT_EQ(wait_before(30, 1.0, {}), 20s);
  EXPECT_EQ(wait_before(2, 0.5, 45s), 45s);
}

TEST(TableTest, columns_stand_below_each_other) {
  Table table({"ID", "NAME", "X"});
  table.row({"1", "Zürich", "a"});
  table.row({"22", "B", ""});

  EXPECT_EQ(table.text(0),
            "ID  NAME    X\n"
            "1   Zürich  a\n"
            "22  B\n");
}

TEST(TableTest, a_narrow_window_cuts_the_widest_column_and_never_the_id) {
  Table table({"ID", "URL", "S"});
  table.row({"0192f0c1-0000", std::string(80, 'u'), "ok"});

  auto const text = table.text(40);

  EXPECT_NE(text.find("0192f0c1-0000"), std::string::npos);
  EXPECT_NE(text.find("…"), std::string::npos);
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    EXPECT_LE(columns_of(text.substr(at, end - at)), 40U);
}

TEST(ClientTest, values_are_shown_without_what_steers_a_terminal) {
  auto const value = json::parse(
      R"({"a":["x","y"],"b":true,"c":null,"d":0.197,"e":"\u001b[31m\u009b1m\n","f":{"g":1}})");
  auto const& object = value->get_object();

  EXPECT_EQ(shown(object, "a"), "x, y");
  EXPECT_EQ(shown(object, "b"), "yes");
  EXPECT_EQ(shown(object, "c"), "");
  EXPECT_EQ(shown(object, "d"), "0.197");
  EXPECT_EQ(shown(object, "e"), "?[31m?1m ");
  EXPECT_EQ(shown_at(object, {"f", "g"}), "1");
  EXPECT_EQ(shown_at(object, {"f", "x", "y"}), "");
  EXPECT_EQ(json_text(*value), R"({"a":["x","y"],"b":true,"c":null,"d":0.197,"e":"\u001b[31m)"
                               "\xC2\x9B"
                               R"(1m\n","f":{"g":1}})");
}

TEST(ClientTest, the_token_of_this_folder_is_not_sent_to_another_server_unasked) {
  ::unsetenv("MILLRACE_TOKEN");
  Folder const folder;
  folder.write("admin.token", "mr_secret\n");

  EXPECT_EQ(find_token({.server = {}, .token = "given", .data = {}}), "given");
  EXPECT_EQ(find_token({.server = {}, .token = {}, .data = folder.path()}), "mr_secret");
  EXPECT_FALSE(find_token(
      {.server = "https://else.example", .token = {}, .data = {}, .server_given = true}));
  EXPECT_EQ(percent("a b/ü"), "a%20b%2F%C3%BC");
}

}  // namespace
}  // namespace millrace::cli
