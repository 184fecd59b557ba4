#include "ingest/kinesis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "ingest/fixture.h"
#include "ingest/kinesis_answer.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace std::chrono_literals;
using namespace fixture;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class KinesisTest : public ::testing::Test {
 protected:
  KinesisTest() { credentials.add_key({"*"}); }

  Ingest& ingest() {
    if (!made) made = Ingest::make({store, credentials, sim.clock(), sim.log()}, settings);
    return *made;
  }
  http::ServerResponse call(http::ServerRequest request) {
    return sim.run(ingest().kinesis(std::move(request)));
  }
  http::ServerRequest signed_request(std::string_view action, std::string body) {
    auto request = kinesis_request(action, std::move(body));
    sign(request, sim.clock().wall());
    return request;
  }
  http::ServerResponse put(std::vector<std::string> const& records) {
    return call(signed_request("PutRecords", put_records(records)));
  }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeCredentials credentials;
  IngestSettings settings;
  std::unique_ptr<Ingest> made;
};

std::string header_of(http::ServerResponse const& answer, std::string_view name) {
  return std::string(http::find_header(answer.headers, name).value_or(""));
}

std::vector<std::string> sequence_numbers(std::string const& body) {
  std::regex const form(R"re("SequenceNumber":"([0-9]+)")re");
  std::vector<std::string> out;
  for (std::sregex_iterator at(body.begin(), body.end(), form), end; at != end; ++at)
    out.push_back((*at)[1]);
  return out;
}

// ---- what is stored -----------------------------------------------------------------------------------------------------------

TEST_F(KinesisTest, stores_each_record_with_the_wrapper_renamed_and_its_values_as_they_came) {
  auto const answer = put({
      R"( {"attributes" : { "event_name":"a\u0062", "root_account_uuid":"acc-1" , "big":1e400, "é":"\/" } , "body":{"n": 1.0,"t":"日本 \ud83d\ude00"} } )",
      R"({"body":{},"attributes":{"root_account_uuid":"acc-1","event_name":"second"}})",
  });

  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(
      store.payloads(),
      ElementsAre(
          R"({"metadata":{ "event_name":"a\u0062", "root_account_uuid":"acc-1" , "big":1e400, "é":"\/" },"body":{"n": 1.0,"t":"日本 \ud83d\ude00"}})",
          R"({"metadata":{"root_account_uuid":"acc-1","event_name":"second"},"body":{}})"));
  ASSERT_THAT(store.log(), SizeIs(1));
  EXPECT_EQ(store.log()[0]->events.kinds()[0].kind, (model::Kind{"acc-1", "ab"}));
}

TEST_F(KinesisTest, answers_each_record_with_a_shard_and_growing_sequence_numbers) {
  auto const first = put({canvas_event("a"), canvas_event("b"), canvas_event("c")});
  auto const second = put({canvas_event("d")});

  EXPECT_EQ(header_of(first, "content-type"), "application/x-amz-json-1.1");
  EXPECT_TRUE(Uuid::parse(header_of(first, "x-amzn-requestid")));
  EXPECT_NE(header_of(first, "x-amzn-requestid"), header_of(second, "x-amzn-requestid"));
  EXPECT_TRUE(std::regex_match(
      first.body,
      std::regex(
          R"re(\{"FailedRecordCount":0,"Records":\[(,?\{"SequenceNumber":"[1-9][0-9]{55}","ShardId":"shardId-000000000000"\}){3}\]\})re")))
      << first.body;
  auto numbers = sequence_numbers(first.body + second.body);
  ASSERT_THAT(numbers, SizeIs(4));
  EXPECT_TRUE(std::ranges::is_sorted(numbers, std::less_equal{}));
}

TEST_F(KinesisTest, derives_the_sequence_number_from_the_place) {
  put({canvas_event("a")});
  auto const answer = put({canvas_event("b"), canvas_event("c")});

  EXPECT_EQ(sequence_number({7, 12}, 3),
            "49000000000000000000000000000007000000001200000000000003");
  EXPECT_THAT(sequence_numbers(answer.body),
              ElementsAre(sequence_number({2, 0}, 0), sequence_number({2, 1}, 1)));
}

TEST_F(KinesisTest, routes_by_the_bodys_account_before_the_metadatas) {
  put({canvas_event("a", "shard-default", R"({"root_account_uuid":"real"})"),
       canvas_event("a", "acc-1", R"({"root_account_uuid":null})")});

  auto const& kinds = store.log().at(0)->events.kinds();
  ASSERT_THAT(kinds, SizeIs(2));
  EXPECT_EQ(kinds[0].kind.account, "real");
  EXPECT_EQ(kinds[1].kind.account, "acc-1");
}

