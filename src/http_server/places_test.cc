#include "http_server/places.h"

#include <gmock/gmock.h>

#include <vector>

namespace millrace::http::server {
namespace {

namespace ip = boost::asio::ip;
using ::testing::ElementsAre;

struct Closing final : Places::Resting {
  Closing(std::vector<int>& closed_ones, int number) : closed(closed_ones), who(number) {}
  void make_room() override { closed.push_back(who); }
  std::vector<int>& closed;
  int who;
};

auto const a = ip::make_address("192.0.2.1"), b = ip::make_address("192.0.2.2");

TEST(PlacesTest, the_one_that_rests_longest_goes_and_goes_once) {
  std::vector<int> closed;
  Places places(10);
  Closing one(closed, 1), two(closed, 2), three(closed, 3);
  Places::Place first(places, one, a), second(places, two, a), third(places, three, b);
  first.rest();
  second.rest();
  third.rest();
  second.work();
  first.rest();  // it has just had a request

  EXPECT_TRUE(places.make_room());
  EXPECT_TRUE(places.make_room());
  EXPECT_FALSE(places.make_room());

  EXPECT_THAT(closed, ElementsAre(3, 1));
}

TEST(PlacesTest, an_address_beyond_its_share_pays_with_its_own) {
  std::vector<int> closed;
  Places places(2);
  Closing one(closed, 1), two(closed, 2), three(closed, 3), four(closed, 4);
  Places::Place other(places, one, b), first(places, two, a), second(places, three, a);
  other.rest();
  first.rest();
  second.rest();
  EXPECT_FALSE(second.is_beyond_share());
  Places::Place third(places, four, a);
  EXPECT_TRUE(third.is_beyond_share());

  EXPECT_TRUE(places.make_room(a));

  EXPECT_THAT(closed, ElementsAre(2));
}

TEST(PlacesTest, nobodys_share_has_no_end) {
  std::vector<int> closed;
  Places places(1);
  Closing one(closed, 1), two(closed, 2);
  Places::Place first(places, one, std::nullopt), second(places, two, std::nullopt);

  EXPECT_FALSE(second.is_beyond_share());
}

TEST(PlacesTest, what_ends_is_forgotten) {
  std::vector<int> closed;
  Places places(1);
  Closing one(closed, 1);
  {
    Places::Place gone(places, one, a);
    gone.rest();
    EXPECT_EQ(places.of(a), 1U);
  }

  EXPECT_EQ(places.of(a), 0U);
  EXPECT_FALSE(places.make_room());
}

TEST(PlacesTest, a_client_is_an_IPv4_address_or_64_bits) {
  EXPECT_EQ(client_key(ip::make_address("::ffff:192.0.2.1")), a);
  EXPECT_EQ(client_key(ip::make_address("2001:db8:1:2:3:4:5:6")),
            client_key(ip::make_address("2001:db8:1:2::1")));
  EXPECT_NE(client_key(ip::make_address("2001:db8:1:2::1")),
            client_key(ip::make_address("2001:db8:1:3::1")));
}

}  // namespace
}  // namespace millrace::http::server
