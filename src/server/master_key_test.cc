#include "server/master_key.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::server {
namespace {

using ::testing::HasSubstr;

class MasterKeyTest : public ::testing::Test {
 protected:
  MasterKeyTest() {
    char name[] = "/tmp/millrace-master-key-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~MasterKeyTest() override { std::filesystem::remove_all(folder_); }

  Result<crypto::Sealer> open() {
    return sim_.run(open_master_key(store_, files_, sim_.random(), folder_));
  }
  std::string path() const { return folder_ + "/master.key"; }

  std::string folder_;
  io::DiskFiles files_;
  ::millrace::testing::Sim sim_;
  ::millrace::testing::MemoryStore store_{sim_.clock()};
};

TEST_F(MasterKeyTest, is_made_at_the_first_start_for_its_owner_only) {
  ASSERT_TRUE(open());

  struct stat status{};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(static_cast<io::Files&>(files_).read_all(path(), 100)->size(), 65U);
}

TEST_F(MasterKeyTest, stays_the_same) {
  auto const first = open();
  auto const second = open();

  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->fingerprint(), second->fingerprint());
}

TEST_F(MasterKeyTest, refuses_to_start_when_it_is_lost) {
  ASSERT_TRUE(open());
  std::filesystem::remove(path());

  auto const opened = open();

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::missing);
  EXPECT_THAT(opened.error().what, HasSubstr("master.key: is missing"));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(MasterKeyTest, refuses_to_start_with_another_one) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(static_cast<io::Files&>(files_).write_all(path(), std::string(64, 'a') + "\n"));

  auto const opened = open();

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::conflict);
}

TEST_F(MasterKeyTest, refuses_a_file_that_is_no_key) {
  ASSERT_TRUE(static_cast<io::Files&>(files_).write_all(path(), "hello\n"));

  auto const opened = open();

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::invalid);
}

TEST_F(MasterKeyTest, goes_on_after_a_crash_between_the_file_and_its_fingerprint) {
  ASSERT_TRUE(static_cast<io::Files&>(files_).write_all(path(), std::string(64, 'a') + "\n"));

  EXPECT_TRUE(open());
  EXPECT_TRUE(open());
}

}  // namespace
}  // namespace millrace::server
