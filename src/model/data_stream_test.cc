#include "model/data_stream.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::model {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view full =
    R"({"name":"Blackboard Ally Integration","account":"7Zt8-root","format":"canvas",
  "event_types":["submission_created","grade_change","grade_change"],
  "delivery":{"method":"https","url":"https://ally.example.edu/events?x=1","sign_payload":true,"signed_body":"quoted"},
  "headers":{"Authorization":"Bearer s3cret","X-Tenant":"north"},"breaker":"off","retry":"canvas","contact_email":"admin@example.edu"})";

DataStream made() {
  auto stream = parse_new(full, {}).value();
  stream.id = *StreamId::parse("0192f0c1-0000-7000-8000-000000000001");
  stream.version = 3;
  stream.created_at = parse_time("2026-11-21T19:05:12.123Z").value();
  stream.updated_at = parse_time("2026-11-22T08:00:00Z").value();
  return stream;
}

std::vector<std::string> told(std::expected<DataStream, std::vector<FieldFault>> const& result) {
  std::vector<std::string> out;
  if (!result)
    for (auto const& fault : result.error()) out.push_back(fault.field + " " + fault.message);
  return out;
}

// `full` with one member of its top level or its delivery replaced.
std::vector<std::string> with(std::string_view patch, StreamRules rules = {}) {
  return told(merged(made(), patch, rules));
}

TEST(ParseNew, reads_every_field) {
  auto const stream = parse_new(full, {});

  ASSERT_TRUE(stream) << told(stream).front();
  EXPECT_EQ(stream->name, "Blackboard Ally Integration");
  EXPECT_EQ(stream->account, "7Zt8-root");
  EXPECT_THAT(stream->event_types, ElementsAre("grade_change", "submission_created"));
  EXPECT_EQ(stream->delivery.url, "https://ally.example.edu/events?x=1");
  EXPECT_TRUE(stream->delivery.sign_payload);
  EXPECT_EQ(stream->delivery.signed_body, SignedBody::quoted);
  EXPECT_EQ(stream->headers.at("Authorization"), "Bearer s3cret");
  EXPECT_FALSE(stream->breaker);
  EXPECT_EQ(stream->contact_email, "admin@example.edu");
}

TEST(ParseNew, has_sensible_defaults) {
  auto const stream = parse_new(
      R"({"name":"n","account":"a","event_types":["*"],"delivery":{"method":"https","url":"https://e.example"},"contact_email":"a@b"})",
      {});

  ASSERT_TRUE(stream) << told(stream).front();
  EXPECT_EQ(stream->format, Format::canvas);
  EXPECT_FALSE(stream->delivery.sign_payload);
  EXPECT_EQ(stream->delivery.signed_body, SignedBody::raw);
  EXPECT_TRUE(stream->breaker);
  EXPECT_EQ(stream->state, StreamState::active);
  EXPECT_TRUE(stream->headers.empty());
}

TEST(ParseNew, tells_all_faults_at_once) {
  EXPECT_THAT(told(parse_new("{}", {})),
              ElementsAre("/name is required", "/account is required",
                          R"(/event_types is required: names of event types, or ["*"])",
                          R"(/delivery is required, like {"method": "https", "url": "https://…"})",
                          "/contact_email is required"));
  EXPECT_THAT(
      told(parse_new(
          R"({"name":"","account":7,"evnet_types":["a"],"event_types":[],"id":"x","delivery":{"url":"ftp://x","methd":1},"contact_email":"nobody"})",
          {})),
      ElementsAre(
          "/id is read-only", "/name is empty", "/account is not a string",
          HasSubstr("/event_types is empty"), "/delivery/method is required: https or sqs",
          "/delivery/url must begin with https://",
          HasSubstr("/delivery/methd is not a field that is known here; did you mean \"method\"?"),
          HasSubstr("/contact_email is not an e-mail address"),
          HasSubstr(
              "/evnet_types is not a field that is known here; did you mean \"event_types\"?")));
}

