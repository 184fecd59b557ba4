#include "server/offline.h"

#include <gmock/gmock.h>

#include "server/master_key.h"
#include "store/open.h"
#include "store/store_fixture.h"

namespace millrace::server {
namespace {

using ::testing::HasSubstr;

struct OfflineTest : store::StoreTest {
  OfflineParts parts{.files = files, .clock = clock, .random = random, .log = log};
};

TEST_F(OfflineTest, a_token_is_added_to_the_folder_of_a_stopped_service) {
  open();
  ASSERT_TRUE(wait(store->close()));
  store.reset();

  auto const made = add_token_offline({.folder = "/data", .name = "way in"}, parts);

  ASSERT_TRUE(made) << made.error().what;
  open();
  auto sealer = wait(open_master_key(*store, files, random, "/data"));
  ASSERT_TRUE(sealer) << sealer.error().what;
  auto const registry = wait(control::Registry::open(*store, *sealer, clock, random));
  ASSERT_TRUE(registry) << registry.error().what;
  auto const who = (*registry)->token(made->secret);
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->may_own() && who->sees_all());
  EXPECT_EQ(wait(store->newest_records("audit", "", {10}))->items.size(), 1U);
}

TEST_F(OfflineTest, a_folder_that_is_in_use_is_refused) {
  open();

  auto const made = add_token_offline({.folder = "/data", .name = "way in"}, parts);

  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().fault, Fault::conflict);
  EXPECT_THAT(made.error().what, HasSubstr("another Millrace process"));
}

TEST_F(OfflineTest, a_folder_that_is_none_stays_as_it_is) {
  auto const made = add_token_offline({.folder = "/dtaa", .name = "way in"}, parts);

  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().fault, Fault::missing);
  EXPECT_FALSE(*files.exists("/dtaa/state.db"));
}

}  // namespace
}  // namespace millrace::server
