#include "http/guard.h"

#include <gmock/gmock.h>

namespace millrace::http {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

boost::asio::ip::address address(std::string const& text) {
  return boost::asio::ip::make_address(text);
}
Guard closed() { return *Guard::make({}); }

class ForbiddenTest : public ::testing::TestWithParam<char const*> {};

TEST_P(ForbiddenTest, is_refused_with_its_kind) {
  EXPECT_THAT(closed().refusal(address(GetParam())), HasSubstr(" is a"));
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, ForbiddenTest,
    ::testing::Values(
        "0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200",
        "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.1", "169.254.169.254",
        "172.16.0.0", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
        "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:808:808::f5ff:fffe",
        "2001:0:808:808:0:0:f7f7:f7f7", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
        "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "3fff::1", "3fff:fff::1", "5f00::1",
        "fc00::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1", "4000::1", "1::1"));

class PublicTest : public ::testing::TestWithParam<char const*> {};

TEST_P(PublicTest, is_allowed_but_not_in_plain) {
  EXPECT_THAT(closed().refusal(address(GetParam())), IsEmpty());
  EXPECT_FALSE(closed().allows_plain(address(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Addresses, PublicTest,
                         ::testing::Values("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
                                           "100.63.255.255", "100.128.0.0", "126.255.255.255",
                                           "128.0.0.1", "169.253.255.255", "172.15.255.255",
                                           "172.32.0.0", "192.0.1.1", "192.167.255.255",
                                           "192.169.0.0", "198.17.255.255", "198.20.0.0",
                                           "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
                                           "2001:4860:4860::8888", "64:ff9b::808:808",
                                           "2002:808:808::1", "::ffff:8.8.8.8"));

TEST(GuardTest, allows_the_operators_ranges_also_in_plain) {
  auto const guard = *Guard::make({"10.1.0.0/16", "::1/128", "127.0.0.1/32"});
  EXPECT_THAT(guard.refusal(address("10.1.255.1")), IsEmpty());
  EXPECT_TRUE(guard.allows_plain(address("10.1.255.1")));
  EXPECT_THAT(guard.refusal(address("::ffff:10.1.255.1")), IsEmpty());
  EXPECT_THAT(guard.refusal(address("::1")), IsEmpty());
  EXPECT_THAT(guard.refusal(address("10.2.0.1")), Not(IsEmpty()));
  EXPECT_THAT(guard.refusal(address("127.0.0.2")), Not(IsEmpty()));
  EXPECT_FALSE(guard.allows_plain(address("8.8.8.8")));
  EXPECT_TRUE(guard.allows_anything());
  EXPECT_FALSE(closed().allows_anything());
}

TEST(GuardTest, everything_can_be_allowed) {
  auto const guard = *Guard::make({"0.0.0.0/0", "::/0"});
  EXPECT_TRUE(guard.allows_plain(address("8.8.8.8")));
  EXPECT_TRUE(guard.allows_plain(address("fd00::1")));
}

TEST(GuardTest, a_range_of_IPv4_holds_no_IPv6) {
  auto const guard = *Guard::make({"0.0.0.0/0"});
  EXPECT_FALSE(guard.allows_plain(address("::1")));
}

io::Endpoint endpoint(std::string const& text) { return *io::parse_endpoint(text); }

// A Guard that allows this machine and 10.0.0.0/8, and listens where it is told; the machine's address is 10.1.2.3 and fd00::7.
Guard listening_on(std::vector<io::Endpoint> own) {
  auto guard = *Guard::make({"127.0.0.0/8", "10.0.0.0/8", "0.0.0.0/8", "::/127", "fc00::/7"});
  guard.refuse_own(std::move(own),
                   [] { return std::vector{address("10.1.2.3"), address("fd00::7")}; });
  return guard;
}

TEST(GuardTest, refuses_where_we_listen_ourselves_though_the_range_is_allowed) {
  auto const guard = listening_on({endpoint("127.0.0.1:8080"), endpoint("10.1.2.3:9000")});
  EXPECT_EQ(guard.refusal(endpoint("127.0.0.1:8080")), "127.0.0.1:8080 is Millrace itself");
  EXPECT_THAT(guard.refusal(endpoint("10.1.2.3:9000")), HasSubstr("Millrace itself"));
  EXPECT_THAT(guard.refusal(endpoint("[::ffff:127.0.0.1]:8080")), HasSubstr("Millrace itself"));
  EXPECT_THAT(guard.refusal(endpoint("0.0.0.0:8080")), HasSubstr("Millrace itself"));
  EXPECT_THAT(guard.refusal(endpoint("[::]:8080")), HasSubstr("Millrace itself"));
  for (auto const* const other : {"127.0.0.1:8081", "127.0.0.2:8080", "10.1.2.3:8080",
                                  "10.1.2.4:9000", "[::1]:8080", "8.8.8.8:8080"})
    EXPECT_THAT(guard.refusal(endpoint(other)), IsEmpty()) << other;
}

TEST(GuardTest, a_listener_on_every_address_is_refused_at_each_of_this_machine) {
  auto const both = listening_on({endpoint("[::]:8080")});
  auto const v4 = listening_on({endpoint("0.0.0.0:8080")});
  for (auto const* const own : {"127.0.0.1:8080", "127.9.9.9:8080", "10.1.2.3:8080",
                                "[::ffff:10.1.2.3]:8080", "0.0.0.0:8080"}) {
    EXPECT_THAT(both.refusal(endpoint(own)), HasSubstr("Millrace itself")) << own;
    EXPECT_THAT(v4.refusal(endpoint(own)), HasSubstr("Millrace itself")) << own;
  }
  for (auto const* const own : {"[::1]:8080", "[fd00::7]:8080"}) {
    EXPECT_THAT(both.refusal(endpoint(own)), HasSubstr("Millrace itself")) << own;
    EXPECT_THAT(v4.refusal(endpoint(own)), IsEmpty()) << own;
  }
  EXPECT_THAT(both.refusal(endpoint("10.1.2.4:8080")), IsEmpty());
  EXPECT_THAT(both.refusal(endpoint("10.1.2.3:8081")), IsEmpty());
}

TEST(GuardTest, knows_the_addresses_of_this_machine) {
  EXPECT_THAT(local_addresses(), ::testing::Contains(address("127.0.0.1")));
}

TEST(GuardTest, refuses_what_is_no_range) {
  for (char const* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                           "::/129", "a/8", "10.0.0.1/8", "fe80::1%1/64", "10.0.0/8"})
    EXPECT_FALSE(Guard::make({text}).has_value()) << text;
}

}  // namespace
}  // namespace millrace::http
