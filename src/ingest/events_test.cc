#include "ingest/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/fixture.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace std::chrono_literals;
using namespace fixture;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class EventsTest : public ::testing::Test {
 protected:
  EventsTest() { credentials.add_token("secret", model::Role::producer, {"acc-1"}); }

  http::ServerResponse call(http::ServerRequest request) {
    return sim.run(ingest->events(std::move(request)));
  }
  http::ServerResponse post(std::string body, std::string_view type = "application/json") {
    return call(events_request(std::move(body), "secret", type));
  }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeCredentials credentials;
  std::unique_ptr<Ingest> ingest = Ingest::make({store, credentials, sim.clock(), sim.log()}, {});
};

std::string event(std::string_view name, std::string_view account = "acc-1") {
  return fmt::format(
      R"({{"metadata":{{"event_name":"{}","root_account_uuid":"{}"}},"body":{{ "n":1}}}})", name,
      account);
}

TEST_F(EventsTest, stores_one_event_of_any_layout) {
  auto const answer = post(
      "\n{\n  \"metadata\": {\"event_name\":\"a\",\"root_account_uuid\":\"acc-1\"},\n  \"body\": "
      "{\n\"x\":1}\n}\n");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"accepted":1,"rejected":[]})");
  EXPECT_THAT(store.payloads(), ElementsAre("{\"metadata\":{\"event_name\":\"a\",\"root_account_"
                                            "uuid\":\"acc-1\"},\"body\":{\n\"x\":1}}"));
}

TEST_F(EventsTest, stores_arrays_and_lines) {
  EXPECT_EQ(post("[" + event("a") + " , " + canvas_event("b") + "]").body,
            R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post(event("c") + "\n\n" + event("d") + "\r\n", "application/x-ndjson").body,
            R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post(event("e") + "\n" + event("f")).body, R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post("[]").body, R"({"accepted":0,"rejected":[]})");

  EXPECT_THAT(store.payloads(),
              ElementsAre(HasSubstr(R"("a")"), HasSubstr(R"("b")"), HasSubstr(R"("c")"),
                          HasSubstr(R"("d")"), HasSubstr(R"("e")"), HasSubstr(R"("f")")));
  EXPECT_EQ(store.payloads()[0], event("a"));
}

TEST_F(EventsTest, tells_each_refused_event_by_its_index_and_reason) {
  auto const answer = post(event("a") + "\n{\"broken\n" + event("b", "acc-2") + "\n" +
                               R"({"metadata":{"event_name":"x"},"body":{}})" + "\n" + event("c"),
                           "application/x-ndjson");

  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(
      answer.body,
      AllOf(HasSubstr(R"({"accepted":2,"rejected":[{"index":1,"error":")"),
            HasSubstr(R"({"index":2,"error":"event: account not allowed for this token: acc-2"})"),
            HasSubstr(R"({"index":3,"error":"event: names no account)")));
  EXPECT_THAT(store.payloads(), SizeIs(2));
  EXPECT_THAT(store.letters(), SizeIs(0));
  EXPECT_EQ(ingest->rejected().invalid.value(), 1U);
  EXPECT_EQ(ingest->rejected().denied.value(), 1U);
  EXPECT_EQ(ingest->rejected().no_account.value(), 1U);
}

TEST_F(EventsTest, refuses_keys_that_are_not_the_producers_to_set) {
  auto const answer = post(
      R"([{"metadata":{"event_name":"a","root_account_uuid":"acc-1"},"body":{},"iss":"me"},)"
      R"({"metadata":{"event_name":"a","root_account_uuid":"acc-2","root_account_uuid":"acc-1"},"body":{}}])");

  EXPECT_EQ(answer.status, 422);
  EXPECT_THAT(answer.body, AllOf(HasSubstr(R"("accepted":0)"), HasSubstr(R"("index":0)"),
                                 HasSubstr(R"("index":1)")));
  EXPECT_EQ(store.appends(), 0U);
}

TEST_F(EventsTest, keeps_long_reasons_short) {
  auto const answer = post(R"({")" + std::string(100'000, 'k') + R"(":1})");

  EXPECT_THAT(answer.body, HasSubstr(R"("accepted":0)"));
  EXPECT_LT(answer.body.size(), 1000U);
}

TEST_F(EventsTest, refuses_an_event_over_its_limit) {
  auto const answer =
      post(R"({"metadata":{"event_name":"a","root_account_uuid":"acc-1"},"body":{"x":")" +
           std::string(1024 * 1024, 'x') + R"("}})");

  EXPECT_THAT(answer.body, HasSubstr("more than the 1048576"));
  EXPECT_EQ(ingest->rejected().too_large.value(), 1U);
}