TEST(ParseNew, refuses_what_is_not_an_object) {
  for (auto const* const text : {"", "[]", "7", "{", "{}{}", R"({"name":"a","name":"b"})"}) {
    auto const result = parse_new(text, {});
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().front().field, "") << text;
  }
  EXPECT_FALSE(parse_new(R"({"name":")" + std::string(300'000, 'x') + "\"}", {}));
}

TEST(StreamFields, urls) {
  auto const url = [](std::string_view text, bool plain = false) {
    return with(fmt::format(R"({{"delivery":{{"url":"{}"}}}})", text), {.allow_plain_http = plain});
  };
  EXPECT_THAT(url("https://e.example/x?y=z@w"), ElementsAre());
  EXPECT_THAT(url("http://e.example/x", true), ElementsAre());
  EXPECT_THAT(url("http://e.example/x"), ElementsAre("/delivery/url must begin with https://"));
  EXPECT_THAT(url("file:///etc/passwd", true),
              ElementsAre("/delivery/url must begin with https:// or http://"));
  EXPECT_THAT(url("https://me:pw@e.example/"), ElementsAre(HasSubstr("user name or password")));
  EXPECT_THAT(url("https://e.example\\\\@other/"),
              ElementsAre());  // the host ends at the backslash; the connecting room refuses it
  EXPECT_THAT(url("https:///x"), ElementsAre("/delivery/url has no host"));
  EXPECT_THAT(url("https://e.example/a b"),
              ElementsAre(HasSubstr("a space or a control character")));
  EXPECT_THAT(url("https://e.example/a\\nb"), ElementsAre(HasSubstr("control character")));
  EXPECT_THAT(url("https://e.example/" + std::string(2030, 'x')), ElementsAre());
  EXPECT_THAT(url("https://e.example/" + std::string(2031, 'x')),
              ElementsAre("/delivery/url is longer than 2048 bytes"));
}

TEST(StreamFields, names_and_accounts) {
  EXPECT_THAT(with(R"({"name":")" + std::string(255, 'x') + "\"}"), ElementsAre());
  EXPECT_THAT(with(R"({"name":")" + std::string(256, 'x') + "\"}"),
              ElementsAre("/name is longer than 255 characters"));
  std::string umlauts;
  for (int i = 0; i < 255; ++i) umlauts += "\xC3\xA4";
  EXPECT_THAT(with(R"({"name":")" + umlauts + "\"}"), ElementsAre());
  EXPECT_THAT(with(R"({"name":"a\u0000b"})"), ElementsAre("/name holds a control character"));
  EXPECT_THAT(with(R"({"account":"*"})"), ElementsAre(HasSubstr("only for the operator")));
  EXPECT_THAT(with(R"({"account":"*"})", {.allow_every_account = true}), ElementsAre());
}

TEST(StreamFields, event_types) {
  EXPECT_THAT(with(R"({"event_types":["*"]})"), ElementsAre());
  EXPECT_THAT(with(R"({"event_types":["*","a"]})"), ElementsAre(HasSubstr("\"*\" stands alone")));
  EXPECT_THAT(with(R"({"event_types":["a","",7]})"),
              ElementsAre("/event_types/1 is empty", "/event_types/2 is not a string"));
  EXPECT_THAT(with(R"({"event_types":[")" + std::string(256, 'x') + "\"]}"),
              ElementsAre("/event_types/0 is longer than 255 bytes"));
  EXPECT_THAT(with(R"({"event_types":"*"})"),
              ElementsAre("/event_types is not an array of strings"));
}

