// Names that answer badly, addresses that do not, and names that lead where they must not. docs/hostile.md has the list.
#include "http_client/hostile_fixture.h"
#include "testing/fake_dns.h"

namespace millrace::http::client {
namespace {

using ::testing::AllOf;
using testing::dns_a;
using testing::dns_aaaa;
using testing::dns_cname;
using testing::DnsQuestion;
using ::testing::HasSubstr;
using ::testing::StartsWith;

io::Task<void> answer(Peer& peer) {
  for (;;) {
    if ((co_await peer.wire.read_message()).empty()) co_return;
    if (!co_await peer.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) co_return;
  }
}

class HostileNamesTest : public HostileFixture {
 protected:
  HostileNamesTest() {
    guard = *Guard::make({"10.0.0.0/8", "fd00::/16"});
    begin({.name_servers = dns.address()});
  }
  // The names' answers from now on.
  void give(std::vector<testing::DnsRecord> v4, std::vector<testing::DnsRecord> v6 = {}) {
    dns.answer = [v4, v6](DnsQuestion const& asked) { return asked.found(asked.v6 ? v6 : v4); };
  }
  void give_failure(int code) {
    dns.answer = [code](DnsQuestion const& asked) { return asked.failure(code); };
  }
  void give_silence() {
    dns.answer = [](DnsQuestion const&) { return std::string(); };
  }
  void serve(std::string const& address, std::shared_ptr<TlsServer const> tls = nullptr) {
    endpoints.push_back(std::make_unique<ScriptedEndpoint>(
        sim, network, io::Endpoint(boost::asio::ip::make_address(address), 4433), answer, tls));
  }
  void black_hole(std::string const& address) {
    network.at(boost::asio::ip::make_address(address)).black_hole = true;
  }
  static std::shared_ptr<TlsServer const> with(testing::LeafRequest request) {
    request.names = {"hooks.example"};
    return serving(test_authority().leaf(request));
  }
  // Real time until the name servers have answered, then simulated time to the end.
  Measured ask_name(std::string const& url = "http://hooks.example:4433/") {
    auto const began = sim.clock().now();
    auto const operations = network.operations();
    auto const asked = dns.questions();
    auto const asking = start(to(url));
    sim.run_until([&] {
      return asking.done() || network.operations() > operations || waits_for_names(asked);
    });
    while (!asking.done() && sim.clock().now() - began < 30s) sim.advance(10ms);
    check(asking.done(), "an ask ends by its deadline");
    return {.answer = asking.value(), .took = sim.clock().now() - began};
  }
  bool waits_for_names(int asked) const { return silent && dns.questions() >= asked + 2; }

