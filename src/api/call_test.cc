#include "api/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/sim.h"

namespace millrace::api {
namespace {

using ::testing::SizeIs;

TEST(CallTest, percent_encoding_is_read_strictly) {
  EXPECT_EQ(percent_decoded("a%20b%2Fc", false), "a b/c");
  EXPECT_EQ(percent_decoded("a+b", true), "a b");
  EXPECT_EQ(percent_decoded("a+b", false), "a+b");
  for (auto const* const bad : {"%", "%2", "%zz", "%00", "a%2"})
    EXPECT_EQ(percent_decoded(bad, false), std::nullopt) << bad;
}

TEST(CallTest, a_query_has_known_parameters_once) {
  auto const query = parse_query("limit=5&after=a%26b&", "limit after");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->at("limit"), "5");
  EXPECT_EQ(query->at("after"), "a&b");
  EXPECT_TRUE(parse_query("", ""));

  auto const faulty = parse_query("x=1&limit=1&limit=2&after=%zz", "limit after");
  ASSERT_FALSE(faulty);
  EXPECT_THAT(faulty.error(), SizeIs(3));
}

TEST(CallTest, a_limit_is_a_number_in_its_range) {
  for (auto const* const bad : {"0", "1001", "-1", "", "5x", "99999999999999999999"}) {
    FieldFaults faults;
    page_of({{"limit", bad}}, faults);
    EXPECT_THAT(faults, SizeIs(1)) << bad;
  }
  FieldFaults faults;
  EXPECT_EQ(page_of({{"limit", "1000"}}, faults).limit, 1000);
  EXPECT_EQ(page_of({}, faults).limit, usual_items);
  EXPECT_THAT(faults, SizeIs(0));
}

TEST(ProblemTest, each_fault_has_its_status) {
  EXPECT_EQ(status_of(Fault::invalid), 400);
  EXPECT_EQ(status_of(Fault::denied), 403);
  EXPECT_EQ(status_of(Fault::missing), 404);
  EXPECT_EQ(status_of(Fault::conflict), 409);
  EXPECT_EQ(status_of(Fault::busy), 503);
  EXPECT_EQ(status_of(Fault::unreachable), 502);
  EXPECT_EQ(status_of(Fault::uncertain), 504);
  EXPECT_EQ(status_of(Fault::corrupt), 500);
  EXPECT_EQ(status_of(Fault::io), 500);
}

}  // namespace
}  // namespace millrace::api