TEST(StreamFields, headers) {
  for (auto const* const name :
       {"Host", "content-length", "Content-Type", "USER-AGENT", "Millrace-Event-Id", "millrace-x"})
    EXPECT_THAT(with(fmt::format(R"({{"headers":{{"{}":"x"}}}})", name)),
                ElementsAre(fmt::format("/headers/{} is set by Millrace itself", name)));
  for (auto const* const name :
       {"Connection", "transfer-encoding", "TE", "Upgrade", "Proxy-Authorization", "Keep-Alive"})
    EXPECT_THAT(with(fmt::format(R"({{"headers":{{"{}":"x"}}}})", name)),
                ElementsAre(HasSubstr("belongs to the connection")));
  for (auto const* const name : {"", "a b", "a:b", "a\\r\\nb", "\xC3\xA4"})
    EXPECT_THAT(with(fmt::format(R"({{"headers":{{"{}":"x"}}}})", name)),
                ElementsAre(HasSubstr("is not the name of an HTTP header")))
        << name;
  EXPECT_THAT(with(R"({"headers":{"X-A":"x\r\nY: z"}})"),
              ElementsAre("/headers/X-A holds a control character"));
  EXPECT_THAT(with(R"({"headers":{"X-A":""}})"), ElementsAre("/headers/X-A is empty"));
  EXPECT_THAT(with(R"({"headers":{"X-A":7}})"), ElementsAre("/headers/X-A is not a string"));
  EXPECT_THAT(with(R"({"headers":{"X-A":" x"}})"),
              ElementsAre(HasSubstr("begins or ends with a space")));
  EXPECT_THAT(with(R"({"headers":{"x-tenant":"x"}})"),
              ElementsAre(HasSubstr("is there twice, in other case")));
  std::string many;
  for (int i = 0; i < 18; ++i) many += fmt::format(R"({}"X-{}":"x")", i == 0 ? "" : ",", i);
  EXPECT_THAT(with(R"({"headers":{)" + many + "}}"), ElementsAre());
  EXPECT_THAT(with(R"({"headers":{"X-More":"x",)" + many + "}}"),
              ElementsAre("/headers has 21 headers, more than 20"));
  EXPECT_THAT(with(R"({"headers":{"X-Big":")" + std::string(4080, 'x') + "\"}}"),
              ElementsAre(HasSubstr("bytes of names and values, more than 4096")));
}

TEST(StreamFields, contact_email) {
  for (auto const* const good : {"a@b", "first.last+tag@mail.example.edu", "\xC3\xBC@example.edu"})
    EXPECT_THAT(with(fmt::format(R"({{"contact_email":"{}"}})", good)), ElementsAre()) << good;
  for (auto const* const bad : {"", "a", "@b", "a@", "a@b@c", "a b@c", "a@b, c@d",
                                "a@b\\r\\nBcc: c@d", "<a@b>", "a@b..c", "a@.b"})
    EXPECT_THAT(with(fmt::format(R"({{"contact_email":"{}"}})", bad)),
                ElementsAre(HasSubstr("/contact_email")))
        << bad;
}

TEST(StreamFields, what_is_not_there_yet_is_refused_in_a_sentence) {
  EXPECT_THAT(
      with(R"({"format":"caliper"})"),
      ElementsAre("/format caliper is not available in this version of Millrace; canvas is"));
  EXPECT_THAT(with(R"({"format":"caliper"})", {.allow_caliper = true}), ElementsAre());
  EXPECT_THAT(with(R"({"format":"xml"})"), ElementsAre("/format is not canvas or caliper"));
  EXPECT_THAT(with(R"({"retry":"never"})"), ElementsAre("/retry is not canvas"));
  constexpr std::string_view sqs =
      R"({"delivery":{"method":"sqs","url":"https://sqs.eu-west-1.amazonaws.com/1/canvas-live-events-x","sign_payload":null,"signed_body":null}})";
  EXPECT_THAT(
      with(sqs),
      ElementsAre("/delivery/method sqs is not available in this version of Millrace; https is"));
  EXPECT_THAT(with(sqs, {.allow_sqs = true}), ElementsAre());
}