  testing::FakeDns dns{sim};
  bool silent = false;  // the name server gives no answer
  std::vector<std::unique_ptr<ScriptedEndpoint>> endpoints;
};

// ---- Names

TEST_F(HostileNamesTest, a_name_that_does_not_exist_is_its_own_trouble_at_once) {
  give_failure(3);
  auto const [answer, took, bytes, came] = ask_name();
  EXPECT_EQ(answer.trouble, Trouble::dns);
  EXPECT_EQ(answer.reached, Phase::dns);
  EXPECT_EQ(answer.reason, "hooks.example: there is no such name");
  EXPECT_EQ(took, Duration::zero());
}

TEST_F(HostileNamesTest, a_failing_name_server_is_our_own_trouble_unless_it_answers_for_others) {
  give_failure(2);
  EXPECT_EQ(ask_name().answer.trouble, Trouble::resolver);

  give({dns_a("10.1.2.3")});
  serve("10.1.2.3");
  EXPECT_EQ(ask_name("http://well.example:4433/").answer.trouble, Trouble::none);
  sim.advance(61s);
  dns.answer = [](DnsQuestion const& asked) {
    if (!asked.name.starts_with("well")) return asked.failure(2);
    return asked.v6 ? asked.nothing() : asked.found({dns_a("10.1.2.3")});
  };
  EXPECT_EQ(ask_name().answer.trouble, Trouble::dns);

  give_failure(2);
  sim.advance(1s);
  EXPECT_EQ(ask_name().answer.trouble, Trouble::resolver) << "it answered a second ago";
}

TEST_F(HostileNamesTest, a_silent_name_server_costs_three_seconds) {
  give_silence();
  silent = true;
  auto const [answer, took, bytes, came] = ask_name();
  EXPECT_EQ(answer.trouble, Trouble::resolver);
  EXPECT_THAT(answer.reason, HasSubstr("hooks.example: no name server answered in time"));
  EXPECT_GE(took, 3s);
  EXPECT_LE(took, 3'100ms);
}

TEST_F(HostileNamesTest, a_slow_name_server_leaves_the_rest_of_the_time) {
  give({dns_a("10.1.2.3")});
  serve("10.1.2.3");
  dns.holds = true;
  auto const asking = start(to("http://hooks.example:4433/"));
  sim.run_until([&] { return dns.questions() >= 2; });
  sim.advance(2s);
  dns.release();
  sim.run_until([&] { return asking.done(); });

  EXPECT_EQ(asking.value().status, 200) << asking.value().reason;
  EXPECT_EQ(asking.value().dns, 2s);
}

TEST_F(HostileNamesTest, a_name_that_flaps_is_asked_anew_each_time) {
  serve("10.1.2.3");
  for (int i = 0; i < 3; ++i) {
    give_failure(3);
    EXPECT_EQ(ask_name().answer.trouble, Trouble::dns);
    give({dns_a("10.1.2.3", 0)});
    EXPECT_EQ(ask_name().answer.status, 200);
    endpoints.clear();
    serve("10.1.2.3");
    sim.advance(2s);
  }
}

TEST_F(HostileNamesTest, each_try_goes_where_the_name_leads_then) {
  give({dns_a("10.1.2.3", 0)});
  EXPECT_EQ(ask_name().answer.trouble, Trouble::refused);
  sim.advance(1s);
  give({dns_a("10.1.2.4", 0)});
  serve("10.1.2.4");

  EXPECT_EQ(ask_name().answer.address, "10.1.2.4:4433");
}

TEST_F(HostileNamesTest, of_four_thousand_addresses_eight_are_tried) {
  std::vector<testing::DnsRecord> many;
  for (int i = 0; i < 4090; ++i) {
    auto const address = "10.2." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    many.push_back(dns_a(address));
    if (i < 64) black_hole(address);
  }
  give(many);

  auto const before = network.operations();
  auto const [answer, took, bytes, came] = ask_name();

  EXPECT_EQ(answer.trouble, Trouble::timeout);
  EXPECT_EQ(network.operations() - before, 8U);
  EXPECT_LE(took, 7 * 200ms + 5s + 1s);
}

// ---- Addresses

TEST_F(HostileNamesTest, a_black_hole_of_IPv6_costs_a_head_start_of_200_ms) {
  give({dns_a("10.1.2.3")}, {dns_aaaa("fd00::1")});
  black_hole("fd00::1");
  serve("10.1.2.3");

  auto const [answer, took, bytes, came] = ask_name();

  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_EQ(answer.address, "10.1.2.3:4433");
  EXPECT_GE(took, 200ms);
  EXPECT_LE(took, 310ms);
}

TEST_F(HostileNamesTest, two_black_holes_end_at_the_limit_of_connecting) {
  give({dns_a("10.1.2.3")}, {dns_aaaa("fd00::1")});
  black_hole("fd00::1");
  black_hole("10.1.2.3");

  auto const [answer, took, bytes, came] = ask_name();

  EXPECT_EQ(answer.trouble, Trouble::timeout);
  EXPECT_EQ(answer.reached, Phase::connect);
  EXPECT_EQ(answer.reason, "no connection within 5.0 s");
  EXPECT_LE(took, 200ms + 5s + 200ms);
  EXPECT_EQ(client->open_connections(), 0U);
}

TEST_F(HostileNamesTest, behind_an_address_that_refuses_the_next_is_tried_at_once) {
  give({dns_a("10.1.2.3"), dns_a("10.1.2.4")}, {dns_aaaa("fd00::1")});
  serve("10.1.2.4");

  auto const [answer, took, bytes, came] = ask_name();

  EXPECT_EQ(answer.address, "10.1.2.4:4433");
  EXPECT_EQ(took, Duration::zero());
}

// ---- Trouble of our own

TEST_F(HostileNamesTest, without_a_network_no_endpoint_is_to_blame) {
  give({dns_a("10.1.2.3")}, {dns_aaaa("fd00::1")});
  for (auto const* const address : {"10.1.2.3", "fd00::1"})
    network.at(boost::asio::ip::make_address(address)).error = ENETUNREACH;

  auto const [answer, took, bytes, came] = ask_name();

  EXPECT_EQ(answer.trouble, Trouble::own_side);
  EXPECT_THAT(answer.reason, HasSubstr("Network is unreachable"));
  EXPECT_EQ(took, Duration::zero());
}

TEST_F(HostileNamesTest, trouble_of_our_own_with_one_address_excuses_none_of_the_others) {
  give({dns_a("10.1.2.3")}, {dns_aaaa("fd00::1")});
  network.at(boost::asio::ip::make_address("fd00::1")).error = ENETUNREACH;
  auto const refused = ask_name().answer;
  black_hole("10.1.2.3");
  auto const silent_one = ask_name().answer;

  EXPECT_EQ(refused.trouble, Trouble::refused);
  EXPECT_THAT(refused.reason, AllOf(HasSubstr("Network is unreachable"), HasSubstr("refused")));
  EXPECT_EQ(silent_one.trouble, Trouble::timeout);
}

TEST_F(HostileNamesTest, when_all_refuse_each_has_its_say) {
  give({dns_a("10.1.2.3"), dns_a("10.1.2.4")});
  auto const answer = ask_name().answer;
  EXPECT_EQ(answer.trouble, Trouble::refused);
  EXPECT_THAT(answer.reason, AllOf(HasSubstr("10.1.2.3:4433"), HasSubstr("; connect to 10.1.2.4")));
}

TEST_F(HostileNamesTest, of_servers_that_differ_behind_one_name_a_good_one_is_found) {
  give({dns_a("10.1.2.3"), dns_a("10.1.2.4")});
  serve("10.1.2.3", with({.valid_from = -48h, .valid_to = -2h}));
  serve("10.1.2.4", with({}));

  auto const answer = ask_name("https://hooks.example:4433/").answer;

  EXPECT_EQ(answer.status, 200) << answer.reason;
  EXPECT_EQ(answer.address, "10.1.2.4:4433");
}

TEST_F(HostileNamesTest, of_servers_that_differ_behind_one_name_each_bad_one_has_its_reason) {
  give({dns_a("10.1.2.3"), dns_a("10.1.2.4")});
  serve("10.1.2.3", with({.valid_from = -48h, .valid_to = -2h}));
  serve("10.1.2.4", serving(test_authority().leaf({.names = {"old.example"}})));

  auto const answer = ask_name("https://hooks.example:4433/").answer;

  EXPECT_EQ(answer.trouble, Trouble::tls);
  EXPECT_THAT(answer.reason,
              AllOf(HasSubstr("10.1.2.3:4433: certificate expired on "),
                    HasSubstr("; 10.1.2.4:4433: certificate is for old.example, not hooks")));
}

// ---- Names that lead inside

TEST_F(HostileNamesTest, one_forbidden_address_refuses_all) {
  serve("10.1.2.3");
  struct Case {
    std::vector<testing::DnsRecord> v4, v6;
    char const* reason;
  };
  auto internal = dns_a("169.254.169.254");
  internal.owner = "metadata.google.internal";
  for (auto const& [v4, v6, reason] :
       {Case{{dns_a("192.168.1.1")}, {}, "hooks.example: 192.168.1.1 is a private address"},
        Case{{dns_a("10.1.2.3"), dns_a("127.0.0.1")}, {}, "127.0.0.1 is a loopback address"},
        Case{{dns_a("10.1.2.3")}, {dns_aaaa("fe80::1")}, "fe80::1 is a link-local address"},
        Case{{dns_a("10.1.2.3")}, {dns_aaaa("::ffff:127.0.0.1")}, "is a loopback address"},
        Case{{dns_cname("metadata.google.internal"), internal},
             {},
             "169.254.169.254 is a link-local address"}}) {
    give(v4, v6);
    auto const before = network.operations();
    auto const answer = ask_name().answer;

    EXPECT_EQ(answer.trouble, Trouble::refused) << reason;
    EXPECT_THAT(answer.reason, HasSubstr(reason));
    EXPECT_EQ(network.operations(), before);
    sim.advance(61s);
  }
}

TEST_F(HostileNamesTest, a_name_that_turns_inside_is_refused_at_its_next_connect) {
  auto const tls = with({});
  give({dns_a("8.8.8.8", 0)});
  serve("8.8.8.8", tls);
  serve("127.0.0.1", tls);
  EXPECT_EQ(ask_name("https://hooks.example:4433/").answer.address, "8.8.8.8:4433");

  give({dns_a("127.0.0.1", 0)});
  sim.advance(2s);
  // The kept connection leads where it was allowed to lead; it is no way in.
  auto const kept = ask_name("https://hooks.example:4433/").answer;
  EXPECT_TRUE(kept.reused);
  EXPECT_EQ(kept.address, "8.8.8.8:4433");

  network.cut(boost::asio::ip::make_address("8.8.8.8"));
  auto const fresh = ask_name("https://hooks.example:4433/").answer;
  EXPECT_EQ(fresh.trouble, Trouble::refused);
  EXPECT_THAT(fresh.reason, StartsWith("hooks.example: 127.0.0.1 is a loopback address"));
  EXPECT_EQ(endpoints.back()->connections(), 0U);
}

TEST_F(HostileNamesTest,
       a_name_that_leads_to_millrace_itself_is_refused_though_its_range_is_allowed) {
  guard.refuse_own({io::Endpoint(boost::asio::ip::address_v6::any(), 4433)},
                   [] { return std::vector{boost::asio::ip::make_address("10.1.2.3")}; });
  give({dns_a("10.1.2.3")});
  serve("10.1.2.3");
  serve("10.1.2.4");

  EXPECT_THAT(ask_name().answer.reason,
              HasSubstr("hooks.example: 10.1.2.3:4433 is Millrace itself"));
  EXPECT_EQ(ask(to("http://10.1.2.3:4434/")).reached, Phase::connect);
  EXPECT_EQ(ask(to("http://10.1.2.4:4433/")).status, 200);
}

}  // namespace
}  // namespace millrace::http::client
