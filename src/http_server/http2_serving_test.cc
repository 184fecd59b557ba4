// The answering side of HTTP/2 without a connection: what requests become, and what a client can do to it.
#include "http_server/http2_serving.h"

#include <gmock/gmock.h>

#include "testing/allocations.h"
#include "testing/http2_caller.h"
#include "testing/sim.h"

namespace millrace::http::server {
namespace {

using namespace std::chrono_literals;
using namespace testing::h2;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using testing::Http2Caller;
using ::testing::IsEmpty;

class Http2ServingTest : public ::testing::Test {
 protected:
  Http2ServingTest() { begin(); }
  void begin() {
    serving.reset();
    core.emplace(
        Handler(),
        [this](ServerRequest const&) {
          return BodyShare{.name = "all",
                           .kind = "all",
                           .bytes = limits.bodies_in_memory,
                           .bodies = bodies,
                           .patience = 60s};
        },
        sim.clock(), limits, nullptr);
    serving.emplace(*core, io::Endpoint());
    caller.emplace();
  }
  void say(std::string_view bytes) {
    serving->take(bytes);
    listen();
  }
  void say_hello() { say(Http2Caller::hello() + settings_ack()); }
  void listen() {
    std::string out;
    do {
      out.clear();
      serving->give(out);
      caller->take(out);
    } while (!out.empty());
    EXPECT_FALSE(caller->broken);
  }
  // The next whole request.
  Http2Serving::Ready request() {
    auto ready = serving->next();
    if (!ready) ADD_FAILURE() << "there is no request";
    return ready ? std::move(*ready) : Http2Serving::Ready();
  }
  void answer(Http2Serving::StreamId stream, std::string body = {}, int status = 200) {
    ServerResponse response;
    response.status = status;
    response.body = std::move(body);
    serving->answer(stream, std::move(response));
    serving->leave(stream);
    listen();
  }
  // Time passes, with a sweep each quarter of a second.
  void pass(Duration span) {
    for (Duration passed{}; passed < span; passed += 250ms) {
      sim.advance(250ms);
      serving->sweep();
      listen();
    }
  }
  std::uint32_t last_code() const {
    return caller->goaways.empty() ? 999 : caller->goaways.back().second;
  }

  testing::Sim sim;
  std::size_t held() const { return core->bodies.usage().bytes; }