TEST(StreamFields, queues) {
  auto const queue = [](std::string_view url, std::string_view more = "", bool any_name = false) {
    return with(
        fmt::format(R"({{"delivery":{{"method":"sqs","sign_payload":false,"url":"{}"{}}}}})", url,
                    more),
        {.allow_sqs = true, .allow_any_queue_name = any_name});
  };
  constexpr std::string_view url = "https://queue.example/1/canvas-live-events-x";
  EXPECT_THAT(queue(url, R"(,"region":"eu-west-1","access_key_id":"AKIA","secret_access_key":"s")"),
              ElementsAre());
  EXPECT_THAT(queue(url, R"(,"access_key_id":"AKIA","secret_access_key":"s")"),
              ElementsAre(HasSubstr("/delivery/region is required")));
  EXPECT_THAT(queue(url, R"(,"region":"r","access_key_id":"AKIA")"),
              ElementsAre(HasSubstr("/delivery/secret_access_key is required")));
  EXPECT_THAT(queue("https://queue.example/1/other"),
              ElementsAre(HasSubstr("must begin with canvas-live-events")));
  EXPECT_THAT(queue("https://queue.example/1/other", "", true), ElementsAre());
  EXPECT_THAT(queue("https://queue.example/1/canvas-live-events.fifo", "", true),
              ElementsAre(HasSubstr("FIFO")));
  EXPECT_THAT(queue(url, R"(,"sign_payload":true)"), ElementsAre(HasSubstr("is there twice")));
}

TEST(Merged, changes_what_the_patch_names_and_nothing_else) {
  auto const before = made();

  auto const after = merged(
      before,
      R"({"name":"New","delivery":{"url":"https://new.example/"},"headers":{"X-Tenant":null,"X-More":"1"}})",
      {});

  ASSERT_TRUE(after) << told(after).front();
  auto expected = before;
  expected.name = "New";
  expected.delivery.url = "https://new.example/";
  expected.headers = {{"Authorization", "Bearer s3cret"}, {"X-More", "1"}};
  EXPECT_EQ(*after, expected);
  EXPECT_EQ(merged(before, "{}", {}).value(), before);
}

TEST(Merged, refuses_read_only_and_unknown_fields_and_the_loss_of_needed_ones) {
  EXPECT_THAT(with(R"({"state":"active","version":9,"delivery":{"secret_access_key_set":true}})"),
              ElementsAre("/state is read-only", "/version is read-only",
                          "/delivery/secret_access_key_set is read-only"));
  EXPECT_THAT(with(R"({"nmae":"x"})"), ElementsAre(HasSubstr("did you mean \"name\"?")));
  EXPECT_THAT(with(R"({"name":null})"), ElementsAre("/name is required"));
  EXPECT_THAT(with(R"({"headers":null,"breaker":null})"), ElementsAre());
  EXPECT_THAT(with(R"({"delivery":7})"), Contains("/delivery is not an object"));
  EXPECT_THAT(with("[]"), ElementsAre(" is not a JSON object"));
}

TEST(Merged, turning_to_https_drops_what_only_sqs_has) {
  auto const queue = merged(
      made(),
      R"({"delivery":{"method":"sqs","sign_payload":false,"url":"https://q.example/1/canvas-live-events","region":"r",
                                      "access_key_id":"AKIA","secret_access_key":"s"}})",
      {.allow_sqs = true});
  ASSERT_TRUE(queue) << told(queue).front();

  auto const back =
      merged(*queue, R"({"delivery":{"method":"https","url":"https://e.example/"}})", {});

  ASSERT_TRUE(back) << told(back).front();
  EXPECT_EQ(back->delivery.secret_access_key, std::nullopt);
  EXPECT_EQ(back->delivery.method, Method::https);
}

TEST(ToJson, is_the_documented_shape_without_secrets) {
  EXPECT_EQ(
      to_json(made()),
      R"({"id":"0192f0c1-0000-7000-8000-000000000001","name":"Blackboard Ally Integration","account":"7Zt8-root","format":"canvas",)"
      R"("event_types":["grade_change","submission_created"],"delivery":{"method":"https","url":"https://ally.example.edu/events?x=1",)"
      R"("sign_payload":true,"signed_body":"quoted"},"headers":{"Authorization":null,"X-Tenant":null},"breaker":"off","retry":"canvas",)"
      R"("contact_email":"admin@example.edu","rate_limit":null,"state":"active","state_reason":null,"region":null,"version":3,)"
      R"("created_at":"2026-11-21T19:05:12.123Z","updated_at":"2026-11-22T08:00:00.000Z"})");
}

