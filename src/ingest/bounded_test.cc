// The largest requests that are taken, and the work that each turn of their loop does for them. Work is counted, never timed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "ingest/aside.h"
#include "ingest/cbor.h"
#include "ingest/compressed_fixture.h"
#include "ingest/fixture.h"
#include "ingest/ingest.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace fixture;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t most_body = 14 * 1024 * 1024;
constexpr std::size_t most_a_turn = Turns::turn_bytes + Turns::item_bytes;

// Keeps its jobs until it is told to do them.
class HeldWorker final : public io::Worker {
 public:
  void post(std::move_only_function<void()> job) override { jobs_.push_back(std::move(job)); }
  bool has_jobs() const { return !jobs_.empty(); }
  void do_one() {
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
  }

 private:
  std::deque<std::move_only_function<void()>> jobs_;
};

class BoundedTest : public ::testing::Test {
 protected:
  BoundedTest() {
    credentials.add_key({"*"});
    credentials.add_token("secret", model::Role::producer, {"*"});
  }
  // The answer, the worker doing what it is given as soon as the loop has nothing else to do.
  http::ServerResponse answer(io::Task<http::ServerResponse> task) {
    auto const started = sim.start(std::move(task));
    for (sim.settle(); worker.has_jobs(); sim.settle()) {
      worker.do_one();
      ++jobs;
    }
    check(started.done(), "nothing else is waited for");
    return std::move(started.value());
  }
  http::ServerResponse put(std::string body, std::string_view type = "application/x-amz-json-1.1") {
    auto request = kinesis_request("PutRecords", std::move(body));
    request.headers[1].value = std::string(type);
    sign(request, sim.clock().wall());
    return answer(ingest->kinesis(std::move(request)));
  }
  http::ServerResponse post(std::string body, std::string_view type = "application/x-ndjson") {
    return answer(ingest->events(events_request(std::move(body), "secret", type)));
  }
  // What was done for a request was done in turns of a bounded size, and all of it was counted.
  void expect_turns(std::size_t bytes) {
    EXPECT_LE(meter.largest(), most_a_turn);
    EXPECT_GE(meter.bytes(), bytes);
    EXPECT_GE(meter.turns(), bytes / most_a_turn);
  }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock(), {.batch_bytes = 64U << 20U, .keep_bytes = 64U << 20U}};
  FakeCredentials credentials;
  HeldWorker worker;
  TurnMeter meter;
  std::size_t jobs = 0;
  std::unique_ptr<Ingest> ingest = Ingest::make({.store = store,
                                                 .credentials = credentials,
                                                 .clock = sim.clock(),
                                                 .log = sim.log(),
                                                 .workers = {&worker},
                                                 .turns = &meter},
                                                {});
};

std::vector<std::string> records_of(std::size_t count, std::size_t bytes) {
  std::string const body = R"({"pad":")" + std::string(bytes, 'x') + R"("})";
  return std::vector<std::string>(count, canvas_event("a", "acc-1", body));
}

