#include "commands/naming.h"

#include <gtest/gtest.h>

#include "json/reader.h"

namespace millrace::commands {
namespace {

class NamingTest : public ::testing::Test {
 protected:
  std::string id_of(std::string_view word) const {
    auto const id = id_meant(all, word, "data stream");
    return id ? *id : std::string(name_of(id.error().fault)) + ": " + id.error().what;
  }
  std::vector<Named> all{{"01a22317-e712-7eca-93e9-7a386b459d16", "Ally"},
                         {"01a22317-e77d-7b63-a22a-f95668c719f2", "Analytics"},
                         {"02b00000-0000-7000-8000-000000000000", "Twin"},
                         {"03c00000-0000-7000-8000-000000000000", "Twin"},
                         {"04d00000-0000-7000-8000-000000000000", "02b0"}};
};

TEST_F(NamingTest, a_name_an_id_and_a_unique_beginning_all_mean_the_thing) {
  EXPECT_EQ(id_of("Ally"), all[0].id);
  EXPECT_EQ(id_of(all[1].id), all[1].id);
  EXPECT_EQ(id_of("01a22317-e71"), all[0].id);
  EXPECT_EQ(id_of("01A22317-E77D"), all[1].id);
}

TEST_F(NamingTest, a_name_goes_before_the_beginning_of_an_id) {
  EXPECT_EQ(id_of("02b0"), all[4].id);
  EXPECT_EQ(id_of("02b00"), all[2].id);
}

TEST_F(NamingTest, what_may_mean_several_is_refused_with_their_ids) {
  EXPECT_EQ(id_of("Twin"),
            "invalid: Twin: is the name of more than one data stream: 2 "
            "(02b00000-0000-7000-8000-000000000000, 03c00000-0000-7000-8000-000000000000); give "
            "more of an id");
  EXPECT_EQ(id_of("01a2").substr(0, 52), "invalid: 01a2: is the beginning of more than one id:");
}

TEST_F(NamingTest, what_means_none_is_refused_with_the_nearest_name) {
  EXPECT_EQ(id_of("Analitics"),
            "missing: Analitics: there is no such data stream (an id, its beginning of 4 "
            "characters or more, or a name); did you mean \"Analytics\"?");
  EXPECT_TRUE(id_of("03c").starts_with("missing: "));  // too short to be meant
  EXPECT_TRUE(id_of("").starts_with("invalid: "));
}

TEST(NamedInTest, what_is_revoked_or_no_object_is_left_out) {
  auto const items = json::parse(
      R"([{"id":"a","name":"x","revoked":true},{"id":"b","name":"y","revoked":false},{"id":"c"},7])");

  auto const all = named_in(items->get_array(), "id", "name");

  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].id + all[0].name, "by");
  EXPECT_EQ(all[1].id + all[1].name, "c");
}

}  // namespace
}  // namespace millrace::commands
