#include "transports/https.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/certificates.h"
#include "testing/sim.h"
#include "transports/harmless.h"
#include "transports/retry_after.h"
#include "transports/tls_clients.h"

namespace millrace::transports {
namespace {

using namespace std::chrono_literals;
using delivery::Entry;
using delivery::Outcome;
using http::client::Trouble;
using model::FailureClass;
using ::testing::HasSubstr;
using ::testing::Not;

// Keeps what is asked, and answers what it is told to.
class FakeClient final : public http::client::Client {
 public:
  explicit FakeClient(io::Clock& clock) : clock_(clock) {}
  io::Task<http::client::Answer> ask(http::client::Ask ask) override {
    origin = ask.url->origin();
    target = ask.url->target;
    method = ask.method;
    same_head = ask.head;
    head = std::string(ask.head) + std::string(ask.fresh);
    tls = ask.tls;
    body = ask.body;
    deadline = ask.deadline;
    co_await clock_.sleep_for(takes);
    co_return answer;
  }
  std::size_t open_connections() const override { return 0; }

  http::client::Answer answer;
  Duration takes = 250ms;
  std::string origin, target, method, head, same_head, body;
  std::shared_ptr<http::TlsClient const> tls;
  Duration deadline{};

 private:
  io::Clock& clock_;
};

class HttpsTest : public ::testing::Test {
 protected:
  HttpsTest() {
    stream.id = *StreamId::parse("0192f0c1-0000-7000-8000-000000000001");
    stream.delivery.url = "https://ally.example.edu/events?a=b";
    client.answer.status = 200;
    auto rendered = std::make_shared<delivery::Rendered>();
    rendered->body = R"({"metadata":{},"body":{}})";
    rendered->content_type = "application/json";
    entry.event = *EventId::parse("0192f0c1-1111-7000-8000-000000000002");
    entry.event_type = "grade_change";
    entry.rendered = rendered;
  }

  Outcome send() {
    auto const transport = make_transports(client, sim.clock())->make(stream);
    auto const started = sim.start(transport->send({entry}));
    sim.advance(1min);
    check(started.value().size() == 1, "one outcome for one entry");
    return started.value()[0];
  }

