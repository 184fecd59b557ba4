#include "control/signing_keys.h"

#include <gmock/gmock.h>

#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::control {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr auto day = hours(24);

class KeysTest : public ::testing::Test {
 protected:
  KeysParts parts() {
    return {.store = store_,
            .sealer = sealer_,
            .clock = sim_.clock(),
            .random = sim_.random(),
            .worker = *worker_,
            .log = sim_.log()};
  }

  void open() {
    auto opened = sim_.run(SigningKeys::open(parts()));
    ASSERT_TRUE(opened) << opened.error().what;
    keys_ = std::move(*opened);
  }
  std::vector<std::string> shown() const {
    std::vector<std::string> kids;
    for (auto const* const key : keys_->ring().get()->published(wall())) kids.push_back(key->kid);
    return kids;
  }
  std::string current() const { return keys_->ring().get()->key_for(wall(), wall()).kid; }
  WallTime wall() const { return sim_.clock().wall(); }
  std::size_t stored() { return sim_.run(store_.records("signing_keys"))->size(); }

  mutable ::millrace::testing::Sim sim_;
  ::millrace::testing::MemoryStore store_{sim_.clock()};
  std::unique_ptr<io::Worker> worker_ = io::inline_worker();
  crypto::Sealer sealer_ = *crypto::Sealer::make(std::string(32, 'k'));
  std::unique_ptr<SigningKeys> keys_;
};

TEST_F(KeysTest, begins_with_three_distinct_keys_sealed_in_the_store) {
  open();

  auto const kids = shown();
  ASSERT_THAT(kids, SizeIs(3));
  EXPECT_NE(kids[0], kids[1]);
  EXPECT_NE(kids[1], kids[2]);
  EXPECT_NE(kids[0], kids[2]);
  EXPECT_EQ(current(), kids[1]);
  auto const records = *sim_.run(store_.records("signing_keys"));
  ASSERT_THAT(records, SizeIs(3));
  for (auto const& record : records) EXPECT_FALSE(record.value.contains("PRIVATE"));
}

TEST_F(KeysTest, has_the_same_keys_after_a_restart) {
  open();
  auto const before = shown();
  open();

  EXPECT_EQ(shown(), before);
  EXPECT_EQ(stored(), 3U);
}

TEST_F(KeysTest, does_not_open_with_another_master_key) {
  open();
  sealer_ = *crypto::Sealer::make(std::string(32, 'x'));

  auto const opened = sim_.run(SigningKeys::open(parts()));

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::corrupt);
}

TEST_F(KeysTest, moves_each_key_one_place_at_the_rotation_and_shows_three_at_every_moment) {
  open();
  auto const running = sim_.start(keys_->run());
  auto const before = shown();
  auto const moment = crypto::next_rotation(wall());

  sim_.advance(moment - wall() - minutes(1));
  EXPECT_EQ(shown(), before);
  sim_.advance(minutes(1));

  auto const after = shown();
  ASSERT_THAT(after, SizeIs(3));
  EXPECT_EQ(after[0], before[1]);
  EXPECT_EQ(after[1], before[2]);
  EXPECT_EQ(current(), before[2]);
  EXPECT_EQ(stored(), 4U);  // the new next one was there before the moment
  sim_.advance(hours(2));
  EXPECT_EQ(shown(), after);
  EXPECT_EQ(stored(), 4U);
}

TEST_F(KeysTest, rotates_once_a_month_for_a_year) {
  open();
  auto const running = sim_.start(keys_->run());
  auto const keys_at_first = stored();
  auto const end = wall() + day * 365;
  std::vector<WallTime> moments;
  for (auto at = crypto::next_rotation(wall()); at < end; at = crypto::next_rotation(at))
    moments.push_back(at);

  for (auto const moment : moments) {
    auto const before = current();
    sim_.advance(moment - wall() - std::chrono::seconds(1));
    EXPECT_EQ(current(), before) << iso_s(wall());
    sim_.advance(std::chrono::seconds(1));
    EXPECT_NE(current(), before) << iso_s(wall());
    EXPECT_THAT(shown(), SizeIs(3)) << iso_s(wall());
  }

  EXPECT_EQ(stored() - keys_at_first, moments.size());
}

TEST_F(KeysTest, rotates_once_when_several_moments_were_missed) {
  open();
  auto const before = shown();
  sim_.advance(day * 100);  // nobody runs
  open();

  auto const after = shown();
  ASSERT_THAT(after, SizeIs(3));
  EXPECT_EQ(after[0], before[1]);
  EXPECT_EQ(after[1], before[2]);
  EXPECT_EQ(stored(), 4U);
}

TEST_F(KeysTest, shows_no_key_that_is_not_stored) {
  open();
  auto const before = keys_->ring().get()->keys().size();
  sim_.advance(crypto::next_rotation(wall()) - wall() - minutes(30));
  store_.fail_changes(1, Error{Fault::io, "the disk is gone"});

  EXPECT_FALSE(sim_.run(keys_->prepare()));
  EXPECT_EQ(keys_->ring().get()->keys().size(), before);
  EXPECT_TRUE(sim_.run(keys_->prepare()));
  EXPECT_EQ(keys_->ring().get()->keys().size(), before + 1);
}

TEST_F(KeysTest, rotates_when_asked) {
  open();
  auto const before = shown();
  sim_.advance(minutes(1));

  ASSERT_TRUE(sim_.run(keys_->rotate({})));

  auto const after = shown();
  ASSERT_THAT(after, SizeIs(3));
  EXPECT_THAT(after, ElementsAre(before[1], before[2], after[2]));
  open();
  EXPECT_EQ(shown(), after);
}

TEST_F(KeysTest, withdraws_the_current_key_in_an_emergency) {
  open();
  auto const before = shown();

  ASSERT_TRUE(sim_.run(keys_->rotate(before[1])));

  auto const after = shown();
  EXPECT_THAT(after, ElementsAre(before[0], before[2], after[2]));
  EXPECT_EQ(current(), before[2]);
  EXPECT_NE(keys_->ring().get()->find(before[1]), nullptr);  // old JWTs can still be looked into
}

TEST_F(KeysTest, replaces_a_next_key_that_is_withdrawn_and_goes_on_signing_with_the_current_one) {
  open();
  auto const before = shown();

  ASSERT_TRUE(sim_.run(keys_->rotate(before[2])));

  auto const after = shown();
  EXPECT_THAT(after, ElementsAre(before[0], before[1], after[2]));
  EXPECT_NE(after[2], before[2]);
  EXPECT_EQ(current(), before[1]);
}

TEST_F(KeysTest, withdraws_a_previous_key_without_a_rotation) {
  open();
  auto const before = shown();

  ASSERT_TRUE(sim_.run(keys_->rotate(before[0])));

  EXPECT_THAT(shown(), ElementsAre(before[1], before[2]));
  EXPECT_EQ(current(), before[1]);
}

TEST_F(KeysTest, knows_no_key_that_is_not_there) {
  open();

  auto const rotated = sim_.run(keys_->rotate("2026-01-01T00:00:00Z-0000"));

  ASSERT_FALSE(rotated);
  EXPECT_EQ(rotated.error().fault, Fault::missing);
}

}  // namespace
}  // namespace millrace::control
