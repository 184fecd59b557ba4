#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "receive/per_event_store.h"
#include "receive/rolling_store.h"
#include "testing/sim.h"

namespace millrace::receive {
namespace {

// Real files, as who may read them is the disk's business.
class PermissionsTest : public ::testing::Test {
 protected:
  PermissionsTest() : umask_(::umask(0)) {
    std::string name = std::filesystem::temp_directory_path() / "millrace-permissions-XXXXXX";
    root = ::mkdtemp(name.data());
  }
  ~PermissionsTest() override {
    ::umask(umask_);
    std::filesystem::remove_all(root);
  }

  static Received event() {
    return {.id = "e1", .key = "id e1", .name = "grade_change", .json = "{}"};
  }
  void store_per_event(Permissions permissions) {
    auto opened = open_per_event(files, io::inline_worker(), root + "/store", permissions);
    ASSERT_TRUE(opened);
    ASSERT_TRUE(sim.run((*opened)->put(event())));
  }
  void store_rolling(Permissions permissions) {
    auto opened = open_rolling({files, sim.clock(), sim.random(), sim.log(), [](Error const&) {}},
                               {.folders = {root + "/store", root + "/store/.spool", permissions}},
                               io::inline_worker(), io::inline_worker());
    ASSERT_TRUE(opened);
    ASSERT_TRUE(sim.run((*opened)->put(event())));
    ASSERT_TRUE(sim.run((*opened)->close()));
  }
  // The permissions of everything below the store that is a file, or that is not; without the spool's.
  std::set<unsigned> modes(bool of_files) const {
    std::set<unsigned> found;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(root + "/store"))
      if (!entry.path().string().contains("/.") && entry.is_regular_file() == of_files)
        found.insert(static_cast<unsigned>(entry.status().permissions()));
    return found;
  }

  mode_t umask_;
  std::string root;
  io::DiskFiles files;
  testing::Sim sim;
};

TEST_F(PermissionsTest, files_are_their_owner_s_alone) {
  store_per_event({});
  EXPECT_EQ(modes(true), std::set<unsigned>{0600});
  EXPECT_EQ(modes(false), std::set<unsigned>{0700});

  std::filesystem::remove_all(root + "/store");
  store_rolling({});
  EXPECT_EQ(modes(true), std::set<unsigned>{0600});
  EXPECT_EQ(modes(false), std::set<unsigned>{0700});
}

TEST_F(PermissionsTest, a_mode_that_lets_the_group_read_lets_it_into_the_folders_too) {
  store_per_event({.file = 0640});
  EXPECT_EQ(modes(true), std::set<unsigned>{0640});
  EXPECT_EQ(modes(false), std::set<unsigned>{0750});

  std::filesystem::remove_all(root + "/store");
  store_rolling({.file = 0644});
  EXPECT_EQ(modes(true), std::set<unsigned>{0644});
  EXPECT_EQ(modes(false), std::set<unsigned>{0755});
}

TEST_F(PermissionsTest, the_spool_is_its_owner_s_alone) {
  store_rolling({.file = 0644});

  for (auto const& entry : std::filesystem::recursive_directory_iterator(root + "/store/.spool"))
    EXPECT_EQ(static_cast<unsigned>(entry.status().permissions()), 0600U) << entry.path();
}

}  // namespace
}  // namespace millrace::receive
