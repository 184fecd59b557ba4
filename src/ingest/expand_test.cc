#include "ingest/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "ingest/compressed_fixture.h"
#include "ingest/events.h"
#include "ingest/fixture.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace fixture;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using State = Expander::State;

constexpr std::size_t plenty = 1 << 20;

std::string text_of(std::size_t bytes) {
  std::string text;
  for (unsigned i = 1; text.size() < bytes; i = i * 1664525U + 1013904223U)
    text += std::to_string(i);
  text.resize(bytes);
  return text;
}

std::string packed(Coding coding, std::string_view text) {
  return coding == Coding::gzip ? gzipped(text) : zstandard(text);
}

std::expected<std::string, State> expand_at_once(Coding coding, std::string_view input,
                                                 std::size_t most_bytes) {
  testing::Sim sim;
  Turns turns(nullptr);
  return sim.run(expand_record(coding, input, most_bytes, turns));
}

class ExpandTest : public ::testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Codings, ExpandTest, ::testing::Values(Coding::gzip, Coding::zstd));

TEST_P(ExpandTest, makes_the_text_whole_again) {
  for (std::size_t const bytes : {0U, 1U, 1000U, 300'000U}) {
    auto const text = text_of(bytes);
    EXPECT_EQ(coding_of(packed(GetParam(), text)), GetParam());
    EXPECT_EQ(expand_at_once(GetParam(), packed(GetParam(), text), plenty), text) << bytes;
  }
}

TEST_P(ExpandTest, joins_what_was_compressed_in_parts) {
  auto const parts =
      packed(GetParam(), "one ") + packed(GetParam(), "") + packed(GetParam(), "two");

  EXPECT_EQ(expand_at_once(GetParam(), parts, plenty), "one two");
}

TEST_P(ExpandTest, refuses_it_cut_at_every_byte_and_with_every_byte_changed) {
  auto const text = text_of(200);
  auto const whole = packed(GetParam(), text);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    auto const cut = expand_at_once(GetParam(), whole.substr(0, n), plenty);
    ASSERT_FALSE(cut) << n;
    EXPECT_EQ(cut.error(), State::damaged);
    auto changed = whole;
    changed[n] = static_cast<char>(changed[n] ^ 0x55);
    static_cast<void>(expand_at_once(GetParam(), changed, plenty));  // ends, whatever it says
  }
  EXPECT_FALSE(expand_at_once(GetParam(), whole + "x", plenty));
}

