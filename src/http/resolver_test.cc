#include "http/resolver.h"

#include <gmock/gmock.h>

#include "testing/fake_dns.h"
#include "testing/sim.h"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using testing::dns_a;
using testing::dns_aaaa;
using testing::dns_cname;
using testing::DnsQuestion;
using testing::DnsRecord;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ResolverTest : public ::testing::Test {
 protected:
  Lookup const& look_up(std::string const& host) {
    kept.push_back(resolver.look_up(host));
    auto const& lookup = *kept.back();
    sim.run_until([&] {
      resolver.tick();
      return lookup.done;
    });
    return lookup;
  }
  // Each name has these addresses of IPv4.
  void give(std::vector<DnsRecord> records) {
    dns.answer = [records](DnsQuestion const& asked) {
      return asked.v6 ? asked.nothing() : asked.found(records);
    };
  }
  static std::vector<std::string> texts(Lookup const& lookup) {
    std::vector<std::string> all;
    for (auto const& address : lookup.addresses) all.push_back(address.to_string());
    return all;
  }

  testing::Sim sim;
  testing::FakeDns dns{sim};
  Resolver resolver{sim.executor(), sim.clock(), dns.address()};
  std::vector<std::shared_ptr<Lookup>> kept;
};

TEST_F(ResolverTest, gives_the_addresses_and_keeps_them_for_their_time) {
  give({dns_a("8.8.8.8", 30), dns_a("10.1.1.1", 20)});

  auto const& lookup = look_up("two.example");
  EXPECT_EQ(lookup.trouble, NameTrouble::none) << lookup.reason;
  EXPECT_THAT(texts(lookup), ElementsAre("8.8.8.8", "10.1.1.1"));
  auto const asked = dns.questions();
  look_up("two.example");
  EXPECT_EQ(dns.questions(), asked);
  sim.advance(21s);
  look_up("two.example");
  EXPECT_GT(dns.questions(), asked);
}

TEST_F(ResolverTest, an_answer_for_no_time_serves_those_of_a_second) {
  give({dns_a("8.8.8.8", 0)});
  look_up("now.example");
  auto const asked = dns.questions();
  look_up("now.example");
  EXPECT_EQ(dns.questions(), asked);

  give({dns_a("9.9.9.9", 0)});
  sim.advance(1s);

  EXPECT_THAT(texts(look_up("now.example")), ElementsAre("9.9.9.9"));
}

TEST_F(ResolverTest, IPv6_comes_first_and_the_families_in_turn) {
  dns.answer = [](DnsQuestion const& asked) {
    return asked.v6 ? asked.found({dns_aaaa("2606:4700::1"), dns_aaaa("2606:4700::2")})
                    : asked.found({dns_a("8.8.8.8"), dns_a("8.8.4.4"), dns_a("8.8.8.8")});
  };
  EXPECT_THAT(texts(look_up("both.example")),
              ElementsAre("2606:4700::1", "8.8.8.8", "2606:4700::2", "8.8.4.4"));
}

// 64 KB are all that an answer can be: 4,090 addresses.
TEST_F(ResolverTest, of_thousands_of_addresses_the_first_count) {
  std::vector<DnsRecord> records;
  for (int i = 0; i < 4090; ++i)
    records.push_back(dns_a("8.1." + std::to_string(i / 256) + "." + std::to_string(i % 256)));
  give(records);

  auto const& lookup = look_up("many.example");

  EXPECT_EQ(lookup.trouble, NameTrouble::none) << lookup.reason;
  EXPECT_THAT(lookup.addresses, SizeIs(64));
  EXPECT_EQ(lookup.addresses.front().to_string(), "8.1.0.0");
  EXPECT_EQ(dns.over_tcp(), 1);
}

TEST_F(ResolverTest, a_name_that_does_not_exist_is_the_names_trouble) {
  dns.answer = [](DnsQuestion const& asked) { return asked.failure(3); };
  auto const& lookup = look_up("nowhere.example");
  EXPECT_EQ(lookup.trouble, NameTrouble::name);
  EXPECT_EQ(lookup.reason, "nowhere.example: there is no such name");
}

TEST_F(ResolverTest, a_name_without_addresses_is_the_names_trouble) {
  dns.answer = [](DnsQuestion const& asked) { return asked.nothing(); };
  auto const& lookup = look_up("empty.example");
  EXPECT_EQ(lookup.trouble, NameTrouble::name);
  EXPECT_EQ(lookup.reason, "empty.example: the name has no address");
}

TEST_F(ResolverTest, a_server_that_fails_for_all_is_the_resolvers_trouble_and_for_one_the_names) {
  dns.answer = [](DnsQuestion const& asked) {
    if (!asked.name.starts_with("good")) return asked.failure(2);
    return asked.v6 ? asked.nothing() : asked.found({dns_a("8.8.8.8", 1)});
  };

  EXPECT_EQ(look_up("bad.example").trouble, NameTrouble::resolver);
  EXPECT_EQ(resolver.silence("bad.example"), NameTrouble::resolver);
  EXPECT_EQ(look_up("good.example").trouble, NameTrouble::none);
  EXPECT_EQ(look_up("bad.example").trouble, NameTrouble::name);
  EXPECT_THAT(look_up("bad.example").reason, HasSubstr("bad.example: no name server can answer"));
  sim.advance(1h);
  EXPECT_EQ(look_up("bad.example").trouble, NameTrouble::name) << "the other is found still";
}