TEST_F(BoundedTest, largest_put_of_most_records_is_taken_in_turns) {
  auto body = put_records(records_of(10'000, 900));
  ASSERT_LE(body.size(), most_body);
  ASSERT_GT(body.size(), most_body * 9 / 10);

  auto const answer = put(std::move(body));

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_EQ(store.appends(), 1U);
  EXPECT_EQ(jobs, 2U) << "its hash, and its records";
  expect_turns(10'000 * 900 + answer.body.size());
}

TEST_F(BoundedTest, put_of_the_largest_records_is_taken_in_turns) {
  auto const answer = put(put_records(records_of(9, 1'040'000)));

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_EQ(jobs, 2 + 9U) << "an event cannot be cut into turns";
  expect_turns(9 * Turns::item_bytes);
}

TEST_F(BoundedTest, put_in_cbor_is_taken_in_turns) {
  std::string body;
  append_cbor_map(body, 2);
  append_cbor_text(body, "StreamName");
  append_cbor_text(body, "live-events");
  append_cbor_text(body, "Records");
  append_cbor_array(body, 10'000);
  for (auto const& event : records_of(10'000, 1200)) {
    append_cbor_map(body, 2);
    append_cbor_text(body, "Data");
    auto const at = body.size();
    append_cbor_text(body, event);
    body[at] = static_cast<char>(static_cast<unsigned char>(body[at]) - 0x20U);  // bytes, not text
    append_cbor_text(body, "PartitionKey");
    append_cbor_text(body, "1");
  }
  ASSERT_LE(body.size(), most_body);

  auto const answer = put(std::move(body), "application/x-amz-cbor-1.1");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(store.appends(), 1U);
  EXPECT_EQ(jobs, 2U);
  expect_turns(10'000 * 1200);
}

TEST_F(BoundedTest, put_of_dead_letters_alone_is_taken_in_turns) {
  auto const answer = put(put_records(std::vector<std::string>(10'000, std::string(1000, 'x'))));

  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(store.letters(), SizeIs(10'000));
  expect_turns(10'000 * 1000);
}

TEST_F(BoundedTest, records_of_empty_members_are_expanded_in_turns) {
  std::string members;
  for (auto const one = gzipped(""); members.size() + one.size() <= 1'000'000;) members += one;

  auto const answer = put(put_records({members}));

  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(store.letters(), SizeIs(1));
  expect_turns(members.size());
}

TEST_F(BoundedTest, others_are_served_while_a_large_put_is_read) {
  auto large = kinesis_request("PutRecords", put_records(records_of(1'000, 900)));
  auto small = kinesis_request("PutRecords", put_records({canvas_event("b")}));
  sign(large, sim.clock().wall());
  sign(small, sim.clock().wall());

  auto const first = sim.start(ingest->kinesis(std::move(large)));
  auto const second = sim.start(ingest->kinesis(std::move(small)));
  sim.settle();

  EXPECT_FALSE(first.done());
  EXPECT_TRUE(second.done());
  for (; worker.has_jobs(); sim.settle()) worker.do_one();
  EXPECT_EQ(first.value().status, 200);
}

TEST_F(BoundedTest, put_that_is_given_up_while_it_is_read_leaves_nothing) {
  auto large = kinesis_request("PutRecords", put_records(records_of(1'000, 900)));
  sign(large, sim.clock().wall());
  auto const cut = sim.start(ingest->kinesis(std::move(large)));
  sim.settle();

  sim.cancel();
  for (; worker.has_jobs(); sim.settle()) worker.do_one();

  EXPECT_FALSE(cut.done());
  EXPECT_EQ(store.appends(), 0U);
  EXPECT_THAT(store.letters(), IsEmpty());
}

TEST_F(BoundedTest, strangers_large_body_is_not_hashed) {
  auto request = kinesis_request("PutRecords", put_records(records_of(1'000, 900)));
  sign(request, sim.clock().wall());
  credentials.keys.clear();

  EXPECT_EQ(answer(ingest->kinesis(std::move(request))).status, 400);
  EXPECT_EQ(jobs, 0U);
}

TEST_F(BoundedTest, largest_lines_are_taken_in_turns) {
  std::string body;
  for (auto const& event : records_of(10'000, 1300)) body += event + '\n';
  ASSERT_LE(body.size(), most_body);

  auto const answer = post(body);

  EXPECT_THAT(answer.body, HasSubstr(R"("accepted":10000)"));
  expect_turns(body.size());
}

TEST_F(BoundedTest, largest_array_is_taken_in_turns) {
  std::string body = "[";
  for (auto const& event : records_of(13, 1'040'000)) body += (body.size() > 1 ? "," : "") + event;
  ASSERT_LE(body.size(), most_body);

  auto const answer = post(body + "]", "application/json");

  EXPECT_THAT(answer.body, HasSubstr(R"("accepted":13)"));
  EXPECT_EQ(jobs, 13U);
  expect_turns(13 * Turns::item_bytes);
}

TEST_F(BoundedTest, large_events_are_read_aside_however_they_come) {
  auto const event = records_of(1, 600'000).front();
  auto const broken = event.substr(0, event.size() - 1) + ",}";

  EXPECT_THAT(post(event + "\n" + event).body, HasSubstr(R"("accepted":2)"));
  EXPECT_EQ(jobs, 2U);
  EXPECT_THAT(post(event, "application/json").body, HasSubstr(R"("accepted":1)"));
  EXPECT_THAT(post(event + event, "application/json").body, HasSubstr(R"("accepted":2)"));
  EXPECT_EQ(post("[" + broken + "]", "application/json").status, 400);
  EXPECT_THAT(put(put_records({gzipped(event)})).body, HasSubstr(R"("FailedRecordCount":0)"));
  expect_turns(0);
  EXPECT_EQ(store.payloads().size(), 6U);
}

TEST_F(BoundedTest, body_of_blanks_is_looked_at_in_turns) {
  EXPECT_EQ(post(std::string(most_body, ' ')).status, 200);
  expect_turns(most_body);
  EXPECT_THAT(post(std::string(most_body / 2, ' ') + canvas_event("a") +
                   std::string(most_body / 2 - 200, '\r'))
                  .body,
              HasSubstr(R"("accepted":1)"));
  expect_turns(2 * most_body - 200);
}

TEST_F(BoundedTest, key_of_a_large_body_is_made_aside) {
  auto request = events_request(std::string(Aside::most_at_once, ' ') + canvas_event("a"));
  request.headers.push_back({"Idempotency-Key", "k"});

  EXPECT_EQ(answer(ingest->events(std::move(request))).status, 200);
  EXPECT_EQ(jobs, 1U);
}

TEST_F(BoundedTest, packed_bodies_are_expanded_in_turns) {
  std::string lines;
  for (auto const& event : records_of(10'000, 1300)) lines += event + '\n';
  for (auto const& packed : {gzipped(lines), zstandard(lines)}) {
    EXPECT_THAT(post(packed).body, HasSubstr(R"("accepted":10000)"));
    expect_turns(2 * lines.size());
  }
}

}  // namespace
}  // namespace millrace::ingest