TEST_F(KinesisTest, takes_ten_thousand_records_and_no_more) {
  std::vector<std::string> records(10'000, canvas_event("a"));

  auto const full = put(records);
  records.push_back(canvas_event("a"));
  auto const over = put(records);

  EXPECT_EQ(full.status, 200);
  EXPECT_THAT(store.payloads(), SizeIs(10'000));
  auto const numbers = sequence_numbers(full.body);
  ASSERT_THAT(numbers, SizeIs(10'000));
  EXPECT_TRUE(std::ranges::is_sorted(numbers, std::less_equal{}));
  EXPECT_EQ(over.status, 400);
  EXPECT_EQ(
      over.body,
      R"({"__type":"ValidationException","message":"1 validation error detected: Value '[10001 records]' at 'records' failed to satisfy constraint: Member must have length less than or equal to 10000"})");
}

TEST_F(KinesisTest, takes_a_single_record) {
  auto const body = fmt::format(R"({{"PartitionKey":"1","Data":"{}","StreamName":"live-events"}})",
                                base64(canvas_event("one")));

  auto const answer = call(signed_request("PutRecord", body));

  EXPECT_TRUE(std::regex_match(
      answer.body,
      std::regex(R"re(\{"ShardId":"shardId-000000000000","SequenceNumber":"[1-9][0-9]{55}"\})re")))
      << answer.body;
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

TEST_F(KinesisTest, takes_a_stream_by_its_arn_and_escaped_data) {
  auto data = base64("???" + std::string(">>>"));
  auto body = fmt::format(
      R"({{"StreamARN":"arn:aws:kinesis:us-east-1:123456789012:stream/live-events","Records":[{{"PartitionKey":"\u0070","Data":"{}"}}]}})",
      std::regex_replace(base64(canvas_event("slash", "acc-1", R"({"x":"???>>>???"})")),
                         std::regex("/"), R"(\/)"));

  auto const answer = call(signed_request("PutRecords", body));

  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(store.payloads(), ElementsAre(HasSubstr("slash")));
}

// ---- dead letters and walls ---------------------------------------------------------------------------------------------------

TEST_F(KinesisTest, answers_what_is_no_event_as_stored_and_keeps_it_with_its_reason) {
  auto const answer =
      put({"{}", canvas_event("good"), R"({"attributes":{"event_name":"heartbeat"},"body":{}})",
           "\xff\xfe", ""});

  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":0)"));
  auto const numbers = sequence_numbers(answer.body);
  EXPECT_THAT(numbers, SizeIs(5));
  EXPECT_TRUE(std::ranges::is_sorted(numbers, std::less_equal{}));
  EXPECT_THAT(store.payloads(), SizeIs(1));
  auto const letters = store.letters();
  ASSERT_THAT(letters, SizeIs(4));
  EXPECT_EQ(letters[0].payload, "{}");
  EXPECT_EQ(letters[0].source, "kinesis");
  EXPECT_THAT(letters[1].reason, HasSubstr("names no account"));
  EXPECT_EQ(letters[2].payload, "\xff\xfe");
  EXPECT_EQ(ingest().rejected().invalid.value(), 3U);
  EXPECT_EQ(ingest().rejected().no_account.value(), 1U);
}

TEST_F(KinesisTest, answers_a_request_of_dead_letters_only) {
  auto const answer = put({"nonsense"});

  EXPECT_THAT(answer.body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_EQ(store.appends(), 0U);
  EXPECT_THAT(store.letters(), SizeIs(1));
}

TEST_F(KinesisTest, keeps_an_account_that_the_key_may_not_send_for_out_of_the_log) {
  credentials.add_key({"acc-1"});

  auto const answer = put({canvas_event("mine", "acc-1"), canvas_event("theirs", "acc-2"),
                           canvas_event("claimed", "acc-1", R"({"root_account_uuid":"acc-2"})")});

  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(store.payloads(), ElementsAre(HasSubstr("mine")));
  ASSERT_THAT(store.letters(), SizeIs(2));
  EXPECT_THAT(store.letters()[0].reason, HasSubstr("account not allowed for this key"));
  EXPECT_EQ(store.letters()[0].account, "acc-1");
  EXPECT_EQ(ingest().rejected().denied.value(), 2U);
}

TEST_F(KinesisTest, asks_for_dead_letters_again_that_could_not_be_kept) {
  store.fail_dead_letters(1, {Fault::busy, "full"});

  auto const answer = put({canvas_event("good"), "nonsense"});

  EXPECT_TRUE(std::regex_match(
      answer.body,
      std::regex(
          R"re(\{"FailedRecordCount":1,"Records":\[\{"SequenceNumber":"[0-9]+","ShardId":"shardId-000000000000"\},\{"ErrorCode":"InternalFailure","ErrorMessage":"Internal service failure."\}\]\})re")))
      << answer.body;
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

// ---- repeats and trouble ------------------------------------------------------------------------------------------------------

TEST_F(KinesisTest, stores_a_repeat_by_the_sdk_once_and_answers_it_alike) {
  auto const send = [&](std::vector<std::string> const& records, std::string_view id) {
    auto request = kinesis_request("PutRecords", put_records(records));
    request.headers.push_back({"amz-sdk-invocation-id", std::string(id)});
    sign(request, sim.clock().wall());
    return call(request);
  };

  auto const first = send({canvas_event("a"), canvas_event("b")}, "one");
  sim.advance(2s);
  auto const repeat = send({canvas_event("a"), canvas_event("b")}, "one");
  auto const other_body = send({canvas_event("a"), canvas_event("c")}, "one");
  auto const other_id = send({canvas_event("a"), canvas_event("b")}, "two");

  EXPECT_EQ(repeat.body, first.body);
  EXPECT_EQ(other_body.status, 200);
  EXPECT_EQ(other_id.status, 200);
  EXPECT_THAT(store.payloads(), SizeIs(6));
}

TEST_F(KinesisTest, forgets_an_invocation_after_a_quarter_of_an_hour) {
  auto const send = [&] {
    auto request = kinesis_request("PutRecords", put_records({canvas_event("a")}));
    request.headers.push_back({"amz-sdk-invocation-id", "one"});
    sign(request, sim.clock().wall());
    return call(request);
  };

  send();
  sim.advance(15min);
  send();

  EXPECT_THAT(store.payloads(), SizeIs(2));
}

TEST_F(KinesisTest, holds_the_answer_while_the_store_is_busy) {
  store.busy_appends(5);
  auto const running = sim.start(ingest().kinesis(
      signed_request("PutRecords", put_records({canvas_event("a"), canvas_event("b")}))));
  sim.settle();
  EXPECT_FALSE(running.done());

  sim.advance(2s);

  ASSERT_TRUE(running.done());
  EXPECT_THAT(running.value().body, HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_THAT(store.payloads(), SizeIs(2));
}

TEST_F(KinesisTest, tells_canvas_to_send_all_again_when_the_hold_is_over) {
  store.busy_appends(1'000'000);
  auto const running = sim.start(
      ingest().kinesis(signed_request("PutRecords", put_records({canvas_event("a"), "nonsense"}))));

  sim.advance(19'900ms);
  EXPECT_FALSE(running.done());
  sim.advance(100ms);

  ASSERT_TRUE(running.done());
  EXPECT_EQ(running.value().status, 200);
  EXPECT_EQ(
      running.value().body,
      R"({"FailedRecordCount":2,"Records":[{"ErrorCode":"InternalFailure","ErrorMessage":"Internal service failure."},)"
      R"({"ErrorCode":"InternalFailure","ErrorMessage":"Internal service failure."}]})");
  EXPECT_THAT(store.letters(), IsEmpty());
  EXPECT_EQ(ingest().rejected().busy.value(), 1U);
  EXPECT_LT(store.appends(), 100U);
}

TEST_F(KinesisTest, tells_of_a_broken_store_at_once) {
  store.fail_appends(2, {Fault::io, "disk: gone"});
  auto const body = fmt::format(R"({{"PartitionKey":"1","Data":"{}","StreamName":"live-events"}})",
                                base64(canvas_event("one")));

  auto const many = put({canvas_event("a")});
  auto const one = call(signed_request("PutRecord", body));

  EXPECT_THAT(many.body, HasSubstr(R"("FailedRecordCount":1)"));
  EXPECT_EQ(one.status, 500);
  EXPECT_EQ(one.body, R"({"__type":"InternalFailure","message":"Internal service failure."})");
  EXPECT_THAT(sim.log().lines("events not stored"), SizeIs(2));
}

// ---- who may ------------------------------------------------------------------------------------------------------------------

TEST_F(KinesisTest, refuses_what_is_not_signed_rightly) {
  auto const body = put_records({canvas_event("a")});
  auto wrong = kinesis_request("PutRecords", body);
  sign(wrong, sim.clock().wall(), "another secret");
  auto late = kinesis_request("PutRecords", body);
  sign(late, sim.clock().wall() - 6min);
  auto changed = signed_request("PutRecords", body);
  changed.body += ' ';
  auto elsewhere = kinesis_request("PutRecords", body);
  sign(elsewhere, sim.clock().wall(), secret, "sqs");

  EXPECT_EQ(
      call(kinesis_request("PutRecords", body)).body,
      R"({"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"})");
  EXPECT_THAT(
      call(wrong).body,
      HasSubstr(
          R"({"__type":"InvalidSignatureException","message":"The request signature we calculated does not match)"));
  EXPECT_THAT(call(late).body,
              HasSubstr(R"({"__type":"InvalidSignatureException","message":"Signature expired: )"));
  EXPECT_THAT(call(changed).body, HasSubstr("InvalidSignatureException"));
  EXPECT_THAT(call(elsewhere).body,
              HasSubstr("Credential should be scoped to correct service: 'kinesis'."));
  credentials.add_key({"*"}, model::Role::viewer);
  EXPECT_THAT(call(signed_request("PutRecords", body)).body, HasSubstr("AccessDeniedException"));
  credentials.keys.clear();
  auto const unknown = call(signed_request("PutRecords", body));
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(
      unknown.body,
      R"({"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."})");
  EXPECT_EQ(store.appends(), 0U);
}

TEST_F(KinesisTest, takes_an_empty_hash_of_the_body_as_none) {
  auto request = kinesis_request("PutRecords", put_records({canvas_event("a")}));
  request.headers.push_back({"x-amz-content-sha256", ""});
  sign(request, sim.clock().wall());
  auto changed = request;
  changed.body.back() = ' ';

  EXPECT_EQ(call(request).status, 200);
  EXPECT_THAT(call(changed).body, HasSubstr("InvalidSignatureException"));
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

TEST_F(KinesisTest, names_the_hosts_where_a_proxy_may_have_changed_the_signed_one) {
  auto request = signed_request("PutRecords", put_records({canvas_event("a")}));
  request.headers[0].value = "events.example.edu";
  auto const alone = call(request).body;
  request.headers.push_back({"X-Forwarded-Host", "events.example.edu:8443"});
  auto const forwarded = call(request).body;
  auto late = kinesis_request("PutRecords", put_records({canvas_event("a")}));
  sign(late, sim.clock().wall() - 6min);

  EXPECT_THAT(
      alone,
      AllOf(HasSubstr(R"({"__type":"InvalidSignatureException","message":"The request signature)"),
            HasSubstr("arrived here with the header 'Host: events.example.edu'."),
            HasSubstr("proxy_set_header Host $http_host;")));
  EXPECT_THAT(forwarded, HasSubstr("'Host: events.example.edu', and its X-Forwarded-Host is "
                                   "'events.example.edu:8443'."));
  EXPECT_THAT(call(late).body, ::testing::Not(HasSubstr("Host")))
      << "told only where a host may be the reason";
}

TEST_F(KinesisTest, takes_anything_from_anybody_where_any_signature_is_set) {
  settings.any_signature = true;
  auto const body = put_records({canvas_event("a", "any-account")});
  auto wrong = kinesis_request("PutRecords", body);
  sign(wrong, sim.clock().wall(), "another secret");
  credentials.keys.clear();

  EXPECT_EQ(call(kinesis_request("PutRecords", body)).status, 200);
  EXPECT_EQ(call(wrong).status, 200);
  EXPECT_THAT(store.payloads(), SizeIs(2));
  EXPECT_THAT(sim.log().lines("any signature", LogLevel::warning), SizeIs(1));
}

// ---- malformed input, answered byte for byte as AWS does ------------------------------------------------------------------------

struct Malformed {
  std::string action, body, answer;
};

class MalformedTest : public KinesisTest, public ::testing::WithParamInterface<Malformed> {};

TEST_P(MalformedTest, is_answered_as_aws_does) {
  auto const answer = call(signed_request(GetParam().action, GetParam().body));

  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, GetParam().answer);
  EXPECT_EQ(header_of(answer, "Content-Type"), "application/x-amz-json-1.1");
  EXPECT_EQ(store.appends(), 0U);
  EXPECT_THAT(store.letters(), IsEmpty());
}

std::string validation(std::string_view what) {
  return fmt::format(
      R"({{"__type":"ValidationException","message":"1 validation error detected: {}"}})", what);
}
std::string with_record(std::string_view record) {
  return fmt::format(R"({{"StreamName":"live-events","Records":[{}]}})", record);
}
std::string const no_more = R"({"__type":"SerializationException"})";

INSTANTIATE_TEST_SUITE_P(
    Kinesis, MalformedTest,
    ::testing::Values(
        Malformed{"Nope", "{}", R"({"__type":"UnknownOperationException"})"},
        Malformed{"PutRecords", "{", no_more}, Malformed{"PutRecords", "", no_more},
        Malformed{"PutRecords", "[]", no_more}, Malformed{"PutRecords", "null", no_more},
        Malformed{
            "PutRecords",
            R"({"StreamName":"live-events","Records":[{"Data":"eA==","PartitionKey":"p"}]} x)",
            no_more},
        Malformed{
            "PutRecords",
            R"({"StreamName":"live-events","Records":[{"Data":"eA==","PartitionKey":"p"}]}{})",
            no_more},
        Malformed{"PutRecords",
                  R"({"StreamName":"live-events","Records":[{"Data":"eA==","PartitionKey":"p")",
                  no_more},
        Malformed{"PutRecords", "{\"StreamName\":\"live-events\xff\",\"Records\":[]}", no_more},
        Malformed{
            "PutRecords", with_record(R"({"Data":"e","PartitionKey":"p"})"),
            R"({"__type":"SerializationException","Message":"'e' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 1"})"},
        Malformed{
            "PutRecords", with_record(R"({"Data":"e-==","PartitionKey":"p"})"),
            R"({"__type":"SerializationException","Message":"'e-==' can not be converted to a Blob: Invalid Base64 character: '-'"})"},
        Malformed{
            "PutRecords", with_record(R"({"Data":1,"PartitionKey":"p"})"),
            R"({"__type":"SerializationException","Message":"class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob"})"},
        Malformed{
            "PutRecords", with_record(R"({"Data":"eA==","PartitionKey":true})"),
            R"({"__type":"SerializationException","Message":"class java.lang.Boolean can not be converted to an String"})"},
        Malformed{
            "PutRecords", with_record(R"({"Data":{},"PartitionKey":"p"})"),
            R"({"__type":"SerializationException","Message":"Start of structure or map found where not expected."})"},
        Malformed{"PutRecords", with_record("7"),
                  R"({"__type":"SerializationException","Message":"Expected structure or null"})"},
        Malformed{"PutRecords", R"({"StreamName":"live-events","Records":"x"})",
                  R"({"__type":"SerializationException","Message":"Expected list or null"})"},
        Malformed{"PutRecords", with_record(R"({"Data":"eA=="})"),
                  validation("Value null at 'records.1.member.partitionKey' failed to satisfy "
                             "constraint: Member must not be null")},
        Malformed{"PutRecords", with_record(R"({"PartitionKey":"p","Data":null})"),
                  validation("Value null at 'records.1.member.data' failed to satisfy constraint: "
                             "Member must not be null")},
        Malformed{"PutRecords", with_record(R"({"Data":"eA==","PartitionKey":""})"),
                  validation("Value '' at 'records.1.member.partitionKey' failed to satisfy "
                             "constraint: Member must have length greater than or equal to 1")},
        Malformed{"PutRecords",
                  with_record(fmt::format(R"({{"Data":"eA==","PartitionKey":"{}"}})",
                                          std::string(257, 'p'))),
                  validation(
                      fmt::format("Value '{}' at 'records.1.member.partitionKey' failed to satisfy "
                                  "constraint: Member must have length less than or equal to 256",
                                  std::string(257, 'p')))},
        Malformed{
            "PutRecords",
            with_record(R"({"Data":"eA==","PartitionKey":"p","ExplicitHashKey":"x"})"),
            validation(
                R"(Value 'x' at 'records.1.member.explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38}))")},
        Malformed{"PutRecords",
                  with_record(fmt::format(R"({{"Data":"{}","PartitionKey":"p"}})",
                                          base64(std::string(1048577, 'x')))),
                  validation("Value 'java.nio.HeapByteBuffer[pos=0 lim=1048577 cap=1048577]' at "
                             "'records.1.member.data' failed to satisfy constraint: Member must "
                             "have length less than or equal to 1048576")},
        Malformed{"PutRecords", with_record(""),
                  validation("Value '[]' at 'records' failed to satisfy constraint: Member must "
                             "have length greater than or equal to 1")},
        Malformed{
            "PutRecords", R"({"StreamName":"live-events"})",
            validation(
                "Value null at 'records' failed to satisfy constraint: Member must not be null")},
        Malformed{"PutRecords", R"({"Records":[{"Data":"eA==","PartitionKey":"p"}]})",
                  validation("Value null at 'streamName' failed to satisfy constraint: Member must "
                             "not be null")},
        Malformed{
            "PutRecords", R"({"Records":[{"PartitionKey":"p"}]})",
            R"({"__type":"ValidationException","message":"2 validation errors detected: Value null at 'records.1.member.data' failed to satisfy constraint: Member must not be null; Value null at 'streamName' failed to satisfy constraint: Member must not be null"})"},
        Malformed{
            "PutRecords", put_records({"{}"}, "nope"),
            R"({"__type":"ResourceNotFoundException","message":"Stream nope under account 000000000000 not found."})"},
        Malformed{
            "PutRecord", R"({"StreamName":"live-events","PartitionKey":"p"})",
            validation(
                "Value null at 'data' failed to satisfy constraint: Member must not be null")},
        Malformed{"DescribeStream", "{}",
                  validation("Value null at 'streamName' failed to satisfy constraint: Member must "
                             "not be null")},
        Malformed{"DescribeStream", R"({"StreamName":"a b"})",
                  validation("Value 'a b' at 'streamName' failed to satisfy constraint: Member "
                             "must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")},
        Malformed{
            "ListShards", R"({"StreamName":"nope"})",
            R"({"__type":"ResourceNotFoundException","message":"Stream nope under account 000000000000 not found."})"}));

TEST_F(KinesisTest, answers_other_protocols_as_aws_does) {
  auto text = signed_request("PutRecords", "{}");
  text.headers[1].value = "text/plain";
  auto json = signed_request("PutRecords", "{}");
  json.headers[1].value = "application/json";
  http::ServerRequest get;
  get.method = "GET";

  EXPECT_EQ(call(text).status, 404);
  EXPECT_EQ(call(text).body, "<UnknownOperationException/>\n");
  EXPECT_EQ(call(json).status, 404);
  EXPECT_EQ(
      call(json).body,
      R"({"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"})");
  EXPECT_EQ(call(get).status, 403);
}

TEST_F(KinesisTest, takes_a_charset_behind_the_content_type) {
  auto request = kinesis_request("PutRecords", put_records({canvas_event("a")}));
  request.headers[1].value = "Application/X-Amz-Json-1.1; charset=utf-8";
  sign(request, sim.clock().wall());

  EXPECT_EQ(call(request).status, 200);
}

// ---- describing ---------------------------------------------------------------------------------------------------------------

TEST_F(KinesisTest, describes_its_streams) {
  settings.stream_names = {"live-events", "more"};

  auto const described =
      call(signed_request("DescribeStream", R"({"StreamName":"live-events","Limit":1})")).body;
  auto const summary =
      call(signed_request("DescribeStreamSummary", R"({"StreamName":"more"})")).body;
  auto const streams = call(signed_request("ListStreams", "{}")).body;
  auto const shards = call(signed_request("ListShards", R"({"StreamName":"more"})")).body;

  EXPECT_THAT(
      described,
      AllOf(
          HasSubstr(R"({"StreamDescription":{)"), HasSubstr(R"("StreamStatus":"ACTIVE")"),
          HasSubstr(R"("HasMoreShards":false)"),
          HasSubstr(R"("EndingHashKey":"340282366920938463463374607431768211455")"),
          HasSubstr(R"("StreamARN":"arn:aws:kinesis:eu-west-1:000000000000:stream/live-events")")));
  EXPECT_THAT(summary,
              AllOf(HasSubstr(R"({"StreamDescriptionSummary":{)"),
                    HasSubstr(R"("OpenShardCount":1)"), HasSubstr(R"("StreamName":"more")")));
  EXPECT_THAT(streams, HasSubstr(R"("StreamNames":["live-events","more"])"));
  EXPECT_THAT(shards, HasSubstr(R"({"Shards":[{"HashKeyRange":)"));
}

}  // namespace
}  // namespace millrace::ingest
