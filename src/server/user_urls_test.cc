// Every spelling and every range that leads inside, against every place where a user gives a URL: making a data stream, changing
// one, and connecting. (The one kind of URL that a user gives is delivery.url; whoever adds another adds it here.)
#include <map>

#include "server/node_fixture.h"
#include "testing/fake_network.h"
#include "testing/sim.h"

namespace millrace::server {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> const hosts = {
    // Spellings of 127.0.0.1 that one parser or another takes.
    "2130706433", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
    "0x7f.1", "0", "127.0.0.1.", "127.0.0.01", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "127。0。0。1", "①②⑦.⓪.⓪.①", "１２７.0.0.1",
    "user@127.0.0.1", "user:pass@127.0.0.1", "x@y@127.0.0.1", "@127.0.0.1", "example.com@127.0.0.1",
    "%31%32%37.0.0.1", "127.0.0.1%00.example.com", "127.0.0.1%2eexample.com",
    "127.0.0.1:80\\\\@example.com", "127.0.0.1\\\\.example.com", "example.com\\\\#@127.0.0.1",
    "[::1%25lo]", "[fe80::1%25eth0]", "[127.0.0.1]", "::1", "[::1", "[::1]x", "127.0.0.1\\t",
    "127.0.0.1 ", " 127.0.0.1", "127.0.0.1\\r\\nHost: x", "localhost.", "metadata.google.internal.",
    "bücher.example", "раураl.example", "-a.example", "a..example",
    std::string(64, 'a') + ".example", std::string(256, 'a'),
    // Ranges of IPv4.
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.168.0.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    // Ranges of IPv6, and what they carry of IPv4.
    "[::]", "[::1]", "[::2]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[::10.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]",
    "[100::1]", "[2001::1]", "[2001:0:808:808::f5ff:fffe]", "[2001:2::1]", "[2001:10::1]",
    "[2001:20::1]", "[2001:db8::1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2002:a9fe:a9fe::]",
    "[2620:4f:8000::1]", "[3fff::1]", "[5f00::1]", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]",
    "[febf::1]", "[fec0::1]", "[ff02::1]", "[4000::1]"};

// All URLs of those hosts, and those that are wrong elsewhere.
std::vector<std::string> forbidden_urls() {
  std::vector<std::string> urls = {"ftp://example.com/",
                                   "file:///etc/passwd",
                                   "gopher://127.0.0.1:70/_x",
                                   "dict://127.0.0.1/",
                                   "unix:///run/x.sock",
                                   "http+unix://%2Frun%2Fx.sock/",
                                   "//127.0.0.1/",
                                   "https:/127.0.0.1/",
                                   "https:127.0.0.1",
                                   "https://",
                                   "https:///x",
                                   "https://?x",
                                   "javascript:alert(1)",
                                   "https://example.com:0/",
                                   "https://example.com:65536/",
                                   "https://example.com:-1/",
                                   "https://example.com:+80/",
                                   "https://example.com:80:90/",
                                   "https://example.com/\\r\\nX: y",
                                   "https://example.com/ x",
                                   "https://example.com/\\u0000",
                                   "http://8.8.8.8/",
                                   "HTTP://8.8.8.8/",
                                   "HTTP://8.8.8.8:/",
                                   "https://:/",
                                   "HTTPS://x@127.0.0.1:/"};
  for (auto const& host : hosts)
    for (auto const* const scheme : {"https://", "http://", "HTTPS://", "hTTp://"})
      for (auto const* const path : {"/hook", ":/hook"}) urls.push_back(scheme + host + path);
  return urls;
}

// The tables write what JSON has to escape as JSON does.
std::string plain(std::string text) {
  for (auto const& [from, to] :
       std::map<std::string, std::string>{{"\\r", "\r"},
                                          {"\\n", "\n"},
                                          {"\\t", "\t"},
                                          {"\\\\", "\\"},
                                          {"\\u0000", std::string(1, '\0')}})
    for (auto at = text.find(from); at != text.npos; at = text.find(from))
      text.replace(at, from.size(), to);
  return text;
}

