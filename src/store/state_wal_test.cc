#include "store/state_wal.h"

#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class StateWalTest : public StoreTest {
 protected:
  static constexpr auto path = "/data/state.db-wal";

  // A write-ahead log of so many changes, as a killed process leaves it.
  void kill_after(int changes) {
    open();
    std::string before;
    for (int i = 0; i < changes; ++i) {
      ends.push_back(files.size_of(path));
      ASSERT_TRUE(wait(
          store->records().change({{"tokens", fmt::format("t{}", i), std::string(500, 'v'), 0}})));
    }
    ends.push_back(files.size_of(path));
    auto const wal = static_cast<io::Files&>(files).read_all(path, 1 << 30);
    auto const state = static_cast<io::Files&>(files).read_all("/data/state.db", 1 << 30);
    store.reset();  // which moves it into state.db
    ASSERT_TRUE(files.write_all(path, *wal));
    ASSERT_TRUE(files.write_all("/data/state.db", *state));
  }
  WalEnd found() {
    auto const end = find_wal_end(files, path);
    EXPECT_TRUE(end && *end);
    return end && *end ? **end : WalEnd();
  }

  std::vector<std::uint64_t> ends;  // of the log, before each change and after the last
};

TEST_F(StateWalTest, a_whole_log_ends_where_its_file_ends) {
  kill_after(5);

  auto const end = found();

  EXPECT_EQ(end.bytes, ends.back());
  EXPECT_EQ(end.commits, 0U);
  EXPECT_FALSE(end.rest);
}

TEST_F(StateWalTest, a_bit_in_any_transaction_but_the_last_is_damage) {
  kill_after(5);
  for (std::size_t i = 0; i + 2 < ends.size(); ++i)
    for (auto at = ends[i]; at < ends[i + 1]; at += 97) {
      SCOPED_TRACE(at);
      files.flip_bit(path, at, at % 8);

      auto const end = found();

      EXPECT_GE(end.commits, 2U);
      EXPECT_LE(end.bytes, at);
      files.flip_bit(path, at, at % 8);
    }
}

TEST_F(StateWalTest, a_last_transaction_that_is_not_whole_is_unfinished) {
  kill_after(5);
  auto const last = ends[ends.size() - 2];
  for (auto at = last; at < ends.back(); at += 61) {
    SCOPED_TRACE(at);
    files.flip_bit(path, at, 2);

    auto const end = found();

    EXPECT_LE(end.commits, 1U);
    EXPECT_EQ(end.bytes, last);
    files.flip_bit(path, at, 2);
  }
}

TEST_F(StateWalTest, a_start_on_damage_is_refused_and_says_where) {
  kill_after(5);
  files.flip_bit(path, ends[2] + 40, 1);

  auto const opened = try_open();

  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().what,
              AllOf(HasSubstr("state.db-wal: is damaged behind byte"),
                    HasSubstr("commits that were stored behind it cannot be read"),
                    HasSubstr("/data/accept-lost-state")));
}

TEST_F(StateWalTest, what_an_unfinished_transaction_left_is_never_taken_for_damage_later) {
  kill_after(5);
  auto const last = ends[ends.size() - 2];
  files.flip_bit(path, last + 30, 2);
  ASSERT_TRUE(files.remove("/data/state.witness"));  // or that transaction were known
  ASSERT_TRUE(files.write_all("/data/accept-lost-state", ""));
  open();
  EXPECT_LT(files.size_of(path), last) << "the log begins anew";
}

}  // namespace
}  // namespace millrace::store
