#include "server/node.h"

#include <sys/stat.h>

#include "server/node_fixture.h"

namespace millrace::server {
namespace {

using ::testing::HasSubstr;

TEST_F(NodeTest, makes_its_secrets_for_its_owner_only_at_the_first_start) {
  ASSERT_TRUE(start());

  for (auto const* const name : {"/data/master.key", "/data/admin.token"}) {
    struct stat status{};
    ASSERT_EQ(::stat((folder_ + name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << name;
  }
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  EXPECT_EQ(ask("GET", "/api/v1/data_streams").status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/data_streams", bearer()).status, 200);
}

TEST_F(NodeTest, keeps_keys_token_and_events_over_a_restart) {
  ASSERT_TRUE(start());
  auto const keys = ask("GET", "/jwks").body;
  auto const head = bearer();
  auto const event =
      R"({"metadata":{"event_name":"course_created","root_account_uuid":"school"},"body":{}})";
  auto const stored =
      ask("POST", "/api/v1/events", head + "Content-Type: application/json\r\n", event);
  EXPECT_EQ(stored.status, 200) << stored.body;
  while (node_->metrics().accepted_events() == 0)
    context_.run_one();  // told on this loop, a moment after
  EXPECT_EQ(node_->metrics().accepted_events(), 1U);
  stop();

  ASSERT_TRUE(start());

  EXPECT_EQ(ask("GET", "/jwks").body, keys);
  EXPECT_EQ(bearer(), head);
  EXPECT_EQ(ask("GET", "/api/v1/data_streams", head).status, 200);
}

TEST_F(NodeTest, refuses_what_its_own_stream_delivers_to_it) {
  ASSERT_TRUE(start());
  auto const head = bearer() + "Content-Type: application/json\r\n";
  auto const made = ask(
      "POST", "/api/v1/data_streams", head,
      R"({"name":"n","account":"school","event_types":["*"],"delivery":{"method":"https","url":"https://e.example/"},"contact_email":"a@b.c"})");
  ASSERT_EQ(made.status, 201) << made.body;
  auto const id = made.body.substr(made.body.find("\"id\":\"") + 6, 36);
  auto const event =
      R"({"metadata":{"event_name":"course_created","root_account_uuid":"school"},"body":{}})";

  auto const looped =
      ask("POST", "/api/v1/events", head + "Millrace-Stream-Id: " + id + "\r\n", event);

  EXPECT_EQ(looped.status, 508) << looped.body;
  EXPECT_THAT(looped.body, HasSubstr(id));
  EXPECT_EQ(ask("POST", "/api/v1/events", head, event).status, 200);
}

TEST_F(NodeTest, refuses_to_start_without_the_master_key) {
  ASSERT_TRUE(start());
  stop();
  std::filesystem::remove(folder_ + "/data/master.key");

  auto const started = start();

  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().fault, Fault::missing);
  EXPECT_THAT(started.error().what, HasSubstr("master.key"));
}

// Each way to have less state than there was: refused, with the token of the owner untouched.
TEST_F(NodeTest, refuses_to_start_with_less_state_than_there_was) {
  ASSERT_TRUE(start());
  auto const head = bearer();
  stop();
  auto const data = folder_ + "/data/";
  auto const whole = *static_cast<io::Files&>(files_).read_all(data + "state.db", 1U << 30);
  for (auto const& less :
       {std::optional<std::string>(), std::optional<std::string>(""),
        std::optional(whole.substr(0, whole.size() / 2)), std::optional(whole.substr(0, 100)),
        std::optional(std::string(whole.size(), '\0'))}) {
    SCOPED_TRACE(less ? fmt::format("{} bytes", less->size()) : "missing");
    std::filesystem::remove(data + "state.db");
    std::filesystem::remove(data + "state.db-wal");
    if (less) ASSERT_TRUE(files_.write_all(data + "state.db", *less));

    auto const started = start();

    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().what, HasSubstr("accept-lost-state"));
    EXPECT_EQ(bearer(), head);
  }
}

TEST_F(NodeTest, keeps_the_token_of_a_state_whose_loss_is_accepted) {
  ASSERT_TRUE(start());
  auto const before = bearer();
  stop();
  auto const data = folder_ + "/data/";
  std::filesystem::remove(data + "state.db");
  std::filesystem::remove(data + "state.db-wal");
  ASSERT_TRUE(files_.write_all(data + "accept-lost-state", ""));

  ASSERT_TRUE(start());

  EXPECT_NE(bearer(), before);
  EXPECT_EQ(ask("GET", "/api/v1/data_streams", bearer()).status, 200);
  EXPECT_EQ(ask("GET", "/api/v1/data_streams", before).status, 401);
  int kept = 0;
  for (auto const& name : *files_.list(folder_ + "/data"))
    if (name.starts_with("admin.token.before-")) ++kept;
  EXPECT_EQ(kept, 1);
}

TEST_F(NodeTest, refuses_a_folder_that_another_node_has) {
  ASSERT_TRUE(start());

  auto const second = finish(Node::start(parts(), settings()));

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::conflict);
}

TEST_F(NodeTest, refuses_an_address_that_is_taken) {
  ASSERT_TRUE(start());
  auto other = settings();
  other.store.folder += "2";
  other.listen = node_->local();

  auto const second = finish(Node::start(parts(), other));

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::conflict);
}

TEST_F(NodeTest, routes_kinesis_by_its_header_and_by_its_path) {
  ASSERT_TRUE(start());

  auto const head =
      "X-Amz-Target: Kinesis_20131202.PutRecords\r\nContent-Type: application/x-amz-json-1.1\r\n";
  EXPECT_THAT(ask("POST", "/", head, "{}").body, HasSubstr("__type"));
  EXPECT_THAT(ask("POST", "/", "", "{}").body, HasSubstr("UnknownOperationException"));
}

}  // namespace
}  // namespace millrace::server