  testing::Sim sim;
  FakeClient client{sim.clock()};
  model::DataStream stream;
  Entry entry;
  std::vector<std::shared_ptr<delivery::Transport>> kept;
};

TEST_F(HttpsTest, posts_the_body_with_exactly_our_headers) {
  entry.attempt = 3;

  auto const outcome = send();

  EXPECT_EQ(client.method, "POST");
  EXPECT_EQ(client.origin, "https://ally.example.edu:443");
  EXPECT_EQ(client.target, "/events?a=b");
  EXPECT_EQ(client.body, R"({"metadata":{},"body":{}})");
  EXPECT_EQ(client.deadline, 15s);
  EXPECT_EQ(client.head,
            "User-Agent: Millrace/0.1.0\r\n"
            "Millrace-Stream-Id: 0192f0c1-0000-7000-8000-000000000001\r\n"
            "Content-Type: application/json\r\n"
            "Millrace-Event-Id: 0192f0c1-1111-7000-8000-000000000002\r\n"
            "Millrace-Event-Type: grade_change\r\n"
            "Millrace-Attempt: 3\r\n");
  EXPECT_TRUE(outcome.delivered);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.took, 250ms);
}

TEST_F(HttpsTest, a_test_says_that_it_is_one) {
  send();
  EXPECT_THAT(client.head, Not(HasSubstr("Millrace-Test")));
  entry.run = model::Run::test;

  send();

  EXPECT_THAT(client.head, HasSubstr("\r\nMillrace-Test: true\r\n"));
}

TEST_F(HttpsTest, own_headers_and_the_replay_are_added) {
  stream.headers = {{"Authorization", "Bearer abc"}, {"X-Team", "blue"}};
  entry.replay = *Uuid::parse("0192f0c1-2222-7000-8000-000000000003");

  send();

  EXPECT_THAT(client.head, HasSubstr("\r\nAuthorization: Bearer abc\r\nX-Team: blue\r\n"));
  EXPECT_THAT(client.head,
              HasSubstr("\r\nMillrace-Replay-Id: 0192f0c1-2222-7000-8000-000000000003\r\n"));
}

TEST_F(HttpsTest, headers_that_are_ours_or_would_break_the_message_are_left_out) {
  stream.headers = {{"Host", "evil"},
                    {"content-LENGTH", "1"},
                    {"Millrace-Attempt", "9"},
                    {"X-A", "a\r\nX-B: b"},
                    {"X C", "c"},
                    {"Transfer-Encoding", "chunked"},
                    {"", "d"}};

  send();

  for (auto const* bad : {"evil", "LENGTH", ": 9", "X-B", "X C", "chunked", ": d"})
    EXPECT_THAT(client.head, Not(HasSubstr(bad)));
}

TEST_F(HttpsTest, an_event_name_from_outside_cannot_add_a_header) {
  entry.event_type = "quizzes.item\r\nX-Evil: 1 \xC3\xA9";

  send();

  EXPECT_THAT(client.head, HasSubstr("Millrace-Event-Type: quizzes.item__X-Evil:_1___\r\n"));
}

TEST_F(HttpsTest, only_2xx_is_success) {
  for (int status = 100; status <= 999; ++status) {
    http::client::Answer answer;
    answer.status = status;
    auto const outcome = outcome_of(answer, {});
    EXPECT_EQ(outcome.delivered, status / 100 == 2) << status;
    EXPECT_EQ(outcome.failure, outcome.delivered ? FailureClass::none : FailureClass::http);
    EXPECT_EQ(outcome.status, status);
  }
}

TEST_F(HttpsTest, what_is_odd_about_an_answer_is_noted_and_decides_nothing) {
  http::client::Answer answer;
  answer.status = 204;
  answer.reason = "odd headers: a header line is folded";
  auto const delivered = outcome_of(answer, {});
  answer.status = 500;
  auto const failed = outcome_of(answer, {});

  EXPECT_TRUE(delivered.delivered);
  EXPECT_EQ(delivered.reason, "odd headers: a header line is folded");
  EXPECT_FALSE(failed.delivered);
  EXPECT_EQ(failed.reason, "status 500; odd headers: a header line is folded");
}

TEST_F(HttpsTest, each_trouble_has_its_class) {
  std::vector<std::pair<Trouble, FailureClass>> const table{
      {Trouble::timeout, FailureClass::timeout},   {Trouble::dns, FailureClass::dns},
      {Trouble::resolver, FailureClass::own_side}, {Trouble::refused, FailureClass::connect},
      {Trouble::tls, FailureClass::tls},           {Trouble::broken, FailureClass::connect},
      {Trouble::protocol, FailureClass::protocol}, {Trouble::own_side, FailureClass::own_side}};
  for (auto const& [trouble, failure] : table) {
    http::client::Answer answer;
    answer.trouble = trouble;
    answer.status = 200;  // seen before the trouble: it does not count
    answer.reason = "what\nhappened";

    auto const outcome = outcome_of(answer, {});

    EXPECT_FALSE(outcome.delivered);
    EXPECT_EQ(outcome.failure, failure);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.reason, "what\\u000ahappened");
  }
}

TEST_F(HttpsTest, what_is_the_same_for_every_event_is_told_apart) {
  entry.attempt = 1;
  send();
  auto const first = client.same_head;
  entry.attempt = 2;
  entry.event_type = "other";
  send();

  EXPECT_EQ(client.same_head, first);
  EXPECT_THAT(first, HasSubstr("Millrace-Stream-Id"));
  EXPECT_THAT(client.head, HasSubstr("Millrace-Event-Type: other"));
}

TEST_F(HttpsTest, facts_of_the_connection_are_kept) {
  client.answer.first_byte = 5ms;
  client.answer.body_time = 6ms;
  client.answer.tls_version = "TLSv1.3";
  client.answer.http2 = client.answer.crowded = true;
  auto const facts = [](std::string sha) {
    return std::make_shared<http::CertificateFacts const>(
        http::CertificateFacts{"ally.example.edu", "CN=R11", "2027-02-01", std::move(sha)});
  };
  auto const transport = make_transports(client, sim.clock())->make(stream);
  auto const one = [&] {
    auto const started = sim.start(transport->send({entry}));
    sim.advance(1s);
    return started.value().at(0);
  };

  client.answer.certificate = facts("aa");
  auto const first = one();
  client.answer.certificate = facts("aa");
  auto const again = one();
  client.answer.certificate = facts("bb");
  auto const renewed = one();
  client.answer = {};
  client.answer.trouble = Trouble::dns;
  client.answer.reached = http::client::Phase::dns;
  auto const nothing = one();

  EXPECT_EQ(first.timing.first_byte, 5ms);
  EXPECT_EQ(first.timing.body, 6ms);
  EXPECT_EQ(first.tls_version, "TLSv1.3");
  EXPECT_EQ(first.http, model::HttpVersion::http2);
  EXPECT_TRUE(first.crowded);
  ASSERT_TRUE(first.certificate);
  EXPECT_EQ(*first.certificate,
            (model::PeerCertificate{"ally.example.edu", "CN=R11", "2027-02-01", "aa"}));
  EXPECT_EQ(first.certificate, again.certificate) << "one copy for both";
  EXPECT_EQ(renewed.certificate->sha256, "bb");
  EXPECT_EQ(nothing.http, model::HttpVersion::none);
  EXPECT_FALSE(nothing.certificate);
}