TEST(ToJson, tells_of_a_queue_whether_it_has_a_secret) {
  auto stream = made();
  stream.delivery = {Method::sqs,  "https://q.example/1/canvas-live-events",
                     false,        SignedBody::raw,
                     "eu-west-1",  "AKIA",
                     "very-secret"};
  stream.state = StreamState::deactivated;
  stream.reason = StateReason::timeouts;

  auto const text = to_json(stream);

  EXPECT_THAT(
      text,
      HasSubstr(R"("region":"eu-west-1","access_key_id":"AKIA","secret_access_key_set":true)"));
  EXPECT_THAT(text,
              HasSubstr(R"("state":"deactivated","state_reason":"timeouts","region":"eu-west-1")"));
  EXPECT_THAT(text, Not(HasSubstr("very-secret")));
}

// Made up: this room does not look into them.
constexpr std::string_view tls_patch =
    R"({"delivery":{"tls":{"ca_certificates":"-----A\nA","client_certificate":"-----B\r\n\tB","client_key":"-----K\nvery-secret"}}})";

TEST(DeliveryTls, is_shown_without_its_key) {
  auto const stream = merged(made(), tls_patch, {});

  ASSERT_TRUE(stream) << told(stream).front();
  EXPECT_EQ(stream->delivery.tls,
            (DeliveryTls{"-----A\nA", "-----B\r\n\tB", "-----K\nvery-secret"}));
  auto const text = to_json(*stream);
  EXPECT_THAT(
      text,
      HasSubstr(
          R"("tls":{"ca_certificates":"-----A\nA","client_certificate":"-----B\r\n\tB","client_key_set":true}})"));
  EXPECT_THAT(text, Not(HasSubstr("very-secret")));
  EXPECT_THAT(to_json(made()), Not(HasSubstr("tls")));
}

TEST(DeliveryTls, stays_until_a_patch_names_it) {
  auto const stream = merged(made(), tls_patch, {}).value();

  EXPECT_EQ(merged(stream, R"({"name":"x"})", {})->delivery.tls, stream.delivery.tls);
  EXPECT_EQ(merged(stream, R"({"delivery":{"tls":{}}})", {})->delivery.tls, stream.delivery.tls);
  EXPECT_EQ(merged(stream, R"({"delivery":{"tls":{"ca_certificates":null}}})", {})
                ->delivery.tls.ca_certificates,
            std::nullopt);
  EXPECT_TRUE(merged(stream, R"({"delivery":{"tls":null}})", {})->delivery.tls.is_empty());
  EXPECT_TRUE(
      merged(
          stream,
          R"({"delivery":{"tls":{"ca_certificates":null,"client_certificate":null,"client_key":null}}})",
          {})
          ->delivery.tls.is_empty());
  EXPECT_THAT(
      told(merged(stream, R"({"delivery":{"tls":{"client_key":null}}})", {})),
      ElementsAre("/delivery/tls/client_key is required: a certificate and its key come together"));
  auto const queue = merged(
      stream,
      R"({"delivery":{"method":"sqs","sign_payload":false,"url":"https://q.example/1/canvas-live-events"}})",
      {.allow_sqs = true});
  ASSERT_TRUE(queue) << told(queue).front();
  EXPECT_TRUE(queue->delivery.tls.is_empty());
}

