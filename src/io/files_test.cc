#include "io/files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/encoding.h"

namespace millrace::io {
namespace {

struct FilesTest : testing::Test {
  FilesTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "millrace-files-XXXXXX").string();
    check(::mkdtemp(pattern.data()) != nullptr, "a temporary folder is made");
    folder = pattern;
  }
  ~FilesTest() override { std::filesystem::remove_all(folder); }
  std::string at(std::string const& name) const { return folder + "/" + name; }
  Fault fault_of(auto const& result) const {
    return result ? Fault::uncertain : result.error().fault;
  }

  DiskFiles disk;
  Files& files = disk;
  std::string folder;
};

TEST_F(FilesTest, a_file_holds_what_was_written_where_it_was_written) {
  auto const file = files.open(at("a"), OpenMode::create).value();
  ASSERT_TRUE(file->write(4, as_bytes("tail")));
  ASSERT_TRUE(file->write(0, as_bytes("head")));
  ASSERT_TRUE(file->sync());

  std::string got(100, '?');
  auto const bytes = file->read(2, std::as_writable_bytes(std::span(got)));

  EXPECT_EQ(bytes.value(), 6U);
  EXPECT_EQ(got.substr(0, 6), "adtail");
  EXPECT_EQ(file->size().value(), 8U);
  EXPECT_EQ(file->read(100, std::as_writable_bytes(std::span(got))).value(), 0U);
  ASSERT_TRUE(file->truncate(3));
  EXPECT_EQ(files.read_all(at("a"), 100).value(), "hea");
}

TEST_F(FilesTest, opens_as_asked) {
  EXPECT_EQ(fault_of(files.open(at("a"), OpenMode::read)), Fault::missing);
  EXPECT_EQ(fault_of(files.open(at("a"), OpenMode::write)), Fault::missing);
  ASSERT_TRUE(files.open(at("a"), OpenMode::create_fresh));
  EXPECT_EQ(fault_of(files.open(at("a"), OpenMode::create_fresh)), Fault::conflict);
  EXPECT_TRUE(files.open(at("a"), OpenMode::create));
  EXPECT_EQ(fault_of(files.open(at("a/b"), OpenMode::create)), Fault::missing);
  EXPECT_EQ(fault_of((*files.open(at("a"), OpenMode::read))->write(0, as_bytes("x"))), Fault::io);
}

TEST_F(FilesTest, makes_files_that_nobody_else_reads) {
  ASSERT_TRUE(files.write_all(at("secret"), "x"));
  ASSERT_TRUE(files.make_folders(at("deep/er")));

  struct stat status{};
  ASSERT_EQ(::stat(at("secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(at("deep/er").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST_F(FilesTest, write_all_replaces_the_whole_file) {
  ASSERT_TRUE(files.write_all(at("a"), "a long content"));
  ASSERT_TRUE(files.write_all(at("a"), "short"));

  EXPECT_EQ(files.read_all(at("a"), 100).value(), "short");
  EXPECT_EQ(files.list(folder).value(), std::vector<std::string>{"a"});
}

TEST_F(FilesTest, read_all_holds_its_limit) {
  ASSERT_TRUE(files.write_all(at("a"), "12345"));

  EXPECT_EQ(files.read_all(at("a"), 5).value(), "12345");
  EXPECT_EQ(fault_of(files.read_all(at("a"), 4)), Fault::invalid);
  EXPECT_EQ(fault_of(files.read_all(at("b"), 4)), Fault::missing);
}

TEST_F(FilesTest, a_lock_shuts_others_out_until_the_file_is_closed) {
  auto first = files.open(at("lock"), OpenMode::create).value();
  auto const second = files.open(at("lock"), OpenMode::create).value();

  EXPECT_TRUE(first->lock());
  EXPECT_EQ(fault_of(second->lock()), Fault::conflict);
  first.reset();
  EXPECT_TRUE(second->lock());
}

TEST_F(FilesTest, names_come_go_and_move) {
  ASSERT_TRUE(files.write_all(at("b"), "1"));
  ASSERT_TRUE(files.write_all(at("a"), "2"));
  EXPECT_EQ(files.list(folder).value(), (std::vector<std::string>{"a", "b"}));

  ASSERT_TRUE(files.rename(at("b"), at("a")));
  EXPECT_EQ(files.read_all(at("a"), 10).value(), "1");
  EXPECT_FALSE(files.exists(at("b")).value());
  EXPECT_EQ(fault_of(files.rename(at("b"), at("c"))), Fault::missing);
  ASSERT_TRUE(files.remove(at("a")));
  EXPECT_EQ(fault_of(files.remove(at("a"))), Fault::missing);
  EXPECT_EQ(fault_of(files.list(at("none"))), Fault::missing);
  EXPECT_TRUE(files.sync_folder(folder));
}

TEST_F(FilesTest, make_folders_does_not_mind_what_is_there) {
  EXPECT_TRUE(files.make_folders(at("x/y/z")));
  EXPECT_TRUE(files.make_folders(at("x/y")));
  ASSERT_TRUE(files.write_all(at("file"), ""));
  EXPECT_EQ(fault_of(files.make_folders(at("file"))), Fault::conflict);
}

TEST_F(FilesTest, reserve_makes_real_room) {
  auto const file = files.open(at("reserve"), OpenMode::create).value();

  ASSERT_TRUE(file->reserve(1024 * 1024));

  struct stat status{};
  ASSERT_EQ(::stat(at("reserve").c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 1024 * 1024);
}

TEST_F(FilesTest, a_full_disk_is_told_from_a_broken_one) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "this system has no /dev/full";
  auto const file = files.open("/dev/full", OpenMode::write).value();

  EXPECT_EQ(fault_of(file->write(0, as_bytes("x"))), Fault::busy);
}

TEST_F(FilesTest, tells_the_space_of_its_disk) {
  auto const space = files.space(folder);

  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

}  // namespace
}  // namespace millrace::io