TEST_F(HttpsTest, streams_with_equal_TLS_settings_share_one_client) {
  testing::CertificateAuthority const authority;
  auto const leaf = authority.leaf({.names = {"millrace"}});
  auto const base = *http::make_tls_client({});
  auto const transports = make_transports(client, sim.clock(), base);
  auto const tls_of = [&](model::DeliveryTls settings) {
    stream.delivery.tls = std::move(settings);
    kept.push_back(transports->make(stream));
    auto const started = sim.start(kept.back()->send({entry}));
    sim.advance(1s);
    EXPECT_TRUE(started.value().at(0).delivered) << started.value().at(0).reason;
    return client.tls;
  };
  model::DeliveryTls const with{std::nullopt, leaf.certificate_pem, leaf.key_pem};

  auto const plain = tls_of({});
  auto const one = tls_of(with);

  EXPECT_EQ(plain, base);
  EXPECT_NE(one, base);
  EXPECT_EQ(tls_of(with), one);
  EXPECT_NE(tls_of({authority.certificate_pem(), leaf.certificate_pem, leaf.key_pem}), one);
  EXPECT_NE(tls_of({authority.certificate_pem(), {}, {}}), base);
}

TEST_F(HttpsTest, TLS_settings_go_with_the_last_stream_that_has_them) {
  testing::CertificateAuthority const authority;
  TlsClients clients(*http::make_tls_client({}));
  model::DeliveryTls const settings{authority.certificate_pem(), {}, {}};
  std::weak_ptr<http::TlsClient const> seen = *clients.of(settings);
  EXPECT_TRUE(seen.expired());
  for (std::size_t i = 0; i < 200; ++i)  // each makes one that nobody keeps
    ASSERT_TRUE(clients.of({authority.certificate_pem() + std::string(1 + i, '\n'), {}, {}}));
  EXPECT_LE(clients.size(), 64U);
  EXPECT_EQ(clients.of({"junk", {}, {}}).error().fault, Fault::invalid);
}

TEST_F(HttpsTest, TLS_settings_that_cannot_be_used_burn_no_try) {
  stream.delivery.tls.ca_certificates = "junk";

  auto const outcome = send();

  EXPECT_EQ(outcome.failure, FailureClass::own_side);
  EXPECT_THAT(outcome.reason, HasSubstr("certificate authorities: holds no PEM certificate"));
  EXPECT_EQ(client.method, "") << "nothing was sent";
}

TEST_F(HttpsTest, timing_and_address_are_kept) {
  client.answer.dns = 1ms;
  client.answer.connect = 2ms;
  client.answer.tls = 3ms;
  client.answer.answer = 4ms;
  client.answer.address = "203.0.113.7:443";
  client.answer.resent = client.answer.reused = true;
  auto const at = sim.clock().wall();

  auto const outcome = send();

  EXPECT_EQ(outcome.timing.dns, 1ms);
  EXPECT_EQ(outcome.timing.connect, 2ms);
  EXPECT_EQ(outcome.timing.tls, 3ms);
  EXPECT_EQ(outcome.timing.answer, 4ms);
  EXPECT_EQ(outcome.address, "203.0.113.7:443");
  EXPECT_TRUE(outcome.resent && outcome.reused);
  EXPECT_EQ(outcome.at, at);
}

TEST_F(HttpsTest, retry_after_is_read_of_429_and_503) {
  client.answer.headers = {{"retry-after", "120"}};
  client.answer.status = 503;
  EXPECT_EQ(send().retry_after, 120s);
  client.answer.status = 429;
  EXPECT_EQ(send().retry_after, 120s);
  client.answer.status = 500;
  EXPECT_EQ(send().retry_after, std::nullopt);
}

