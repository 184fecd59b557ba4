// CBOR 1.1, as AWS's SDKs for Java speak it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/cbor.h"
#include "ingest/fixture.h"
#include "ingest/kinesis_answer.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace fixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// The smallest writer that makes what Jackson makes: maps and arrays with an end instead of a length.
std::string text(std::string_view value) {
  std::string out;
  append_cbor_text(out, value);
  return out;
}
std::string bytes(std::string_view value) {
  auto out = text(value);
  out[0] = static_cast<char>(out[0] - 0x20);
  return out;
}
std::string map(std::vector<std::string> const& items) {
  std::string out = "\xBF";
  for (auto const& item : items) out += item;
  return out + "\xFF";
}
std::string list(std::vector<std::string> const& items) {
  auto out = map(items);
  out[0] = '\x9F';
  return out;
}
std::string record(std::string_view data) {
  return map({text("Data"), bytes(data), text("PartitionKey"), text("p")});
}
std::string put_body(std::vector<std::string> const& records,
                     std::string_view stream = "live-events") {
  return map({text("StreamName"), text(stream), text("Records"), list(records)});
}

class KinesisCborTest : public ::testing::Test {
 protected:
  KinesisCborTest() { credentials.add_key({"*"}); }
  http::ServerResponse call(std::string_view action, std::string body) {
    auto request = kinesis_request(action, std::move(body));
    request.headers[1].value = "application/x-amz-cbor-1.1";
    sign(request, sim.clock().wall());
    auto answer = sim.run(ingest->kinesis(std::move(request)));
    EXPECT_EQ(http::find_header(answer.headers, "Content-Type"), "application/x-amz-cbor-1.1");
    return answer;
  }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeCredentials credentials;
  std::unique_ptr<Ingest> ingest = Ingest::make({store, credentials, sim.clock(), sim.log()}, {});
};

TEST_F(KinesisCborTest, puts_records_and_is_answered_in_its_own_form) {
  auto const answer = call("PutRecords", put_body({record(canvas_event("a")), record("no event")}));

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(
      answer.body,
      cbor_of_json(fmt::format(
          R"({{"FailedRecordCount":0,"Records":[{{"SequenceNumber":"{}","ShardId":"shardId-000000000000"}},{{"SequenceNumber":"{}","ShardId":"shardId-000000000000"}}]}})",
          sequence_number({1, 0}, 0), sequence_number({1, 0}, 1))));
  EXPECT_THAT(store.payloads(), ElementsAre(HasSubstr(R"("event_name":"a")")));
  EXPECT_THAT(store.letters(), SizeIs(1));
}

TEST_F(KinesisCborTest, puts_a_single_record_whose_strings_come_in_pieces) {
  auto const event = canvas_event("a");
  auto const pieces = "\x5F" + bytes(event.substr(0, 10)) + bytes(event.substr(10)) + "\xFF";

  auto const answer =
      call("PutRecord",
           map({"\x7F" + text("Da") + text("ta") + "\xFF", pieces, text("PartitionKey"), text("p"),
                text("StreamName"), text("live-events"), text("Unknown"), list({"\x01"})}));

  EXPECT_EQ(answer.body, cbor_of_json(fmt::format(
                             R"({{"ShardId":"shardId-000000000000","SequenceNumber":"{}"}})",
                             sequence_number({1, 0}, 0))));
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

TEST_F(KinesisCborTest, describes_with_times_in_milliseconds) {
  auto const stream = map({text("StreamName"), text("live-events")});
  std::string time;
  append_cbor_number(time, static_cast<std::uint64_t>(unix_ms(sim.clock().wall())));

  for (auto const* const action : {"DescribeStream", "DescribeStreamSummary"}) {
    auto const answer = call(action, stream);
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, HasSubstr(text("StreamCreationTimestamp") + time));
    EXPECT_THAT(answer.body, HasSubstr(text("StreamStatus") + text("ACTIVE")));
  }
  EXPECT_THAT(call("ListStreams", map({})).body, HasSubstr(text("StreamCreationTimestamp") + time));
  EXPECT_THAT(call("ListShards", stream).body, HasSubstr(text("ShardId")));
}

TEST_F(KinesisCborTest, is_refused_in_its_own_form) {
  auto const nope = call("PutRecords", put_body({record("x")}, "nope"));
  EXPECT_EQ(nope.status, 400);
  EXPECT_EQ(
      nope.body,
      cbor_of_json(
          R"({"__type":"ResourceNotFoundException","message":"Stream nope under account 000000000000 not found."})"));
  EXPECT_THAT(call("PutRecords", map({text("StreamName"), text("live-events"), text("Records"),
                                      list({map({text("PartitionKey"), text("p")})})}))
                  .body,
              HasSubstr("Value null at 'records.1.member.data' failed to satisfy constraint"));
  EXPECT_THAT(call("PutRecords", put_body({record(std::string(1048577, 'x'))})).body,
              HasSubstr("Member must have length less than or equal to 1048576"));
  EXPECT_THAT(call("PutRecords", put_body(std::vector<std::string>(10'001, record("x")))).body,
              HasSubstr("'[10001 records]'"));
  EXPECT_THAT(call("PutRecords", put_body({map({text("Data"), text("x")})})).body,
              HasSubstr("Data is no byte string"));
  EXPECT_THAT(call("Nope", map({})).body, HasSubstr("UnknownOperationException"));
  EXPECT_EQ(store.appends(), 0U);
}

TEST_F(KinesisCborTest, is_refused_cut_at_every_byte_and_with_more_behind_it) {
  auto const body = put_body({record(canvas_event("a")), record(canvas_event("b"))});
  for (std::size_t n = 0; n < body.size(); ++n)
    ASSERT_THAT(call("PutRecords", body.substr(0, n)).body, HasSubstr("SerializationException"))
        << n;
  EXPECT_THAT(call("PutRecords", body + '\0').body, HasSubstr("SerializationException"));
  for (std::string const& wrong :
       {std::string("\xF6"), list({}), text("x"), map({"\x01", "\x01"}), std::string("{}")})
    EXPECT_THAT(call("PutRecords", wrong).body, HasSubstr("SerializationException"));
  EXPECT_EQ(store.appends(), 0U);
}

}  // namespace
}  // namespace millrace::ingest
