#include "base/uuid.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace millrace {
namespace {

TEST(Uuid, of_version_7_is_laid_out_as_in_rfc_9562) {
  // The example of appendix A.6: 2022-02-22T19:22:22Z, random bits CC3 and 18C4DC0C0C07398F.
  auto const id = Uuid::v7(from_unix_ms(0x017F22E279B0), 0xCC3, 0x18C4DC0C0C07398F);

  EXPECT_EQ(id.text(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  EXPECT_EQ(unix_ms(id.time()), 0x017F22E279B0);
}

TEST(Uuid, of_version_7_keeps_its_marks_whatever_the_chance) {
  auto const id = Uuid::v7(from_unix_ms(1), ~0ULL, ~0ULL);

  EXPECT_EQ(id.text(), "00000000-0001-7fff-bfff-ffffffffffff");
}

TEST(Uuid, sorts_by_time) {
  EXPECT_LT(Uuid::v7(from_unix_ms(1000), ~0ULL, ~0ULL), Uuid::v7(from_unix_ms(1001), 0, 0));
  EXPECT_LT(Uuid::v7(from_unix_ms(1000), ~0ULL, ~0ULL).text(),
            Uuid::v7(from_unix_ms(1001), 0, 0).text());
}

TEST(Uuid, reads_its_text_in_either_case) {
  auto const id = Uuid::parse("017F22E2-79b0-7cc3-98C4-dc0c0c07398f");

  ASSERT_TRUE(id);
  EXPECT_EQ(id->text(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST(Uuid, refuses_every_other_text) {
  for (auto const* const text :
       {"", "017f22e279b07cc398c4dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e2 79b0-7cc3-98c4-dc0c0c07398f", "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}"})
    EXPECT_EQ(Uuid::parse(text), std::nullopt) << text;
}

TEST(Id, hashes_apart) {
  std::unordered_set<EventId> ids;
  for (std::uint64_t i = 0; i < 1000; ++i) ids.insert(EventId{Uuid::v7(from_unix_ms(1), i, i)});

  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(EventId::parse("x"), std::nullopt);
}

}  // namespace
}  // namespace millrace
