#include "commands/process.h"

#include <gtest/gtest.h>

namespace millrace::commands {
namespace {

TEST(ConnectionsWithin, are_as_many_as_wanted_where_descriptors_suffice) {
  EXPECT_EQ(connections_within(8192, 65'536), 8192U);
  EXPECT_EQ(connections_within(8192, 0), 8192U) << "nobody knows how many there are";
}

TEST(ConnectionsWithin, leave_descriptors_for_files_and_receivers) {
  EXPECT_EQ(connections_within(8192, 1024), 768U);
  EXPECT_EQ(connections_within(8192, 128), 64U);
  EXPECT_EQ(connections_within(8192, 20), 1U);
}

}  // namespace
}  // namespace millrace::commands