TEST_P(ExpandTest, keeps_no_byte_more_than_may_come_of_it) {
  auto const bomb = packed(GetParam(), std::string(100'000'000, 'a'));
  ASSERT_LT(bomb.size(), 200'000U);
  auto const expander = Expander::make(GetParam(), bomb, plenty);
  std::string out;
  std::size_t steps = 0;
  auto state = State::more;
  for (; state == State::more; ++steps) state = expander->step(out, 64 * 1024);

  EXPECT_EQ(state, State::too_large);
  EXPECT_EQ(out.size(), plenty + 1);
  EXPECT_LE(steps, 17U);
  EXPECT_EQ(expand_at_once(GetParam(), packed(GetParam(), text_of(1000)), 999).error(),
            State::too_large);
  EXPECT_TRUE(expand_at_once(GetParam(), packed(GetParam(), text_of(1000)), 1000));
}

TEST_P(ExpandTest, goes_through_empty_parts_in_steps_too) {
  std::string parts;
  auto const part = packed(GetParam(), "");
  while (parts.size() < 1'000'000) parts += part;
  auto const expander = Expander::make(GetParam(), parts, plenty);
  std::string out;
  std::size_t steps = 0;
  auto state = State::more;
  for (; state == State::more; ++steps) state = expander->step(out, 64 * 1024);

  EXPECT_EQ(state, State::done);
  EXPECT_GE(steps, 15U);
}

TEST(ExpandGzip, takes_zeros_behind_it_for_padding) {
  EXPECT_EQ(expand_at_once(Coding::gzip, gzipped("text") + std::string(512, '\0'), plenty), "text");
}

TEST(ExpandZstd, keeps_no_window_that_is_larger_than_eight_mebibytes) {
  // A frame's head: no size, no checksum, a window of 2^27 bytes; then an empty last block.
  std::string const frame("\x28\xB5\x2F\xFD\x00\x88\x01\x00\x00", 9);
  std::string const modest("\x28\xB5\x2F\xFD\x00\x68\x01\x00\x00", 9);

  EXPECT_FALSE(expand_at_once(Coding::zstd, frame, plenty));
  EXPECT_EQ(expand_at_once(Coding::zstd, modest, plenty), "");
}

TEST(CodingNamed, knows_what_headers_say) {
  EXPECT_EQ(coding_named(std::nullopt).value(), std::nullopt);
  EXPECT_EQ(coding_named("identity").value(), std::nullopt);
  EXPECT_EQ(coding_named(" GZip ").value(), Coding::gzip);
  EXPECT_EQ(coding_named("x-gzip").value(), Coding::gzip);
  EXPECT_EQ(coding_named("zstd").value(), Coding::zstd);
  EXPECT_THAT(coding_named("br").error(), HasSubstr("'br': send gzip, zstd, or"));
  EXPECT_FALSE(coding_named("gzip, zstd"));
}

TEST(ExpandedMemoryTest, gives_each_credential_a_share_and_takes_it_back) {
  ExpandedMemory memory(100, 60);
  {
    ExpandedMemory::Hold one(memory, "a"), two(memory, "a"), other(memory, "b");
    EXPECT_TRUE(one.reach(40));
    EXPECT_TRUE(one.reach(30)) << "it holds more already";
    EXPECT_FALSE(two.reach(21));
    EXPECT_TRUE(two.reach(20));
    EXPECT_FALSE(other.reach(41));
    EXPECT_TRUE(other.reach(40));
    EXPECT_EQ(memory.held(), 100U);
  }
  EXPECT_EQ(memory.held(), 0U);
}

// ---- bodies -------------------------------------------------------------------------------------------------------------------

class PackedBodyTest : public ::testing::TestWithParam<Coding> {
 protected:
  PackedBodyTest() { credentials.add_token("secret", model::Role::producer, {"acc-1"}); }
  http::ServerResponse post(std::string body, std::string_view named, std::string key = {}) {
    auto request = events_request(std::move(body));
    if (!named.empty()) request.headers.push_back({"Content-Encoding", std::string(named)});
    if (!key.empty()) request.headers.push_back({"Idempotency-Key", std::move(key)});
    return sim.run(ingest->events(std::move(request)));
  }
  std::string_view name() const { return GetParam() == Coding::gzip ? "gzip" : "zstd"; }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeCredentials credentials;
  std::unique_ptr<Ingest> ingest = Ingest::make({store, credentials, sim.clock(), sim.log()}, {});
};
INSTANTIATE_TEST_SUITE_P(Codings, PackedBodyTest, ::testing::Values(Coding::gzip, Coding::zstd));

TEST_P(PackedBodyTest, is_taken_as_if_it_had_come_as_it_is) {
  auto const lines = canvas_event("a") + "\n" + canvas_event("b");

  EXPECT_EQ(post(packed(GetParam(), lines), name()).body, R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post(packed(GetParam(), lines), "").body, R"({"accepted":2,"rejected":[]})")
      << "its first bytes say what it is";
  EXPECT_THAT(store.payloads(), SizeIs(4));
}

TEST_P(PackedBodyTest, is_refused_where_it_is_damaged_or_too_large_when_expanded) {
  auto const event = packed(GetParam(), canvas_event("a"));

  EXPECT_EQ(post(event.substr(0, event.size() - 3), name()).status, 400);
  EXPECT_EQ(post(canvas_event("a"), name()).status, 400);
  auto const large = post(packed(GetParam(), std::string(15 * 1024 * 1024, ' ')), name());
  EXPECT_EQ(large.status, 413);
  EXPECT_THAT(large.body, HasSubstr("when it is expanded"));
  EXPECT_EQ(store.appends(), 0U);
}

TEST_P(PackedBodyTest, is_a_repeat_when_the_same_bytes_come_again) {
  auto const event = packed(GetParam(), canvas_event("a"));

  EXPECT_EQ(post(event, name(), "k").status, 200);
  EXPECT_EQ(post(event, name(), "k").status, 200);
  EXPECT_EQ(post(packed(GetParam(), canvas_event("b")), name(), "k").status, 422);
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

TEST_P(PackedBodyTest, is_stored_after_a_busy_moment_as_well) {
  store.busy_appends(2);

  auto request = events_request(packed(GetParam(), canvas_event("a")));
  request.headers.push_back({"Content-Encoding", std::string(name())});
  auto const answer = sim.start(ingest->events(std::move(request)));
  sim.advance(std::chrono::seconds(1));

  ASSERT_TRUE(answer.done());
  EXPECT_EQ(answer.value().status, 200);
  EXPECT_THAT(store.payloads(), ::testing::ElementsAre(HasSubstr(R"("event_name":"a")")));
}

TEST_P(PackedBodyTest, of_one_producer_leaves_memory_for_anothers) {
  credentials.add_token("other", model::Role::producer, {"*"});
  // Eight at once would hold more than one producer's share.
  auto const large = packed(GetParam(), std::string(13 * 1024 * 1024, ' ') + canvas_event("a"));
  store.hold_appends();
  std::vector<testing::Started<http::ServerResponse>> all;
  for (int i = 0; i < 8; ++i) {
    auto request = events_request(large);
    request.headers.push_back({"Content-Encoding", std::string(name())});
    all.push_back(sim.start(ingest->events(std::move(request))));
  }
  auto small = events_request(packed(GetParam(), canvas_event("b")), "other");
  auto const others = sim.start(ingest->events(std::move(small)));
  sim.settle();
  store.release_appends();
  sim.settle();

  std::size_t taken = 0, later = 0;
  for (auto const& one : all) {
    ASSERT_TRUE(one.done());
    taken += one.value().status == 200 ? 1 : 0;
    later += one.value().status == 503 ? 1 : 0;
  }
  EXPECT_EQ(taken, 4U);
  EXPECT_EQ(later, 4U);
  ASSERT_TRUE(others.done());
  EXPECT_EQ(others.value().status, 200);
}

}  // namespace
}  // namespace millrace::ingest
