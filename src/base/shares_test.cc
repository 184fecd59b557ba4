#include "base/shares.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(SharesTest, whoever_holds_most_is_named) {
  Shares shares;
  shares.add("a", 3), shares.add("b", 5), shares.add("a", 4);
  EXPECT_EQ(shares.largest(), "a");

  shares.remove("a", 3);

  EXPECT_EQ(shares.largest(), "b");
  EXPECT_EQ(shares.of("a"), 4U);
  EXPECT_EQ(shares.total(), 9U);
}

TEST(SharesTest, nothing_is_kept_of_an_owner_who_holds_nothing) {
  Shares shares;
  shares.add("a", 2), shares.add("b", 0);
  shares.remove("a", 2);

  EXPECT_EQ(shares.owners(), 0U);
  EXPECT_EQ(shares.largest(), "");
  EXPECT_EQ(shares.of("a"), 0U);
}

TEST(SharesTest, a_flood_gives_way_before_it_reaches_another) {
  Shares shares;
  for (int i = 0; i < 10; ++i) shares.add("quiet", 1);
  for (int i = 0; i < 1000; ++i) {
    shares.add("flood", 1);
    while (shares.total() > 100) shares.remove(shares.largest(), 1);
  }

  EXPECT_EQ(shares.of("quiet"), 10U);
  EXPECT_EQ(shares.of("flood"), 90U);
}

}  // namespace
}  // namespace millrace