TEST(DeliveryTls, has_limits) {
  auto const tls = [](std::string_view fields, std::string_view more = "") {
    return with(fmt::format(R"({{"delivery":{{"tls":{{{}}}{}}}}})", fields, more),
                {.allow_plain_http = true, .allow_sqs = true, .allow_any_queue_name = true});
  };
  EXPECT_THAT(tls(fmt::format(R"("ca_certificates":"{}")", std::string(65'536, 'x'))),
              ElementsAre());
  EXPECT_THAT(tls(fmt::format(R"("ca_certificates":"{}")", std::string(65'537, 'x'))),
              ElementsAre("/delivery/tls/ca_certificates is longer than 65536 bytes"));
  EXPECT_THAT(tls(R"("ca_certificates":"a\u0000b")"),
              ElementsAre("/delivery/tls/ca_certificates holds a control character"));
  EXPECT_THAT(tls(R"("ca_certificates":7)"),
              ElementsAre("/delivery/tls/ca_certificates is not a string"));
  EXPECT_THAT(tls(R"("client_certificate":"x")"),
              ElementsAre(HasSubstr("/client_key is required")));
  EXPECT_THAT(tls(R"("client_key":"x")"),
              ElementsAre(HasSubstr("/client_certificate is required")));
  EXPECT_THAT(tls(R"("client_key_set":true)"),
              ElementsAre("/delivery/tls/client_key_set is read-only"));
  EXPECT_THAT(tls(R"("client_cert":"x")"),
              ElementsAre(HasSubstr("is not a field that is known here")));
  EXPECT_THAT(tls(R"("ca_certificates":"x")", R"(,"url":"http://e.example/")"),
              ElementsAre("/delivery/tls is for https:// URLs only"));
  EXPECT_THAT(tls(R"("ca_certificates":"x")",
                  R"(,"method":"sqs","sign_payload":false,"url":"https://q.example/1/q")"),
              ElementsAre("/delivery/tls is for https only"));
  EXPECT_THAT(with(R"({"delivery":{"tls":[]}})"), ElementsAre("/delivery/tls is not an object"));
}

TEST(RateLimit, is_a_number_of_events_a_second) {
  auto const rate = [](std::string_view text) {
    return with(fmt::format(R"({{"rate_limit":{}}})", text));
  };
  for (auto const* const good : {"0.1", "1", "2.5", "100000", "null"})
    EXPECT_THAT(rate(good), ElementsAre()) << good;
  for (auto const* const bad : {"0", "0.09", "-1", "100001", "1e300", "\"5\"", "true", "[]"})
    EXPECT_THAT(rate(bad), ElementsAre("/rate_limit is not a number from 0.1 to 100000")) << bad;
  auto const stream = merged(made(), R"({"rate_limit":2.5})", {}).value();
  EXPECT_EQ(stream.rate_limit, 2.5);
  EXPECT_THAT(to_json(stream), HasSubstr(R"("rate_limit":2.5)"));
  EXPECT_EQ(merged(stream, "{}", {})->rate_limit, 2.5);
  EXPECT_EQ(merged(stream, R"({"rate_limit":null})", {})->rate_limit, std::nullopt);
}

TEST(Stored, comes_back_whole) {
  auto stream = made();
  EXPECT_EQ(from_stored(to_stored(stream)).value(), stream);
  stream.delivery.tls = {"-----A\nA", "-----B\nB", "-----K\nK"};
  stream.rate_limit = 0.1;
  EXPECT_EQ(from_stored(to_stored(stream)).value(), stream);
  stream.delivery = {
      Method::sqs,  "https://q.example/1/anything", false, SignedBody::raw, "eu-west-1", "AKIA",
      "very-secret"};
  stream.format = Format::caliper;
  stream.account = "*";
  stream.state = StreamState::deactivated;
  stream.reason = StateReason::gone;
  stream.headers.clear();
  EXPECT_EQ(from_stored(to_stored(stream)).value(), stream);
}

TEST(Stored, refuses_what_is_not_a_stored_stream) {
  auto const good = to_stored(made());
  for (auto const& text : {std::string(), std::string("{}"), good.substr(0, good.size() - 1),
                           std::string(R"({"form":2})")}) {
    auto const result = from_stored(text);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().fault, Fault::corrupt);
    EXPECT_THAT(result.error().what, Not(HasSubstr("s3cret")));
  }
}

TEST(DataStream, selects_by_name_or_everything) {
  auto stream = made();
  EXPECT_TRUE(stream.selects("grade_change"));
  EXPECT_FALSE(stream.selects("grade_chang"));
  EXPECT_FALSE(stream.selects("*"));
  stream.event_types = {"*"};
  EXPECT_TRUE(stream.selects("anything"));
}

}  // namespace
}  // namespace millrace::model
