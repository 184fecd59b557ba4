#include "log/segment_writer.h"

#include "log/segment_fixture.h"

namespace millrace::log {
namespace {

using SegmentWriterTest = SegmentTest;

TEST_F(SegmentWriterTest, gives_back_what_was_written_byte_for_byte_while_it_grows_and_sealed) {
  auto const writer = create();
  for (std::uint64_t n = 0; n < 40; ++n) {
    ASSERT_TRUE(append(*writer, n));
    EXPECT_EQ(readable(contents), all_numbers());
  }

  ASSERT_TRUE(writer->seal(contents));

  EXPECT_EQ(readable(contents), all_numbers());
  EXPECT_GT(all_numbers().size(), 70U);
}

TEST_F(SegmentWriterTest, is_one_write_and_one_sync_a_commit) {
  auto const writer = create();
  auto const before = files.operations();

  ASSERT_TRUE(append(*writer, 2));

  EXPECT_EQ(files.operations() - before, 2U);
}

TEST_F(SegmentWriterTest, a_sealed_segment_opens_by_its_header_and_footer) {
  fill(40, true);
  auto const file = *files.open(path, io::OpenMode::read, 0600);

  auto const opened = open_sealed(*file);

  ASSERT_TRUE(opened && *opened);
  contents.summary.marks = contents.index.marks.size();
  contents.summary.keys = contents.index.keys.size();
  EXPECT_EQ((*opened)->summary, contents.summary);
  EXPECT_EQ((*opened)->index, contents.index);
  EXPECT_EQ((*opened)->header, header);
  EXPECT_EQ(readable(**opened), all_numbers());
}

TEST_F(SegmentWriterTest, a_segment_that_is_written_to_is_not_sealed) {
  fill(40, false);
  auto const file = *files.open(path, io::OpenMode::read, 0600);

  auto const opened = open_sealed(*file);

  ASSERT_TRUE(opened);
  EXPECT_FALSE(*opened);
}

TEST_F(SegmentWriterTest, finds_a_batch_by_its_time) {
  fill(200, false);
  auto const reader = *SegmentReader::open(files, path, header.salt);
  auto const ms = batch(150).accepted_ms;

  auto place = contents.place_before_time(ms);

  std::uint64_t number = header.first;
  for (auto frame = *reader->batch_from(number, place, contents.summary.end);
       frame && frame->accepted_ms < ms;
       frame = *reader->batch_from(number, place, contents.summary.end)) {
    number = frame->number + 1;
    place = frame->end();
  }
  EXPECT_EQ((*reader->batch_from(number, place, contents.summary.end))->number, 150U);
  EXPECT_GT(contents.index.marks.size(), 2U);
}

TEST_F(SegmentWriterTest, a_commit_without_space_is_refused_as_busy_and_leaves_the_file_as_it_was) {
  auto const writer = create();
  ASSERT_TRUE(append(*writer, 1));
  auto const before = *files.read_all(path, 1U << 30);
  files.limit_space(before.size() + 1'000);

  auto const refused = writer->append(commit(contents.summary.next, 2));

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::busy);
  EXPECT_EQ(*files.read_all(path, 1U << 30), before);
  files.limit_space(1U << 30);
  ASSERT_TRUE(append(*writer, 1));
  EXPECT_EQ(readable(recovered().contents), all_numbers());
  EXPECT_TRUE(fatal_lines.empty());
}

TEST_F(SegmentWriterTest, a_file_that_cannot_be_put_back_takes_no_more) {
  auto const writer = create();
  ASSERT_TRUE(append(*writer, 1));
  files.fail_at(files.operations(), Fault::io, 2);

  EXPECT_FALSE(append(*writer, 2));

  EXPECT_TRUE(writer->is_spent());
  EXPECT_FALSE(append(*writer, 2));
  EXPECT_EQ(readable(recovered().contents), all_numbers());
}

TEST_F(SegmentWriterTest, a_failed_sync_is_fatal) {
  auto const writer = create();
  files.fail_at(files.operations() + 1);

  EXPECT_FALSE(append(*writer, 1));

  ASSERT_EQ(fatal_lines.size(), 1U);
  EXPECT_TRUE(fatal_lines[0].contains(path));
}

TEST_F(SegmentWriterTest, half_a_file_never_has_the_name_of_a_segment) {
  for (std::uint64_t n = 0; n < 6; ++n) {
    files.replace_disk();
    ASSERT_TRUE(files.make_folders("/log", 0700));
    files.stop_at(n);
    static_cast<void>(SegmentWriter::create(disk, path, header));
    files.restart(n);

    if (*files.exists(path)) EXPECT_TRUE(try_recover());
  }
}

enum class Trouble { machine_stops, operation_fails, disk_is_full };

// A commit that was answered is there whole; another one is there whole or not at all; what is left is told.
class SegmentSweep : public SegmentTest, public ::testing::WithParamInterface<Trouble> {
 protected:
  void tell() {
    auto made = SegmentWriter::create(disk, path, header);
    if (!made) return;
    contents = Contents::empty(header);
    for (std::uint64_t n = 0; n < 12 && !files.is_stopped() && fatal_lines.empty(); ++n) {
      begun = commit(contents.summary.next, n);
      if (append(**made, n)) begun.reset();
      if ((*made)->is_spent()) return;
    }
    if (!files.is_stopped() && fatal_lines.empty()) static_cast<void>((*made)->seal(contents));
  }
  std::optional<Commit> begun;  // and not answered
};

TEST_P(SegmentSweep, keeps_what_was_answered_at_every_operation) {
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    files.replace_disk();
    ASSERT_TRUE(files.make_folders("/log", 0700));
    fatal_lines.clear();
    begun.reset();
    contents = Contents::empty(header);
    if (GetParam() == Trouble::machine_stops)
      files.stop_at(n);
    else
      files.fail_at(n, GetParam() == Trouble::disk_is_full ? Fault::busy : Fault::io);
    tell();
    bool const reached =
        GetParam() == Trouble::machine_stops ? files.is_stopped() : files.has_failed();
    files.stop();
    files.restart(n * 13 + 5);
    if (!*files.exists(path)) {
      ASSERT_TRUE(contents.is_empty());
      continue;
    }

    auto const found = recovered();

    auto const numbers = readable(found.contents);
    EXPECT_TRUE(found.damage.empty());
    auto const answered = contents.summary.next - header.first;
    auto const more = begun ? std::ranges::count(begun->frames, FrameKind::batch, &Frame::kind) : 0;
    EXPECT_TRUE(numbers.size() == answered ||
                numbers.size() == answered + static_cast<std::uint64_t>(more))
        << numbers.size() << " of " << answered;
    if (!reached) break;
    ASSERT_LT(n, 200U);
  }
}

std::string name_of_trouble(::testing::TestParamInfo<Trouble> const& one) {
  constexpr std::array names{"machine_stops", "operation_fails", "disk_is_full"};
  return names[static_cast<std::size_t>(one.param)];
}
INSTANTIATE_TEST_SUITE_P(Segment, SegmentSweep,
                         ::testing::Values(Trouble::machine_stops, Trouble::operation_fails,
                                           Trouble::disk_is_full),
                         name_of_trouble);

}  // namespace
}  // namespace millrace::log