TEST_F(EventsTest, refuses_a_body_that_cannot_be_taken_apart_as_a_whole) {
  EXPECT_EQ(post("[" + event("a") + ",]").status, 400);
  EXPECT_EQ(post("[" + event("a")).status, 400);
  EXPECT_EQ(post("[" + event("a") + "]x").status, 400);
  EXPECT_EQ(post("").status, 400);
  EXPECT_EQ(post("7").status, 400);
  auto const answer = post("nonsense");
  EXPECT_EQ(*http::find_header(answer.headers, "content-type"), "application/problem+json");
  EXPECT_EQ(
      answer.body,
      R"({"type":"about:blank","title":"Bad Request","status":400,"detail":"The body is neither an event, nor an array of them, nor one on each line, nor one after another."})");
  EXPECT_EQ(store.appends(), 0U);
}

TEST_F(EventsTest, takes_ten_thousand_events_and_no_more) {
  std::string lines;
  for (int i = 0; i < 10'000; ++i) lines += event("a") + "\n";

  EXPECT_EQ(post(lines, "application/x-ndjson").body, R"({"accepted":10000,"rejected":[]})");
  EXPECT_EQ(post(lines + "x", "application/x-ndjson").status, 413);
  EXPECT_EQ(post(std::string(14 * 1024 * 1024 + 1, ' ')).status, 413);
  EXPECT_THAT(store.payloads(), SizeIs(10'000));
}

TEST_F(EventsTest, needs_a_producers_token) {
  credentials.add_token("view", model::Role::viewer, {"*"});
  credentials.add_token("own", model::Role::owner, {"*"});
  auto bare = events_request(event("a"));
  bare.headers.erase(bare.headers.begin());
  auto basic = events_request(event("a"));
  basic.headers[0].value = "Basic c2VjcmV0";

  EXPECT_EQ(call(bare).status, 401);
  EXPECT_EQ(*http::find_header(call(bare).headers, "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(call(basic).status, 401);
  EXPECT_EQ(call(events_request(event("a"), "wrong")).status, 401);
  EXPECT_EQ(call(events_request(event("a"), "view")).status, 403);
  EXPECT_EQ(call(events_request(event("a"), "own")).status, 200);
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

TEST_F(EventsTest, needs_a_media_type_that_it_reads) {
  auto packed = events_request(event("a"));
  packed.headers.push_back({"Content-Encoding", "br"});
  auto get = events_request("");
  get.method = "GET";

  EXPECT_EQ(post(event("a"), "text/xml").status, 415);
  EXPECT_EQ(post(event("a"), "application/json; charset=latin1").status, 415);
  EXPECT_EQ(post(event("a"), "application/json; charset=UTF-8").status, 200);
  EXPECT_EQ(post(event("a"), "application/json; charset=utf8").status, 200);
  EXPECT_EQ(post(event("a"), "application/json;charset=\"UTF8\"; x=y").status, 200);
  EXPECT_THAT(post(event("a"), "application/x-www-form-urlencoded").body,
              HasSubstr("'application/x-www-form-urlencoded': send application/json"));
  EXPECT_EQ(call(packed).status, 415);
  EXPECT_EQ(call(get).status, 405);
}

TEST_F(EventsTest, says_422_where_there_were_events_and_none_was_taken) {
  auto const none = post(event("a", "acc-2") + "\n{}", "application/x-ndjson");

  EXPECT_EQ(none.status, 422);
  EXPECT_EQ(*http::find_header(none.headers, "content-type"), "application/problem+json");
  EXPECT_THAT(none.body, HasSubstr(R"({"type":"urn:millrace:problem:none-accepted",)"));
  EXPECT_THAT(
      none.body,
      HasSubstr(
          R"("detail":"None of the 2 events was accepted; `rejected` says why.","accepted":0,"rejected":[{"index":0,"error":")"));
  EXPECT_EQ(ingest->rejected().denied.value(), 1U);
  EXPECT_EQ(post("[]").status, 200) << "there was none to take";
  EXPECT_EQ(post("\n\n", "application/x-ndjson").status, 200);
  EXPECT_EQ(post(event("a") + "{}").status, 200) << "one of two";
}

// ---- what common tools write --------------------------------------------------------------------------------------------------

std::string const bom = "\xEF\xBB\xBF";

TEST_F(EventsTest, passes_over_a_byte_order_mark) {
  EXPECT_EQ(post(bom + event("a") + "\n" + event("b"), "application/x-ndjson").body,
            R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post(bom + event("c")).body, R"({"accepted":1,"rejected":[]})");
  EXPECT_EQ(post(bom + "[" + event("d") + "]").body, R"({"accepted":1,"rejected":[]})");
  EXPECT_EQ(post(event("e") + "\n" + bom + event("f"), "application/x-ndjson").body,
            R"({"accepted":2,"rejected":[]})")
      << "two files with marks, joined";
  EXPECT_EQ(store.payloads()[0], event("a"));
  EXPECT_THAT(post(std::string("\xFF\xFE{\0", 4)).body, HasSubstr("UTF-16"));
}

TEST_F(EventsTest, takes_objects_one_after_another) {
  EXPECT_EQ(post(event("a") + event("b")).body, R"({"accepted":2,"rejected":[]})");
  EXPECT_EQ(post(event("c") + event("d") + "\n" + event("e"), "application/x-ndjson").body,
            R"({"accepted":3,"rejected":[]})");
  EXPECT_EQ(post("{\n\"metadata\":{\"event_name\":\"f\",\"root_account_uuid\":\"acc-1\"},\n"
                 "\"body\":{\n}}\n" +
                 event("g"))
                .body,
            R"({"accepted":2,"rejected":[]})");
  EXPECT_THAT(store.payloads(), SizeIs(7));
  EXPECT_THAT(post(event("h") + "," + event("i")).body,
              HasSubstr("objects with commas between them need brackets"));
  EXPECT_THAT(post(event("h") + event("i") + "{\"cut").body,
              HasSubstr(R"({"accepted":2,"rejected":[{"index":2,"error":"event: has no end"}]})"));
}

TEST_F(EventsTest, takes_a_json_text_sequence) {
  auto const sequence = "\x1e" + event("a") + "\n\x1e{\"cut\n\x1e" + event("b") + "\n";

  auto const named = post(sequence, "application/json-seq");
  auto const unnamed = post(sequence);

  EXPECT_THAT(named.body, HasSubstr(R"({"accepted":2,"rejected":[{"index":1,)"));
  EXPECT_EQ(unnamed.body, named.body);
}

TEST_F(EventsTest, takes_an_array_that_is_called_lines) {
  EXPECT_EQ(post("[" + event("a") + "]", "application/x-ndjson").body,
            R"({"accepted":1,"rejected":[]})");
}

TEST_F(EventsTest, takes_objects_that_are_together_larger_than_one_may_be) {
  std::string const long_body(600'000, 'x');
  std::string const large =
      R"({"metadata":{"event_name":"a","root_account_uuid":"acc-1"},"body":{"x":")" + long_body +
      R"("}})";

  EXPECT_EQ(post(large + large).body, R"({"accepted":2,"rejected":[]})");
}

// ---- bounds -------------------------------------------------------------------------------------------------------------------

TEST_F(EventsTest, refuses_arrays_at_the_element_that_is_one_too_many) {
  std::string ones = "[";
  while (ones.size() < 13'600'000) ones += "1,";
  ones += "nonsense";  // which nobody reads

  auto const answer = post(ones);

  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(post(std::string(3'000'000, '[')).status, 400);
}

TEST_F(EventsTest, refuses_an_array_for_one_element_that_is_no_json_and_stores_none) {
  auto const answer = post("[" + event("a") + ",{\"metadata\":{},\"body\":[}]");

  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(post("[" + event("a") + ",nul]").body, HasSubstr("its element 1 (from 0)"));
  EXPECT_EQ(store.appends(), 0U);
}

TEST_F(EventsTest, lets_the_others_of_its_loop_have_turns_while_it_reads) {
  std::string lines;
  for (int i = 0; i < 10'000; ++i) lines += event("a") + "\n";
  auto const large = sim.start(ingest->events(events_request(lines, "secret")));
  auto const small = sim.start(ingest->events(events_request(event("b"), "secret")));
  sim.settle();
  ASSERT_TRUE(large.done() && small.done());

  EXPECT_THAT(store.payloads(), SizeIs(10'001));
  EXPECT_THAT(store.payloads().front(), HasSubstr(R"("b")"))
      << "which came later and is ready first";
}

// ---- repeats and trouble ------------------------------------------------------------------------------------------------------

http::ServerRequest keyed(std::string body, std::string key, std::string_view token = "secret") {
  auto request = events_request(std::move(body), token);
  request.headers.push_back({"Idempotency-Key", std::move(key)});
  return request;
}

TEST_F(EventsTest, stores_a_repeat_once_and_answers_it_alike) {
  credentials.add_token("other", model::Role::producer, {"*"});
  auto const body = event("a") + "\n" + event("b", "acc-2");

  auto const first = call(keyed(body, "k"));
  auto const repeat = call(keyed(body, "k"));
  auto const other_body = call(keyed(event("c"), "k"));
  auto const other_token = call(keyed(body, "k", "other"));

  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(repeat.body, first.body);
  EXPECT_EQ(other_body.status, 422);
  EXPECT_THAT(other_body.body, HasSubstr(R"("status":422)"));
  EXPECT_THAT(other_body.body,
              HasSubstr(R"({"type":"urn:millrace:problem:idempotency-key-reused",)"));
  EXPECT_EQ(other_token.body, R"({"accepted":2,"rejected":[]})");
  EXPECT_THAT(store.payloads(), SizeIs(3));
  EXPECT_EQ(ingest->rejected().denied.value(), 1U);
}

TEST_F(EventsTest, forgets_a_key_after_a_day) {
  call(keyed(event("a"), "k"));
  sim.advance(24h);
  call(keyed(event("a"), "k"));

  EXPECT_THAT(store.payloads(), SizeIs(2));
}

TEST_F(EventsTest, refuses_keys_that_are_too_long_or_empty) {
  EXPECT_EQ(call(keyed(event("a"), std::string(255, 'k'))).status, 200);
  EXPECT_EQ(call(keyed(event("a"), std::string(256, 'k'))).status, 400);
  EXPECT_EQ(call(keyed(event("a"), "")).status, 400);
}

TEST_F(EventsTest, makes_an_answer_again_that_was_too_long_to_keep) {
  std::string body = event("good");
  for (int i = 0; i < 2000; ++i) body += "\n{\"a\":" + std::to_string(i) + "}";

  auto const first = call(keyed(body, "k"));
  auto const repeat = call(keyed(body, "k"));

  EXPECT_GT(first.body.size(), 64U * 1024);
  EXPECT_EQ(repeat.body, first.body);
  EXPECT_THAT(store.payloads(), SizeIs(1));
}

TEST_F(EventsTest, holds_for_a_moment_when_the_store_is_busy_then_says_when_to_come_again) {
  store.busy_appends(3);
  auto const short_trouble = sim.start(ingest->events(events_request(event("a"))));
  sim.advance(1s);
  ASSERT_TRUE(short_trouble.done());
  EXPECT_EQ(short_trouble.value().status, 200);

  store.busy_appends(1000);
  auto const long_trouble = sim.start(ingest->events(keyed(event("b") + "\n" + event("c"), "k")));
  sim.advance(2s);
  ASSERT_TRUE(long_trouble.done());
  EXPECT_EQ(long_trouble.value().status, 503);
  EXPECT_EQ(*http::find_header(long_trouble.value().headers, "Retry-After"), "2");
  EXPECT_EQ(ingest->rejected().busy.value(), 2U);

  store.busy_appends(0);
  EXPECT_EQ(call(keyed(event("b") + "\n" + event("c"), "k")).body,
            R"({"accepted":2,"rejected":[]})");
  EXPECT_THAT(store.payloads(), SizeIs(3));
}

TEST_F(EventsTest, tells_of_a_broken_store) {
  store.fail_appends(1, {Fault::io, "disk: gone"});

  EXPECT_EQ(post(event("a")).status, 500);
}

}  // namespace
}  // namespace millrace::ingest
