// What the data of records may be: compressed, aggregated, no event at all; and the numbers that they are answered with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "ingest/aggregated_fixture.h"
#include "ingest/compressed_fixture.h"
#include "ingest/fixture.h"
#include "ingest/kinesis_answer.h"
#include "ingest/record.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace fixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class KinesisRecordsTest : public ::testing::Test {
 protected:
  KinesisRecordsTest() { credentials.add_key({"*"}); }
  http::ServerRequest request(std::vector<std::string> const& records) {
    auto out = kinesis_request("PutRecords", put_records(records));
    sign(out, sim.clock().wall());
    return out;
  }
  http::ServerResponse put(std::vector<std::string> const& records) {
    return sim.run(ingest->kinesis(request(records)));
  }
  std::string letters_header(http::ServerResponse const& answer) {
    return std::string(http::find_header(answer.headers, "Millrace-Dead-Letters").value_or(""));
  }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeCredentials credentials;
  std::unique_ptr<Ingest> ingest = Ingest::make({store, credentials, sim.clock(), sim.log()}, {});
};

std::vector<std::string> numbers_of(std::string const& body) {
  std::regex const form(R"re("SequenceNumber":"([0-9]+)")re");
  std::vector<std::string> out;
  for (std::sregex_iterator at(body.begin(), body.end(), form), end; at != end; ++at)
    out.push_back((*at)[1]);
  return out;
}

TEST_F(KinesisRecordsTest, that_are_compressed_are_events_all_the_same) {
  auto const answer = put({gzipped(canvas_event("a")), zstandard(canvas_event("b")),
                           "\xEF\xBB\xBF" + canvas_event("c")});

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_THAT(store.payloads(),
              ElementsAre(HasSubstr(R"("a")"), HasSubstr(R"("b")"), HasSubstr(R"("c")")));
  EXPECT_THAT(store.letters(), IsEmpty());
  EXPECT_EQ(letters_header(answer), "");
}

TEST_F(KinesisRecordsTest, that_are_damaged_or_too_large_when_expanded_become_dead_letters) {
  auto const cut = gzipped(canvas_event("a")).substr(0, 40);
  auto const answer = put({cut, zstandard(std::string(2'000'000, ' ')), gzipped("no event")});

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_EQ(letters_header(answer), "3");
  auto const letters = store.letters();
  ASSERT_THAT(letters, SizeIs(3));
  EXPECT_THAT(letters[0].reason, HasSubstr("its gzip is damaged"));
  EXPECT_EQ(letters[0].payload, cut);
  EXPECT_THAT(letters[1].reason, HasSubstr("its zstd expands to more than the 1048576 bytes"));
  EXPECT_EQ(letters[2].payload, "no event");
}

TEST_F(KinesisRecordsTest, that_are_aggregated_are_taken_apart_and_answered_once_each) {
  auto const answer =
      put({canvas_event("first"),
           aggregated({canvas_event("a"), gzipped(canvas_event("b")), canvas_event("c")}),
           canvas_event("last")});

  EXPECT_THAT(store.payloads(),
              ElementsAre(HasSubstr("first"), HasSubstr(R"("a")"), HasSubstr(R"("b")"),
                          HasSubstr(R"("c")"), HasSubstr("last")));
  EXPECT_THAT(numbers_of(answer.body),
              ElementsAre(sequence_number({1, 0}, 0), sequence_number({1, 1}, 1),
                          sequence_number({1, 4}, 2)));
}

TEST_F(KinesisRecordsTest, within_an_aggregated_one_that_are_no_events_become_dead_letters) {
  auto damaged = aggregated({canvas_event("x")});
  damaged.back() = static_cast<char>(damaged.back() ^ 1);

  auto const answer = put({aggregated({canvas_event("a"), "{}", canvas_event("b")}), damaged});

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_EQ(letters_header(answer), "2");
  EXPECT_THAT(store.payloads(), SizeIs(2));
  ASSERT_THAT(store.letters(), SizeIs(2));
  EXPECT_EQ(store.letters()[0].payload, "{}");
  EXPECT_THAT(store.letters()[1].reason,
              HasSubstr("one that KPL has aggregated, but has a wrong checksum"));
}