TEST(RetryAfterTest, seconds_and_the_three_forms_of_dates_are_read) {
  auto const now = *parse_time("1994-11-06T08:48:37Z");
  std::vector<std::pair<std::string, std::optional<Duration>>> const table{
      {"0", 0s},
      {"30", 30s},
      {"  30  ", 30s},
      {"3600", 1h},
      {"3601", 1h},
      {"99999999999999999999999", 1h},
      {"Sun, 06 Nov 1994 08:49:37 GMT", 1min},
      {"Sunday, 06-Nov-94 08:49:37 GMT", 1min},
      {"Sun Nov  6 08:49:37 1994", 1min},
      {"Sun, 06 Nov 1994 07:49:37 GMT", 0s},
      {"Sun, 06 Nov 2099 08:49:37 GMT", 1h},
      {"-1", std::nullopt},
      {"1.5", std::nullopt},
      {"", std::nullopt},
      {"soon", std::nullopt},
      {"Sun, 31 Feb 1994 08:49:37 GMT", std::nullopt},
      {"Sun, 06 Nov 9999 08:49:37 GMT", std::nullopt},
      {"Sun, 06 Nov 1994 25:49:37 GMT", std::nullopt},
      {"Sun, 06 Nov 1994 08:49:37 PST", std::nullopt},
      {std::string(1000, '1'), std::nullopt}};
  for (auto const& [text, expected] : table)
    EXPECT_EQ(parse_retry_after(text, now), expected) << text;
}

TEST(HarmlessTest, control_characters_and_broken_bytes_are_escaped) {
  Harmless const harmless({});

  EXPECT_EQ(harmless.body("plain\ttext\nmore", false), "plain\ttext\nmore");
  EXPECT_EQ(harmless.body("\x1b[2J\r\x7f", false), "\\u001b[2J\\u000d\\u007f");
  EXPECT_EQ(harmless.body("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", false),
            "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(harmless.body("\xFF\xC3", false), "\\xff\\xc3");
  EXPECT_EQ(harmless.body("\xC2\x9B", false), "\\xc2\\x9b");  // C1: begins a terminal's command
  EXPECT_EQ(harmless.body("\xED\xA0\x80", false), "\\xed\\xa0\\x80");  // half of a pair
  EXPECT_EQ(harmless.body("\xC0\xAF", false), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(harmless.body("a\xE2\x80\xAE"
                          "b",
                          false),
            "a\\xe2\\x80\\xaeb");  // turns the text
  EXPECT_EQ(harmless.body(std::string("a\0b", 3), false), "a\\u0000b");
}

TEST(HarmlessTest, headers_are_lines_without_secrets) {
  Harmless const harmless({});

  EXPECT_EQ(
      harmless.headers({{"Server", "nginx"},
                        {"Set-Cookie", "sid=1"},
                        {"AUTHORIZATION", "x"},
                        {"X-Odd", "a\nb"},
                        {"X-Esc", "\x1b"}}),
      "Server: nginx\nSet-Cookie: [removed]\nAUTHORIZATION: [removed]\nX-Odd: a\\u000ab\nX-Esc: "
      "\\u001b\n");
}

TEST(HarmlessTest, what_the_stream_sent_in_secret_is_taken_out_of_the_answer) {
  Harmless const harmless({"Bearer tok-12345", "abc"});

  EXPECT_EQ(harmless.body("you sent Bearer tok-12345 and tok-12345; abc", false),
            "you sent [removed] and [removed]; abc");
  EXPECT_EQ(harmless.headers({{"X-Echo", "tok-12345"}}), "X-Echo: [removed]\n");
  EXPECT_EQ(harmless.body("half a tok-123", true), "half a [removed]");
  EXPECT_EQ(harmless.body("half a tok-123", false), "half a tok-123");
}

TEST(HarmlessTest, sizes_are_limits_after_escaping) {
  Harmless const harmless({});

  EXPECT_EQ(harmless.body(std::string(100'000, 'x'), true).size(), 64 * 1024);
  auto const escaped = harmless.body(std::string(65'536, '\x01'), false);
  EXPECT_LE(escaped.size(), 64 * 1024);
  EXPECT_GT(escaped.size(), 64 * 1024 - 6);
  std::vector<http::Header> const many(1000, {"X-Long", std::string(100, 'v')});
  auto const lines = harmless.headers(many);
  EXPECT_LE(lines.size(), 16 * 1024);
  EXPECT_TRUE(lines.ends_with("v\n"));
  EXPECT_LE(one_line(std::string(5000, '\n')).size(), 500);
}

}  // namespace
}  // namespace millrace::transports
