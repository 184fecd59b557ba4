#include "ingest/aggregated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/aggregated_fixture.h"

namespace millrace::ingest {
namespace {

using namespace fixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(AggregatedTest, gives_each_user_record_in_order) {
  auto const data = aggregated({"one", "", std::string(300, 'x')}, 1);

  EXPECT_TRUE(is_aggregated(data));
  EXPECT_THAT(read_aggregated(data, 10).value(), ElementsAre("one", "", std::string(300, 'x')));
  EXPECT_THAT(read_aggregated(framed(""), 10).value(), IsEmpty());
  EXPECT_FALSE(is_aggregated("{}"));
}

TEST(AggregatedTest, passes_over_fields_that_it_does_not_need) {
  auto const record = '\x08' + varint(0) + '\x10' + varint(70'000) + with_length('\x1A', "data") +
                      with_length('\x22', "tag") + "\x29" + std::string(8, '\0') + "\x35" +
                      std::string(4, '\0');
  auto const data = framed(with_length('\x0A', "key") + with_length('\x12', "hash") +
                           with_length('\x1A', record));

  EXPECT_THAT(read_aggregated(data, 10).value(), ElementsAre("data"));
}

TEST(AggregatedTest, refuses_more_records_than_it_may_give) {
  EXPECT_TRUE(read_aggregated(aggregated({"1", "2"}), 2));
  EXPECT_THAT(read_aggregated(aggregated({"1", "2", "3"}), 2).error().what,
              HasSubstr("more than 2 records"));
}

TEST(AggregatedTest, refuses_what_is_cut_or_changed_at_any_byte) {
  auto const data = aggregated({"one", "two"});
  for (std::size_t n = 0; n < data.size(); ++n) {
    EXPECT_FALSE(read_aggregated(data.substr(0, n), 10)) << n;
    auto changed = data;
    changed[n] = static_cast<char>(changed[n] ^ 1);
    EXPECT_FALSE(read_aggregated(changed, 10)) << n;
  }
}

TEST(AggregatedTest, refuses_messages_that_are_malformed_though_their_checksum_fits) {
  std::string const key = with_length('\x0A', "key");
  for (auto const& message :
       {key + "\x1A",
        key + "\x1A\x05"
              "ab",
        key + with_length('\x1A', "\x08"), key + with_length('\x1A', with_length('\x1A', "no key")),
        key + with_length('\x1A', std::string("\x08\x00", 2)), key + "\x07", key + "\x1B",
        key + std::string("\x00\x00", 2), key + std::string(11, '\x80')}) {
    EXPECT_FALSE(read_aggregated(framed(message), 10));
  }
  EXPECT_THAT(read_aggregated(aggregated({"x"}, 2), 10).error().what,
              HasSubstr("not in its table"));
}

}  // namespace
}  // namespace millrace::ingest