  ServerLimits limits;
  std::size_t bodies = 1000;  // of the share
  std::optional<ServerCore> core;
  std::optional<Http2Serving> serving;
  std::optional<Http2Caller> caller;
};

// --- What is understood ---

TEST_F(Http2ServingTest, a_request_has_all_that_one_of_HTTP_1_has) {
  say_hello();

  say(Http2Caller::post(1, "/a/b?c=d", "body",
                        {{"x-amz-target", "T"}, {"cookie", "a=b"}, {"cookie", "c=d"}}));

  auto const [stream, got] = request();
  EXPECT_EQ(got.method, "POST");
  EXPECT_EQ(got.target, "/a/b?c=d");
  EXPECT_EQ(got.path, "/a/b");
  EXPECT_EQ(got.query, "c=d");
  EXPECT_EQ(got.header("Host"), "host");
  EXPECT_EQ(got.header("X-Amz-Target"), "T");
  EXPECT_EQ(got.header("cookie"), "a=b; c=d");
  EXPECT_EQ(got.header(":authority"), std::nullopt);
  EXPECT_EQ(got.body, "body");
}

TEST_F(Http2ServingTest, an_answer_has_date_length_and_clean_headers) {
  say_hello();
  say(Http2Caller::get(1));
  auto const [stream, got] = request();
  ServerResponse response;
  response.headers = {
      {"Content-Type", "text/plain"}, {"X", "a\r\nSet-Cookie: b"}, {"no token", "x"}};
  response.body = "hello";

  serving->answer(stream, std::move(response));
  serving->leave(stream);
  listen();

  auto const& answer = caller->answer(1);
  EXPECT_EQ(answer.status, "200");
  EXPECT_THAT(answer.field("date"), HasSubstr(" GMT"));
  EXPECT_EQ(answer.field("content-length"), "5");
  EXPECT_EQ(answer.field("content-type"), "text/plain");
  EXPECT_EQ(answer.field("x"), "a  Set-Cookie: b");
  EXPECT_EQ(answer.field("no token"), "");
  EXPECT_EQ(answer.body, "hello");
  EXPECT_TRUE(answer.whole);
  EXPECT_TRUE(serving->is_idle());
}

TEST_F(Http2ServingTest, answers_to_HEAD_and_204_have_no_body) {
  say_hello();
  say(headers(1, Http2Caller::block("HEAD", "/"), true) + Http2Caller::get(3));
  answer(request().stream, "hello");
  answer(request().stream, "dropped", 204);

  EXPECT_EQ(caller->answer(1).field("content-length"), "5");
  EXPECT_EQ(caller->answer(3).field("content-length"), "");
  for (std::uint32_t const id : {1U, 3U}) {
    EXPECT_THAT(caller->answer(id).body, IsEmpty());
    EXPECT_TRUE(caller->answer(id).whole);
  }
}

TEST_F(Http2ServingTest, each_of_many_streams_gets_its_own_answer_cut_at_every_byte) {
  std::string talk = Http2Caller::hello() + settings_ack();
  for (std::uint32_t id = 1; id < 12; id += 2)
    talk += Http2Caller::post(id, "/" + std::to_string(id), "body of " + std::to_string(id));
  for (std::size_t cut = 0; cut <= talk.size(); ++cut) {
    begin();
    say(std::string_view(talk).substr(0, cut));
    say(std::string_view(talk).substr(cut));

    while (auto ready = serving->next())
      answer(ready->stream, ready->request.path + " " + ready->request.body);

    for (std::uint32_t id = 1; id < 12; id += 2)
      ASSERT_EQ(caller->answer(id).body,
                "/" + std::to_string(id) + " body of " + std::to_string(id))
          << cut;
  }
}

TEST_F(Http2ServingTest, trailers_are_dropped_and_continue_is_said) {
  say_hello();
  say(headers(1, Http2Caller::block("POST", "/", {{"expect", "100-continue"}})));
  EXPECT_THAT(caller->answer(1).interims, ElementsAre("100"));
  say(data(1, "ab") + headers(1, literal("trailer", "x"), true));

  auto const [stream, got] = request();
  EXPECT_EQ(got.body, "ab");
  EXPECT_EQ(got.header("trailer"), std::nullopt);
}

TEST_F(Http2ServingTest, a_body_in_pieces_goes_on_when_the_one_before_is_out) {
  say_hello();
  say(Http2Caller::get(1));
  auto const stream = request().stream;
  ServerResponse response;
  response.body = "one,";
  serving->answer(stream, std::move(response), true);
  EXPECT_EQ(serving->appetite(stream), Http2Serving::Appetite::full);
  listen();
  EXPECT_EQ(serving->appetite(stream), Http2Serving::Appetite::hungry);
  EXPECT_FALSE(caller->answer(1).whole);

  serving->more(stream, "two");
  listen();
  serving->more(stream, "");
  listen();
  serving->leave(stream);

  EXPECT_EQ(caller->answer(1).field("content-length"), "");
  EXPECT_EQ(caller->answer(1).body, "one,two");
  EXPECT_TRUE(caller->answer(1).whole);
  EXPECT_TRUE(serving->is_idle());
}

TEST_F(Http2ServingTest, a_body_that_fails_in_the_middle_is_not_taken_for_whole) {
  say_hello();
  say(Http2Caller::get(1));
  auto const stream = request().stream;
  ServerResponse response;
  response.body = "one,";
  serving->answer(stream, std::move(response), true);
  listen();
  serving->cut(stream);
  serving->leave(stream);
  listen();

  EXPECT_FALSE(caller->answer(1).whole);
  EXPECT_EQ(caller->answer(1).reset, internal_error);
}

// --- What is refused ---

struct Malformed {
  char const* name;
  std::string frames;
};

class Http2MalformedTest : public Http2ServingTest,
                           public ::testing::WithParamInterface<Malformed> {};

TEST_P(Http2MalformedTest, is_reset_and_reaches_no_handler) {
  say_hello();
  say(GetParam().frames);

  EXPECT_FALSE(serving->next());
  EXPECT_EQ(caller->answer(1).reset, protocol_error);
  EXPECT_TRUE(serving->is_idle());
  say(Http2Caller::get(3));  // the connection goes on
  EXPECT_EQ(request().stream, 3);
}

std::string const method = literal(":method", "GET"), scheme = literal(":scheme", "https"),
                  path = literal(":path", "/"), authority = literal(":authority", "host");

INSTANTIATE_TEST_SUITE_P(
    Requests, Http2MalformedTest,
    ::testing::Values(
        Malformed{"no_method", headers(1, scheme + path + authority, true)},
        Malformed{"no_scheme", headers(1, method + path + authority, true)},
        Malformed{"no_path", headers(1, method + scheme + authority, true)},
        Malformed{"no_authority", headers(1, method + scheme + path, true)},
        Malformed{"two_paths", headers(1, method + scheme + path + path + authority, true)},
        Malformed{"unknown_pseudo_header",
                  headers(1, method + scheme + path + authority + literal(":status", "200"), true)},
        Malformed{"pseudo_header_behind_others",
                  headers(1, method + scheme + path + literal("a", "b") + authority, true)},
        Malformed{"empty_path",
                  headers(1, method + scheme + literal(":path", "") + authority, true)},
        Malformed{"path_without_slash",
                  headers(1, method + scheme + literal(":path", "x") + authority, true)},
        Malformed{"upper_case",
                  headers(1, Http2Caller::block("GET", "/", {{"Accept", "x"}}), true)},
        Malformed{"connection",
                  headers(1, Http2Caller::block("GET", "/", {{"connection", "close"}}), true)},
        Malformed{
            "transfer_encoding",
            headers(1, Http2Caller::block("POST", "/", {{"transfer-encoding", "chunked"}}), true)},
        Malformed{"te", headers(1, Http2Caller::block("GET", "/", {{"te", "gzip"}}), true)},
        Malformed{
            "NUL_in_value",
            headers(1, Http2Caller::block("GET", "/", {{"a", std::string("b\0c", 3)}}), true)},
        Malformed{"line_end_in_value",
                  headers(1, Http2Caller::block("GET", "/", {{"a", "b\r\nc: d"}}), true)},
        Malformed{"space_in_name",
                  headers(1, Http2Caller::block("GET", "/", {{"a b", "c"}}), true)},
        Malformed{"shorter_than_its_length",
                  Http2Caller::post(1, "/", "abc", {{"content-length", "4"}})},
        Malformed{"longer_than_its_length",
                  Http2Caller::post(1, "/", "abc", {{"content-length", "2"}})},
        Malformed{
            "two_lengths",
            Http2Caller::post(1, "/", "abc", {{"content-length", "3"}, {"content-length", "3"}})},
        Malformed{"pseudo_header_in_trailers", headers(1, Http2Caller::block("POST", "/")) +
                                                   data(1, "x") +
                                                   headers(1, literal(":path", "/"), true)}),
    [](auto const& one) { return one.param.name; });

std::string const long_target = Http2Caller::block("GET", "/" + std::string(16 * 1024, 'x'));

struct Refused {
  char const* name;
  std::string frames;
  char const* status;
};

class Http2RefusedTest : public Http2ServingTest, public ::testing::WithParamInterface<Refused> {};

TEST_P(Http2RefusedTest, is_answered_and_reaches_no_handler) {
  say_hello();
  say(GetParam().frames);

  EXPECT_FALSE(serving->next());
  EXPECT_EQ(caller->answer(1).status, GetParam().status);
  EXPECT_TRUE(caller->answer(1).whole);
  EXPECT_TRUE(serving->is_idle());
  say(Http2Caller::get(3));
  EXPECT_EQ(request().stream, 3);
}

INSTANTIATE_TEST_SUITE_P(
    Requests, Http2RefusedTest,
    ::testing::Values(
        Refused{"two_hosts", headers(1, Http2Caller::block("GET", "/", {{"host", "other"}}), true),
                "400"},
        Refused{"forbidden_target", headers(1, Http2Caller::block("GET", "/a#b"), true), "400"},
        Refused{"connect", headers(1, literal(":method", "CONNECT") + authority, true), "501"},
        Refused{"long_target",
                frame(Type::headers, end_stream, 1, long_target.substr(0, 10'000)) +
                    frame(Type::continuation, end_headers, 1, long_target.substr(10'000)),
                "414"},
        Refused{"expectation",
                headers(1, Http2Caller::block("POST", "/", {{"expect", "miracles"}})), "417"},
        Refused{"length_beyond_the_limit",
                headers(1, Http2Caller::block("POST", "/", {{"content-length", "15000000"}})),
                "413"},
        Refused{
            "many_headers",
            headers(1, Http2Caller::block("GET", "/", Http2Caller::Fields(201, {"a", "b"})), true),
            "431"},
        Refused{
            "large_headers",
            frame(Type::headers, end_stream, 1,
                  Http2Caller::block("GET", "/") + literal("a", std::string(16'000, 'x'))) +
                frame(Type::continuation, 0, 1, literal("b", std::string(16'000, 'x'))) +
                frame(Type::continuation, 0, 1, literal("c", std::string(16'000, 'x'))) +
                frame(Type::continuation, 0, 1, literal("d", std::string(16'000, 'x'))) +
                frame(Type::continuation, end_headers, 1, literal("e", std::string(16'000, 'x'))),
            "431"}),
    [](auto const& one) { return one.param.name; });

TEST_F(Http2ServingTest, a_body_without_length_beyond_the_limit_is_refused) {
  limits.body_bytes = 10;
  begin();
  say_hello();
  say(Http2Caller::post(1, "/", "twelve bytes"));

  EXPECT_FALSE(serving->next());
  EXPECT_EQ(caller->answer(1).status, "413");
  EXPECT_EQ(held(), 0U);
}

TEST_F(Http2ServingTest, a_client_that_sends_on_behind_a_refusal_is_told_to_stop) {
  say_hello();
  say(headers(1, Http2Caller::block("POST", "/", {{"expect", "miracles"}})));

  EXPECT_EQ(caller->answer(1).status, "417");
  EXPECT_EQ(caller->answer(1).reset, no_error);
}

// --- Memory ---

TEST_F(Http2ServingTest, bodies_are_held_as_they_come_and_given_back_at_the_end) {
  say_hello();
  say(Http2Caller::post(1, "/", std::string(1000, 'x')));
  EXPECT_GE(held(), 1000U);
  auto const ready = request();
  EXPECT_GE(held(), 1000U);
  answer(ready.stream);

  EXPECT_EQ(held(), 0U);
}

TEST_F(Http2ServingTest, a_body_is_given_back_though_its_answer_is_not_read) {
  say(Http2Caller::hello({{initial_window_size, 0}}) + settings_ack());
  say(Http2Caller::post(1, "/", std::string(1000, 'x')));
  answer(request().stream, "y");

  EXPECT_EQ(serving->unsent(), 1U);
  EXPECT_EQ(held(), 0U);
}

// All memory is another's.
class Http2CrowdedTest : public Http2ServingTest {
 protected:
  Http2CrowdedTest() {
    limits.bodies_in_memory = 10'000'000;
    begin();
    others.emplace(core->bodies,
                   BodyShare{.name = "others", .kind = "others", .bytes = 10'000'000, .bodies = 1});
    check(others->grow(10'000'000) == BodyMemory::Grant::given, "there is so much");
    say_hello();
  }
  ~Http2CrowdedTest() override { others.reset(); }
  std::optional<BodyMemory::Hold> others;
};

TEST_F(Http2CrowdedTest, windows_open_only_when_there_is_room) {
  say(headers(1, Http2Caller::block("POST", "/", {{"content-length", "1000000"}})));
  for (int i = 0; i < 4; ++i) say(data(1, std::string(16'000, 'x')));
  EXPECT_EQ(caller->credits[0], 0U);
  EXPECT_EQ(caller->credits[1], 0U);
  pass(20s);  // is not late meanwhile
  EXPECT_EQ(caller->answer(1).status, "");

  others.reset();
  pass(250ms);
  EXPECT_GE(caller->credits[0], 64'000U);
  EXPECT_GE(caller->credits[1], 64'000U);
  pass(11s);  // but now it is
  EXPECT_EQ(caller->answer(1).status, "408");
}

TEST_F(Http2CrowdedTest, a_body_waits_for_room_as_long_as_its_share_says) {
  say(headers(1, Http2Caller::block("POST", "/", {{"content-length", "1000000"}})) + data(1, "x"));
  pass(59s);
  EXPECT_EQ(caller->answer(1).status, "");
  pass(2s);

  EXPECT_EQ(caller->answer(1).status, "503");
  EXPECT_EQ(core->refusals.counts().requests.at("memory"), 1U);
  EXPECT_TRUE(serving->is_idle());
}

TEST_F(Http2CrowdedTest, unread_bodies_of_all_streams_are_64_KiB) {
  for (std::uint32_t id = 1; id < 200; id += 2)
    say(headers(id, Http2Caller::block("POST", "/")) + data(id, std::string(650, 'x')));
  EXPECT_FALSE(serving->is_over());

  say(data(1, std::string(1000, 'x')));  // beyond the connection's window

  EXPECT_TRUE(serving->is_over());
  EXPECT_EQ(last_code(), flow_control_error);
}

TEST_F(Http2ServingTest, a_share_has_no_more_bodies_than_it_says_over_all_streams) {
  bodies = 2;
  begin();
  say_hello();
  for (std::uint32_t id = 1; id < 14; id += 2) say(headers(id, Http2Caller::block("POST", "/")));

  EXPECT_EQ(core->bodies.usage().bodies, 2U);
  EXPECT_EQ(caller->answer(13).status, "503");  // more than the share's wait already
}

TEST_F(Http2ServingTest, a_large_body_comes_through_windows_that_stay_open) {
  say_hello();
  std::string body;
  for (int i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i) + ",";
  std::uint64_t sent = 0, widest = 0;
  say(headers(1,
              Http2Caller::block("POST", "/", {{"content-length", std::to_string(body.size())}})));
  while (sent < body.size()) {
    auto const piece = std::string_view(body).substr(sent, 16'000);
    sent += piece.size();
    for (std::uint32_t const id : {0U, 1U}) ASSERT_LE(sent, 65'535 + caller->credits[id]);
    say(data(1, piece, sent == body.size()));
    widest = std::max(widest, 65'535 + std::min(caller->credits[0], caller->credits[1]) - sent);
  }

  EXPECT_GT(widest, 200'000U) << "what is on its way over a long line";
  EXPECT_EQ(request().request.body, body);
}

TEST_F(Http2ServingTest, handlers_wait_while_much_of_earlier_answers_is_unsent) {
  say(Http2Caller::hello({{initial_window_size, 0}}) + settings_ack());
  for (std::uint32_t id = 1; id < 20; id += 2) say(Http2Caller::get(id));
  int begun = 0;
  while (auto ready = serving->next()) {
    ++begun;
    answer(ready->stream, std::string(600'000, 'x'));
  }

  EXPECT_EQ(begun, 2);
  EXPECT_EQ(serving->unsent(), 1'200'000U);

  say(window_update(0, 10'000'000) + window_update(1, 1'000'000));
  EXPECT_TRUE(caller->answer(1).whole);
  EXPECT_TRUE(serving->next());
}

TEST_F(Http2ServingTest, a_stream_that_was_reset_keeps_its_place_while_its_handler_works) {
  say_hello();
  std::vector<Http2Serving::StreamId> working;
  for (std::uint32_t id = 1; working.size() < 128; id += 2) {
    say(Http2Caller::get(id) + rst_stream(id, cancel));
    pass(250ms);  // slowly, so that it is no flood
    say(Http2Caller::get(id += 2));
    working.push_back(request().stream);
    say(rst_stream(id, cancel));
  }
  EXPECT_EQ(serving->streams(), 128U);

  say(Http2Caller::get(1001));
  EXPECT_EQ(caller->answer(1001).reset, refused_stream);

  serving->leave(working.front());
  say(Http2Caller::get(1003));
  EXPECT_EQ(request().stream, 1003);
}

TEST_F(Http2ServingTest, the_129th_stream_is_refused_and_ends_a_connection_that_knew) {
  say(Http2Caller::hello());
  EXPECT_EQ(caller->settings[max_concurrent_streams], 128U);
  for (std::uint32_t id = 1; id < 2 * 129; id += 2)
    say(headers(id, Http2Caller::block("POST", "/")));

  EXPECT_EQ(serving->streams(), 128U);
  EXPECT_EQ(caller->answer(257).reset, refused_stream);
  EXPECT_FALSE(serving->is_over());

  say(settings_ack() + Http2Caller::get(301));
  EXPECT_TRUE(serving->is_over());
}

// --- Time ---

TEST_F(Http2ServingTest, a_body_that_stands_still_is_answered_408) {
  say_hello();
  say(headers(1, Http2Caller::block("POST", "/")) + data(1, "x"));
  pass(4s);
  EXPECT_EQ(caller->answer(1).status, "");
  pass(7s);

  EXPECT_EQ(caller->answer(1).status, "408");
  EXPECT_TRUE(serving->is_idle());
  EXPECT_EQ(held(), 0U);
}

TEST_F(Http2ServingTest, a_header_block_that_does_not_end_ends_the_connection) {
  say_hello();
  say(frame(Type::headers, end_stream, 1, Http2Caller::block("GET", "/")));
  pass(14s);
  EXPECT_FALSE(serving->is_over());
  pass(1s);

  EXPECT_TRUE(serving->is_over());
  EXPECT_EQ(last_code(), enhance_your_calm);
}

TEST_F(Http2ServingTest, a_client_that_says_only_its_preface_is_ended) {
  say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  pass(15s);

  EXPECT_TRUE(serving->is_over());
}

TEST_F(Http2ServingTest, an_idle_connection_says_goodbye) {
  say_hello();
  say(Http2Caller::get(1));
  answer(request().stream);
  pass(74s);
  EXPECT_FALSE(serving->is_over());
  pass(1s);

  EXPECT_TRUE(serving->is_over());
  EXPECT_THAT(caller->goaways, ElementsAre(std::pair(1U, no_error)));
}

TEST_F(Http2ServingTest, a_window_that_never_opens_holds_one_answer_and_ends_the_connection) {
  say(Http2Caller::hello({{initial_window_size, 0}}) + settings_ack());
  say(Http2Caller::get(1));
  answer(request().stream, std::string(100'000, 'x'));
  EXPECT_EQ(caller->answer(1).status, "200");
  pass(59s);
  EXPECT_FALSE(serving->is_over());
  pass(1s);

  EXPECT_TRUE(serving->is_over());
}

TEST_F(Http2ServingTest, a_stream_that_is_not_read_is_reset_alone) {
  say(Http2Caller::hello({{initial_window_size, 0}}) + settings_ack());
  say(Http2Caller::get(1) + Http2Caller::get(3));
  answer(request().stream, "first");
  answer(request().stream, std::string(600'000, 'x'));
  for (int i = 0; i < 70; ++i) {
    pass(1s);
    say(window_update(3, 20) + window_update(0, 20));
  }

  EXPECT_EQ(caller->answer(1).reset, cancel);
  EXPECT_FALSE(serving->is_over());
}

TEST_F(Http2ServingTest, a_reader_of_a_few_bytes_a_second_is_not_waited_for) {
  say(Http2Caller::hello({{initial_window_size, 0}}) + settings_ack());
  say(Http2Caller::get(1));
  answer(request().stream, std::string(600'000, 'x'));
  for (int i = 0; i < 70; ++i) {
    pass(1s);
    say(window_update(1, 20));
  }

  EXPECT_EQ(caller->answer(1).reset, cancel);
  EXPECT_EQ(serving->unsent(), 0U);
}

// --- Floods ---

struct Flood {
  char const* name;
  std::string frames;  // said again and again; STREAM is a fresh stream each time
  std::function<std::string(std::uint32_t)> fresh = {};
};

class Http2FloodTest : public Http2ServingTest, public ::testing::WithParamInterface<Flood> {};

TEST_P(Http2FloodTest, ends_the_connection_within_bounds_of_memory) {
  say_hello();
  say(headers(1, Http2Caller::block("POST", "/")));
  auto const held = testing::bytes_allocated();
  testing::forget_most_bytes();
  std::uint32_t id = 3;
  std::size_t rounds = 0;
  for (; rounds < 20'000 && !serving->is_over(); ++rounds, id += 2)
    say(GetParam().fresh ? GetParam().fresh(id) : GetParam().frames);

  EXPECT_TRUE(serving->is_over());
  EXPECT_LE(rounds, 1500U);
  EXPECT_EQ(last_code(), enhance_your_calm) << serving->objection();
  EXPECT_LE(testing::most_bytes_allocated() - held, 1U << 20);
}

INSTANTIATE_TEST_SUITE_P(
    Frames, Http2FloodTest,
    ::testing::Values(
        Flood{"rapid_reset", "",
              [](std::uint32_t id) { return Http2Caller::get(id) + rst_stream(id, cancel); }},
        Flood{"resets_that_we_must_send", "",
              [](std::uint32_t id) { return headers(id, literal(":method", "GET"), true); }},
        Flood{"pings", ping()}, Flood{"settings", settings({{max_frame_size, 20'000}})},
        Flood{"empty_data", data(1, "")}, Flood{"window_updates", window_update(0, 1)},
        Flood{"priorities", frame(Type::priority, 0, 1, std::string("\0\0\0\0\x10", 5))}),
    [](auto const& one) { return one.param.name; });

TEST_F(Http2ServingTest, frames_that_are_for_nobody_end_the_connection_in_time) {
  for (auto const& junk :
       {frame(static_cast<Type>(0xee), 0, 0, std::string(1000, 'x')), data(1, "")}) {
    begin();
    say_hello();
    say(headers(1, Http2Caller::block("POST", "/")) + rst_stream(1, cancel));
    std::size_t said = 0;
    for (; said < 4'000'000 && !serving->is_over(); said += junk.size()) say(junk);

    EXPECT_LE(said, (1U << 20) + 2000);
    EXPECT_EQ(last_code(), enhance_your_calm);
  }
}

TEST_F(Http2ServingTest, a_window_that_is_opened_by_nothing_ends_its_stream_or_the_connection) {
  say_hello();
  say(headers(1, Http2Caller::block("POST", "/")) + window_update(1, 0));

  EXPECT_TRUE(serving->is_over() || caller->answer(1).reset == protocol_error);
}

TEST_F(Http2ServingTest, continuations_without_end_end_the_connection) {
  say_hello();
  say(frame(Type::headers, end_stream, 1, Http2Caller::block("GET", "/")));
  int rounds = 0;
  while (!serving->is_over() && rounds < 1000) {
    say(frame(Type::continuation, 0, 1, ""));
    ++rounds;
  }

  EXPECT_LE(rounds, 10);
  EXPECT_FALSE(serving->next());
}

TEST_F(Http2ServingTest, a_bomb_of_headers_ends_the_connection_and_takes_no_memory) {
  say_hello();
  auto const held = testing::bytes_allocated();
  testing::forget_most_bytes();
  std::string block = Http2Caller::block("GET", "/") + stored("a", std::string(4000, 'x'));
  block.append(16'000 - block.size(), static_cast<char>(0x80 | 62));
  say(frame(Type::headers, end_stream | end_headers, 1, block));

  EXPECT_TRUE(serving->is_over());
  EXPECT_EQ(last_code(), enhance_your_calm);
  EXPECT_LE(testing::most_bytes_allocated() - held, 512U * 1024);
}

TEST_F(Http2ServingTest, a_busy_client_that_keeps_to_the_rules_is_no_flood) {
  say_hello();
  for (std::uint32_t id = 1; id < 20'000; id += 2) {
    say(Http2Caller::post(id, "/", "x") + window_update(0, 40'000) + ping());
    answer(request().stream, std::string(40'000, 'x'));
    say(window_update(id, 40'000));
  }

  EXPECT_FALSE(serving->is_over()) << serving->objection();
}

TEST_F(Http2ServingTest, a_client_of_many_small_requests_is_no_flood) {
  say_hello();
  for (std::uint32_t id = 1; id < 10'000; id += 2) {
    say(Http2Caller::post(id, "/", "x") + window_update(0, 2) + ping());
    answer(request().stream, "ok");
  }

  EXPECT_FALSE(serving->is_over()) << serving->objection();
}

TEST_F(Http2ServingTest, a_client_that_opens_its_windows_for_every_4_KiB_is_no_flood) {
  say_hello();
  say(Http2Caller::get(1));
  answer(request().stream, std::string(8'000'000, 'x'));
  for (std::size_t read = 0; read < 8'000'000; read += 4096)
    say(window_update(0, 4096) + window_update(1, 4096));

  EXPECT_FALSE(serving->is_over()) << serving->objection();
  EXPECT_TRUE(caller->answer(1).whole);
}

TEST_F(Http2ServingTest, junk_ends_the_connection) {
  say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(serving->is_over());

  begin();
  say(Http2Caller::hello() + frame(Type::headers, end_headers, 0, ""));
  EXPECT_TRUE(serving->is_over());
}

// --- The end ---

TEST_F(Http2ServingTest, draining_lets_what_is_under_way_be_answered_and_takes_no_more) {
  say_hello();
  say(Http2Caller::get(1));
  auto const first = request().stream;
  serving->drain();
  listen();
  say(Http2Caller::get(3));  // was on its way
  pass(250ms);
  say(Http2Caller::get(5));

  auto const second = request().stream;
  EXPECT_EQ(second, 3);
  EXPECT_FALSE(serving->next());
  EXPECT_FALSE(serving->is_over());
  answer(first, "a");
  answer(second, "b");
  EXPECT_EQ(caller->answer(3).body, "b");
  EXPECT_THAT(caller->goaways,
              ElementsAre(std::pair(0x7fffffffU, no_error), std::pair(3U, no_error)));
  EXPECT_TRUE(serving->is_over());
}

TEST_F(Http2ServingTest, an_idle_connection_drains_at_once) {
  say_hello();
  serving->drain();
  listen();

  EXPECT_TRUE(serving->is_over());
  EXPECT_EQ(last_code(), no_error);
}

TEST_F(Http2ServingTest, an_answer_that_closes_drains_the_connection) {
  say_hello();
  say(Http2Caller::get(1));
  auto const stream = request().stream;
  ServerResponse response;
  response.close = true;
  serving->answer(stream, std::move(response));
  serving->leave(stream);
  listen();
  pass(250ms);

  EXPECT_TRUE(caller->answer(1).whole);
  EXPECT_TRUE(serving->is_over());
}

TEST_F(Http2ServingTest, a_connection_that_goes_gives_its_memory_back) {
  say_hello();
  say(headers(1, Http2Caller::block("POST", "/")) + data(1, "x") + Http2Caller::post(3, "/", "y"));
  request();
  EXPECT_GT(held(), 0U);

  serving.reset();

  EXPECT_EQ(held(), 0U);
}

}  // namespace
}  // namespace millrace::http::server