TEST_F(KinesisRecordsTest, that_fill_a_request_leave_the_others_to_be_sent_again) {
  std::vector<std::string> const many(6000, canvas_event("a"));

  auto const answer = put({aggregated(many), aggregated(many), canvas_event("b")});

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":1)"));
  EXPECT_THAT(answer.body, HasSubstr(R"(},{"ErrorCode":"ProvisionedThroughputExceededException")"));
  EXPECT_THAT(store.payloads(), SizeIs(6001));
  EXPECT_THAT(store.payloads().back(), HasSubstr(R"("b")"));
  EXPECT_EQ(put({aggregated(many)}).status, 200);
  EXPECT_THAT(store.payloads(), SizeIs(12'001));
}

TEST_F(KinesisRecordsTest, that_expand_to_more_than_a_request_may_hold_are_left_too) {
  auto const large =
      zstandard(canvas_event("a", "acc-1", "{\"x\":\"" + std::string(1'000'000, 'x') + "\"}"));

  auto const answer = put(std::vector<std::string>(20, large));

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":6)"));
  EXPECT_THAT(store.payloads(), SizeIs(14));
}

TEST_F(KinesisRecordsTest, make_the_same_block_again_after_a_busy_moment) {
  store.busy_appends(1);
  auto const answer = sim.start(ingest->kinesis(
      request({aggregated({canvas_event("a"), "{}"}), gzipped(canvas_event("b"))})));
  sim.advance(std::chrono::seconds(1));

  ASSERT_TRUE(answer.done());
  EXPECT_THAT(answer.value().body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_THAT(store.payloads(), ElementsAre(HasSubstr(R"("a")"), HasSubstr(R"("b")")));
  EXPECT_THAT(store.letters(), SizeIs(1));
}

TEST_F(KinesisRecordsTest, that_are_no_events_get_numbers_that_no_other_record_gets) {
  std::set<std::string> seen;
  std::string last;
  for (int call = 0; call < 4; ++call) {
    if (call == 3) sim.advance(std::chrono::seconds(3));
    auto const numbers = numbers_of(put({"nonsense", "more"}).body);
    ASSERT_THAT(numbers, SizeIs(2));
    for (auto const& number : numbers) {
      EXPECT_THAT(number, SizeIs(56));
      EXPECT_GT(number, last);
      last = number;
      seen.insert(number);
    }
  }
  auto const event = numbers_of(put({canvas_event("a")}).body);

  EXPECT_THAT(seen, SizeIs(8));
  EXPECT_GT(event.at(0), last);
}

TEST_F(KinesisRecordsTest, may_be_in_a_body_that_is_compressed_as_a_whole) {
  for (bool const gzip : {true, false}) {
    auto const body = put_records({canvas_event("a")});
    auto packed = kinesis_request("PutRecords", gzip ? gzipped(body) : zstandard(body));
    packed.headers.push_back({"Content-Encoding", gzip ? "gzip" : "zstd"});
    sign(packed, sim.clock().wall());
    auto changed = packed;
    changed.body = gzip ? gzipped(body + " ") : zstandard(body + " ");

    EXPECT_EQ(sim.run(ingest->kinesis(packed)).status, 200);
    EXPECT_THAT(sim.run(ingest->kinesis(changed)).body, HasSubstr("InvalidSignatureException"));
  }
  EXPECT_THAT(store.payloads(), SizeIs(2));
  auto other = kinesis_request("PutRecords", "x");
  other.headers.push_back({"Content-Encoding", "br"});
  sign(other, sim.clock().wall());
  auto const answer = sim.run(ingest->kinesis(other));
  EXPECT_EQ(answer.status, 415);
  EXPECT_THAT(answer.body, HasSubstr("send gzip, zstd, or"));
}

TEST_F(KinesisRecordsTest, are_read_no_further_than_the_one_that_is_too_many) {
  std::string body = R"({"StreamName":"live-events","Records":[)";
  while (body.size() < 13'000'000) body += "{},";
  body += "nonsense]}";
  auto many = kinesis_request("PutRecords", body);
  sign(many, sim.clock().wall());

  auto const answer = sim.run(ingest->kinesis(many));

  EXPECT_THAT(answer.body, HasSubstr("'records.1.member.data' failed"));
  EXPECT_LT(answer.body.size(), 2000U);
}

}  // namespace
}  // namespace millrace::ingest
