#include "commands/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "commands/confirm.h"
#include "commands/emit_sender.h"
#include "commands/emit_source.h"
#include "commands/process.h"
#include "commands/table.h"
#include "json/reader.h"

namespace millrace::commands {
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

TEST(TableTest, columns_that_are_to_stay_whole_are_never_cut) {
  Table table({"AT", "EVENT", "TYPE"}, 2);
  table.row({"2026-11-21", std::string(36, 'e'), std::string(30, 't')});

  EXPECT_TRUE(table.text(60).contains(std::string(36, 'e')));
  EXPECT_FALSE(table.text(60).contains(std::string(30, 't')));
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

  EXPECT_EQ(find_token({.token = "given"}), "given");
  EXPECT_EQ(find_token({.data = folder.path()}), "mr_secret");
  EXPECT_FALSE(find_token({.server = "https://else.example"}));
  EXPECT_EQ(percent("a b/ü"), "a%20b%2F%C3%BC");
}

// Sets a variable of the environment for one test.
class Variable {
 public:
  Variable(char const* name, char const* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(Variable const&) = delete;
  Variable& operator=(Variable const&) = delete;

 private:
  char const* name_;
};

TEST(TableTest, a_pipe_is_as_wide_as_COLUMNS_says) {
  if (::isatty(STDOUT_FILENO) != 0) GTEST_SKIP() << "stdout is a window here";
  Variable const none("COLUMNS", "no");
  EXPECT_EQ(window_width(), 0U);
  Variable const named("COLUMNS", "120");
  EXPECT_EQ(window_width(), 120U);
}

TEST(ReachTest, an_empty_token_is_a_fault_and_never_the_owner_s) {
  Folder const folder;
  folder.write("admin.token", "mr_secret\n");
  auto const fault_of = [](Reach const& reach) {
    auto const token = find_token(reach);
    return token ? "took " + *token : token.error().what;
  };

  EXPECT_EQ(fault_of({.token = "", .data = folder.path()}),
            "--token: is empty; give a token, or leave it out");
  Variable const empty("MILLRACE_TOKEN", "");
  EXPECT_EQ(fault_of({.data = folder.path()}),
            "MILLRACE_TOKEN: is set and empty; give it a value, or unset it");
  folder.write("admin.token", "\n");
  ::unsetenv("MILLRACE_TOKEN");
  EXPECT_EQ(fault_of({.data = folder.path()}).find("took"), std::string::npos);
}

TEST(ReachTest, the_server_is_the_flag_s_else_the_variable_s_else_the_usual_one) {
  EXPECT_EQ(find_server({}), "http://127.0.0.1:8080");
  Variable const named("MILLRACE_SERVER", "https://there.example");
  EXPECT_EQ(find_server({}), "https://there.example");
  EXPECT_EQ(find_server({.server = "https://here.example"}), "https://here.example");
  EXPECT_FALSE(find_token({}));  // ./data is another server's
  Variable const empty("MILLRACE_SERVER", "");
  EXPECT_FALSE(find_server({}));
}

TEST(ReachTest, what_is_given_and_not_used_is_told) {
  EXPECT_EQ(unused_of({.token = "x"}), "");
  EXPECT_EQ(unused_of({.data = "d"}), "");
  EXPECT_EQ(unused_of({.token = "x", .data = "d"}), "--data is not used, as --token is given");
  Variable const named("MILLRACE_TOKEN", "t");
  EXPECT_EQ(unused_of({.data = "d"}), "--data is not used, as MILLRACE_TOKEN is set");
}

TEST(ReachTest, what_a_folder_alone_does_not_need_is_told) {
  EXPECT_EQ(unused_offline({.data = "d"}), "");
  EXPECT_EQ(unused_offline({.token = "x", .data = "d"}),
            "--token is not used, as --offline looks at the folder alone");
  EXPECT_EQ(unused_offline({.server = "http://h", .token = "x", .wait = 1s}),
            "--server, --token, --wait are not used, as --offline looks at the folder alone");
}

TEST(ReachTest, an_authority_is_trusted_and_goes_along_with_a_command_to_paste) {
  EXPECT_EQ(trust_of({.ca = "my ca.pem"}).extra_ca_file, "my ca.pem");
  EXPECT_TRUE(again({.ca = "my ca.pem"}, "doctor").ends_with(" doctor --ca 'my ca.pem'"));
}

TEST(ReachTest, a_command_to_paste_reaches_the_same_server_and_has_no_secret) {
  Reach const reach{.server = "http://h:1", .token = "secret", .data = "d"};
  EXPECT_TRUE(again(reach, "streams test x")
                  .ends_with(" streams test x --server http://h:1 --token TOKEN"));
  EXPECT_TRUE(again({.data = "my data"}, "doctor").ends_with(" doctor --data 'my data'"));
}

TEST(ShellWordTest, a_word_is_quoted_where_a_shell_would_read_it_otherwise) {
  EXPECT_EQ(shell_word("/a/b-c_1.2:3"), "/a/b-c_1.2:3");
  EXPECT_EQ(shell_word("a b"), "'a b'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(ConfirmTest, only_a_clear_yes_is_yes) {
  for (auto const* yes : {"y", "Y", "yes", " yes \r"}) EXPECT_TRUE(is_yes(yes)) << yes;
  for (auto const* no : {"", "n", "no", "ye", "yess", "y n"}) EXPECT_FALSE(is_yes(no)) << no;
}

TEST(PrintTest, counts_are_told_as_people_write_them) {
  EXPECT_EQ(counted(1, "event"), "1 event");
  EXPECT_EQ(counted(0, "event"), "0 events");
  EXPECT_EQ(counted(1234567, "event"), "1,234,567 events");
}

TEST(PrintTest, marks_that_turn_the_text_around_are_not_printed) {
  EXPECT_EQ(harmless("a\u202Eb\u2066c\u2028d\u00E9\u2026"), "a?b?c?d\u00E9\u2026");
}

}  // namespace
}  // namespace millrace::commands