class UserUrlsTest : public NodeTest {
 protected:
  NodeSettings settings() const override {
    auto settings = NodeTest::settings();
    settings.allow = {};
    return settings;
  }
  std::string body(std::string const& url) {
    return R"({"name":"a","account":"*","contact_email":"a@b.example","event_types":["*"],"delivery":{"method":"https","url":")" +
           url + R"("}})";
  }
};

TEST_F(UserUrlsTest, making_a_stream_takes_none_that_leads_inside) {
  ASSERT_TRUE(start());
  auto const head = bearer() + "Content-Type: application/json\r\n";
  EXPECT_EQ(ask("POST", "/api/v1/data_streams", head, body("https://example.com/")).status, 201);

  for (auto const& url : forbidden_urls()) {
    auto const answer = ask("POST", "/api/v1/data_streams", head, body(url));
    EXPECT_EQ(answer.status, 400) << url << " " << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("/delivery/url")) << url;
  }
}

TEST_F(UserUrlsTest, schemes_in_capitals_and_empty_ports_are_taken) {
  ASSERT_TRUE(start());
  auto const head = bearer() + "Content-Type: application/json\r\n";

  for (auto const* const url :
       {"HTTPS://hooks.example.com/canvas", "https://hooks.example.com:/canvas",
        "hTTpS://HOOKS.example.com:?a=b"})
    EXPECT_EQ(ask("POST", "/api/v1/data_streams", head, body(url)).status, 201) << url;
}

TEST_F(UserUrlsTest, changing_a_stream_takes_none_that_leads_inside) {
  ASSERT_TRUE(start());
  auto const head = bearer() + "Content-Type: application/json\r\n";
  auto const made = ask("POST", "/api/v1/data_streams", head, body("https://example.com/"));
  auto const location = http::find_header(made.headers, "Location");
  ASSERT_TRUE(location);

  for (auto const& url : forbidden_urls()) {
    auto const answer = ask("PATCH", std::string(*location), head,
                            R"({"delivery":{"method":"https","url":")" + url + R"("}})");
    EXPECT_EQ(answer.status, 400) << url << " " << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("/delivery/url")) << url;
  }
}

// What is on a disk may be older than the rules: nothing is connected to either.
TEST(UserUrlsAtConnectTest, none_that_leads_inside_is_connected_to) {
  testing::Sim sim;
  testing::FakeNetwork network(sim.executor(), sim.clock());
  auto const guard = *http::Guard::make({});
  auto const client = *http::client::make_client(sim.executor(), network, sim.clock(), guard, {});
  int refused = 0;

  for (auto const& text : forbidden_urls()) {
    auto const url = http::parse_url(plain(text));
    if (!url) continue;
    http::client::Ask ask;
    ask.url = &*url;
    EXPECT_EQ(sim.run(client->ask(ask)).trouble, http::client::Trouble::refused) << text;
    ++refused;
  }

  EXPECT_GT(refused, 150);
  EXPECT_EQ(network.operations(), 0U);
}

// ---- What leads to this node itself

TEST_F(NodeTest, a_stream_to_the_node_itself_is_refused_by_address_and_by_name) {
  ASSERT_TRUE(start());
  auto const head = bearer() + "Content-Type: application/json\r\n";
  auto const port = std::to_string(node_->local().port());
  auto const body = [&](std::string const& host) {
    return R"({"name":"a","account":"*","contact_email":"a@b.example","event_types":["*"],"delivery":{"method":"https","url":"http://)" +
           host + ":" + port + R"(/api/v1/events"}})";
  };

  auto const by_address = ask("POST", "/api/v1/data_streams", head, body("127.0.0.1"));
  EXPECT_EQ(by_address.status, 400);
  EXPECT_THAT(by_address.body, HasSubstr("127.0.0.1:" + port + " is Millrace itself"));

  auto const by_name = ask("POST", "/api/v1/data_streams", head, body("localhost"));
  ASSERT_EQ(by_name.status, 201) << by_name.body;
  auto const location = std::string(*http::find_header(by_name.headers, "Location"));
  auto const tested = ask("POST", location + "/test", head, "");
  EXPECT_EQ(tested.status, 200);
  EXPECT_THAT(tested.body, HasSubstr("not allowed")) << tested.body;
}

}  // namespace
}  // namespace millrace::server