TEST_F(ResolverTest, a_server_that_is_lost_just_after_it_answered_is_no_names_trouble) {
  bool well = true;
  dns.answer = [&](DnsQuestion const& asked) {
    if (!well) return asked.failure(2);
    return asked.v6 ? asked.nothing() : asked.found({dns_a("8.8.8.8", 1)});
  };
  look_up("one.example");
  look_up("two.example");
  well = false;
  sim.advance(2s);

  for (auto const* const name : {"one.example", "two.example", "three.example"})
    EXPECT_EQ(look_up(name).trouble, NameTrouble::resolver) << name;
}

TEST_F(ResolverTest, a_name_that_nobody_answers_for_is_to_blame_when_another_is_found_meanwhile) {
  bool well = true;
  dns.answer = [&](DnsQuestion const& asked) {
    if (!well || asked.name.starts_with("mute")) return std::string();
    return asked.v6 ? asked.nothing() : asked.found({dns_a("8.8.8.8", 1)});
  };
  look_up("good.example");
  sim.advance(2s);
  kept.push_back(resolver.look_up("mute.example"));
  EXPECT_EQ(resolver.silence("mute.example"), NameTrouble::resolver) << "nothing tells as yet";
  kept.push_back(resolver.look_up("mute.example"));
  sim.run_until([&] {
    resolver.tick();
    return resolver.silence("mute.example") == NameTrouble::name;
  });

  well = false;
  kept.push_back(resolver.look_up("silent.example"));
  EXPECT_EQ(resolver.silence("silent.example"), NameTrouble::name) << "found at the same time";
  sim.advance(2s);
  kept.push_back(resolver.look_up("later.example"));
  EXPECT_EQ(resolver.silence("later.example"), NameTrouble::resolver);
}

TEST_F(ResolverTest, aliases_are_followed_and_circles_end) {
  dns.answer = [](DnsQuestion const& asked) {
    if (asked.name.starts_with("circle"))
      return asked.found({dns_cname("b.example"), dns_cname("circle.example", "b.example")});
    auto address = dns_a("8.8.8.8");
    address.owner = "c.example";
    return asked.v6 ? asked.nothing() : asked.found({dns_cname("c.example"), address});
  };
  EXPECT_THAT(texts(look_up("alias.example")), ElementsAre("8.8.8.8"));
  EXPECT_EQ(look_up("circle.example").trouble, NameTrouble::name);
}

TEST_F(ResolverTest, malformed_answers_are_the_names_trouble_and_hurt_nobody) {
  std::vector<std::string (*)(DnsQuestion const&)> const bad = {
      [](DnsQuestion const& asked) { return asked.found({dns_a("8.8.8.8")}).substr(0, 40); },
      [](DnsQuestion const& asked) {  // counts more records than there are
        auto message = asked.found({dns_a("8.8.8.8")});
        message[7] = 99;
        return message;
      },
      [](DnsQuestion const& asked) {  // a record of 60,000 bytes
        auto message = asked.found({dns_a("8.8.8.8")});
        message[message.size() - 6] = '\xea';
        return message;
      },
      [](DnsQuestion const& asked) {  // a name that points at itself
        auto message = asked.found({dns_a("8.8.8.8")});
        auto const at = asked.bytes.size();
        message[at] = '\xc0';
        message[at + 1] = static_cast<char>(at);
        return message;
      },
      [](DnsQuestion const& asked) {  // an address of three bytes
        return asked.found(
            {DnsRecord{.type = asked.v6 ? std::uint16_t{28} : std::uint16_t{1}, .data = "abc"}});
      }};
  for (auto const& message : bad) {
    dns.answer = message;
    auto const& lookup = look_up("bad.example");
    EXPECT_EQ(lookup.trouble, NameTrouble::name) << lookup.reason;
    EXPECT_THAT(lookup.addresses, IsEmpty());
  }
}

TEST_F(ResolverTest, answers_to_other_questions_are_passed_over) {
  dns.answer = [](DnsQuestion const& asked) {
    DnsQuestion other = asked;
    other.bytes[0] = static_cast<char>(other.bytes[0] ^ 1);  // its number
    return other.found({dns_a("8.8.8.8")});
  };
  auto const lookup = resolver.look_up("who.example");
  sim.run_until([&] { return dns.questions() >= 2; });
  sim.settle();
  EXPECT_FALSE(lookup->done);
}

TEST_F(ResolverTest, joins_questions_for_one_name) {
  give({dns_a("8.8.8.8")});
  auto const first = resolver.look_up("same.example");
  EXPECT_EQ(resolver.look_up("same.example"), first);
  sim.run_until([&] { return first->done; });
  EXPECT_LE(dns.questions(), 2);
}

io::Task<void> wait_until_done(Lookup& lookup) {
  while (!lookup.done) co_await lookup.changed.wait();
}

TEST_F(ResolverTest, that_goes_away_ends_the_questions_that_are_open) {
  dns.answer = [](DnsQuestion const&) { return std::string(); };
  auto mine = std::make_unique<Resolver>(sim.executor(), sim.clock(), dns.address());
  auto const lookup = mine->look_up("silent.example");
  sim.run_until([&] { return dns.questions() > 0; });
  auto const waiting = sim.start(wait_until_done(*lookup));
  mine.reset();
  sim.settle();
  EXPECT_TRUE(waiting.done());
  EXPECT_EQ(lookup->trouble, NameTrouble::resolver);
  EXPECT_THAT(lookup->reason, ::testing::HasSubstr("given up"));
}

}  // namespace
}  // namespace millrace::http
