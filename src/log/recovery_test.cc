#include "log/recovery.h"

#include <algorithm>
#include <numeric>

#include "log/segment_fixture.h"

namespace millrace::log {
namespace {

class RecoveryTest : public SegmentTest {
 protected:
  // Batches whose bytes (padding apart) overlap [from, to).
  std::set<std::uint64_t> hit(std::uint64_t from, std::uint64_t to) const {
    std::set<std::uint64_t> found;
    for (auto const& frame : frames)
      if (frame.kind == FrameKind::batch && frame.place < to &&
          from < frame.body_place() + frame.body_bytes)
        found.insert(frame.number);
    return found;
  }
  // What was told as gone, by the walk or by reading.
  std::set<std::uint64_t> told(Recovered const& found) {
    std::set<std::uint64_t> numbers;
    for (auto const& damage : found.damage)
      for (auto number = damage.from; number < damage.to; ++number) numbers.insert(number);
    auto const reader = *SegmentReader::open(files, path, found.contents.header.salt);
    for (auto const& frame : frames) {
      if (frame.kind != FrameKind::batch) continue;
      auto const there = *reader->frame_at(frame.place, found.contents.summary.end);
      if (there && (!reader->head(*there) || !reader->body(*there))) numbers.insert(frame.number);
    }
    return numbers;
  }
  void expect_lost(std::set<std::uint64_t> const& lost, Recovered const& found) {
    auto left = all_numbers();
    for (auto const number : lost) left.erase(number);
    EXPECT_EQ(readable(found.contents), left);
    EXPECT_EQ(told(found), lost);
  }
  std::uint64_t luck(std::uint64_t below) {
    seed_ = seed_ * 6364136223846793005U + 1442695040888963407U;
    return (seed_ >> 33) % below;
  }

 private:
  std::uint64_t seed_ = 4711;
};

TEST_F(RecoveryTest, finds_all_of_a_segment_that_was_never_sealed) {
  fill(60, false);

  auto const found = recovered();

  EXPECT_EQ(found.contents.summary, contents.summary);
  EXPECT_EQ(found.contents.index, contents.index);
  EXPECT_EQ(found.contents.header, header);
  EXPECT_TRUE(found.damage.empty());
  EXPECT_FALSE(found.cut);
  EXPECT_FALSE(found.is_sealed);
  EXPECT_EQ(readable(found.contents), all_numbers());
}

TEST_F(RecoveryTest, a_flipped_bit_costs_exactly_the_frame_that_it_hit) {
  fill(40, false);
  for (std::uint64_t at = 0; at < whole.size(); at += 23) {
    SCOPED_TRACE(at);
    auto bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    put(bytes);

    expect_lost(hit(at, at + 1), recovered(known()));
  }
  EXPECT_GT(whole.size() / 23, 4'000U);
}

TEST_F(RecoveryTest, a_flipped_bit_of_a_sealed_segment_costs_exactly_the_frame_that_it_hit) {
  fill(20, true);
  for (std::uint64_t at = 0; at < whole.size(); at += 37) {
    SCOPED_TRACE(at);
    auto bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    put(bytes);
    auto const file = *files.open(path, io::OpenMode::read, 0600);
    auto const opened = *open_sealed(*file);

    auto left = all_numbers();
    for (auto const number : hit(at, at + 1)) left.erase(number);
    EXPECT_EQ(readable(opened ? *opened : recovered(known()).contents), left);
    EXPECT_EQ(opened.has_value(), at < contents.summary.end || at >= whole.size());
  }
}

TEST_F(RecoveryTest, a_bad_block_costs_exactly_the_frames_that_it_hit) {
  fill(40, false);
  for (int round = 0; round < 900; ++round) {
    SCOPED_TRACE(round);
    auto bytes = whole;
    std::size_t const at = (1 + luck(whole.size() / 4'096 - 1)) * 4'096;
    auto const size = std::min<std::size_t>(4'096, whole.size() - at);
    std::string block(size, '\0');
    if (round % 3 == 1)
      for (auto& byte : block) byte = static_cast<char>(luck(256));
    if (round % 3 == 2) block = whole.substr(luck((whole.size() - size) / 64) * 64, size);
    if (bytes.substr(at, size) == block) continue;
    bytes.replace(at, size, block);
    put(bytes);

    auto const found = recovered(known());

    auto left = all_numbers();
    for (auto const number : hit(at, at + size)) left.erase(number);
    auto const there = readable(found.contents);
    EXPECT_TRUE(std::ranges::includes(there, left));
    // A block of another place may have brought a part of a body that is the same.
    auto told_all = told(found);
    told_all.insert(there.begin(), there.end());
    EXPECT_EQ(told_all, all_numbers());
  }
}

TEST_F(RecoveryTest, a_cut_is_told_exactly_where_the_end_is_known) {
  fill(40, false);
  for (int round = 0; round < 500; ++round) {
    std::size_t const size = header_bytes + luck(whole.size() - header_bytes);
    SCOPED_TRACE(size);
    put(whole.substr(0, size));

    auto const found = recovered(known());

    expect_lost(hit(size, whole.size()), found);
    EXPECT_FALSE(found.cut);
  }
}

TEST_F(RecoveryTest, a_cut_leaves_whole_commits_where_nobody_knows_the_end) {
  fill(40, false);
  for (int round = 0; round < 500; ++round) {
    std::size_t const size = header_bytes + luck(whole.size() - header_bytes);
    SCOPED_TRACE(size);
    put(whole.substr(0, size));

    auto const found = recovered();

    std::set<std::uint64_t> left;
    std::uint64_t end = header_bytes;
    for (auto frame = frames.begin(); frame != frames.end();) {
      auto const behind = frame + frame->frames;
      if (std::prev(behind)->body_place() + std::prev(behind)->body_bytes > size) break;
      end = std::prev(behind)->end();
      for (; frame != behind; ++frame)
        if (frame->kind == FrameKind::batch) left.insert(frame->number);
    }
    EXPECT_EQ(readable(found.contents), left);
    EXPECT_TRUE(found.damage.empty());
    ASSERT_EQ(found.cut.has_value(), size > end);
    if (found.cut) EXPECT_EQ(found.cut->bytes, size - end);
  }
}

TEST_F(RecoveryTest, whatever_is_cut_off_is_told_with_its_commit_and_its_events) {
  fill(9, false);
  auto const& last = frames.back();
  put(whole.substr(0, whole.size() - 64));

  auto const found = recovered();

  ASSERT_TRUE(found.cut);
  EXPECT_EQ(found.cut->commit, last.commit);
  std::uint64_t batches = 0, events = 0, begin = 0;
  for (auto const& frame : frames) {
    if (frame.commit != last.commit) continue;
    if (frame.index == 0) begin = frame.place;
    batches += frame.kind == FrameKind::batch;
    events += frame.events;
  }
  EXPECT_EQ(*found.cut, (Cut{begin, whole.size() - 64 - begin, last.commit, batches, events}));
}

// The machine stops in the last commit: any of its blocks are on the disk, in any order.
TEST_F(RecoveryTest,
       the_last_commit_is_there_whole_or_not_at_all_whichever_of_its_blocks_were_written) {
  fill(42, false);
  auto const& last = frames.back();
  auto const first = std::ranges::find(frames, last.commit, &Prefix::commit);
  ASSERT_GT(last.frames, 2U);
  auto before = all_numbers();
  for (auto frame = first; frame != frames.end(); ++frame) before.erase(frame->number);
  for (int round = 0; round < 1'000; ++round) {
    SCOPED_TRACE(round);
    auto bytes = whole;
    bool all = true;
    for (auto at = first->place / 512 * 512; at < whole.size(); at += 512) {
      if (luck(4) > 0) continue;
      auto const from = std::max(at, first->place);
      auto const to = std::min<std::uint64_t>(at + 512, whole.size());
      std::fill(bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(to),
                '\0');
      all = false;
    }
    if (luck(3) == 0) bytes.resize(bytes.size() - luck(whole.size() - first->place));
    put(bytes);

    auto const found = recovered();

    EXPECT_TRUE(found.damage.empty());
    auto const there = readable(found.contents);
    bool const is_all = there == all_numbers();
    EXPECT_TRUE(is_all || there == before);
    if (all && bytes == whole) EXPECT_TRUE(is_all);
    EXPECT_TRUE(is_all || found.cut || bytes.size() <= first->place);
  }
}

TEST_F(RecoveryTest, a_stored_commit_whose_end_is_known_is_damaged_and_not_cut_off) {
  fill(9, false);
  auto const& last = frames.back();
  auto bytes = whole;
  auto const first = std::ranges::find(frames, last.commit, &Prefix::commit);
  bytes[first->body_place()] ^= 1;
  put(bytes);

  auto const unknown = recovered();
  auto const told_by_others = recovered({first->number + 1, 0});

  EXPECT_TRUE(unknown.cut);
  EXPECT_FALSE(told_by_others.cut);
  expect_lost({first->number}, told_by_others);
}

TEST_F(RecoveryTest, a_payload_that_imitates_a_frame_is_not_taken_for_one) {
  auto const writer = create();
  ASSERT_TRUE(append(*writer, 0));
  Prefix forged = frames.back();
  forged.number = forged.commit = 1'000;
  auto evil = batch(contents.summary.next);
  // Even one that knows the salt stands at another place; one that knows the place does not know the salt.
  auto const inside = contents.summary.end + prefix_bytes + evil.head.size();
  evil.body.assign(static_cast<std::size_t>(round_up(inside) - inside), 'x');
  evil.body += encode(forged, header.salt);
  forged.place = round_up(inside) + prefix_bytes;
  evil.body += encode(forged, Salt::of("a guess of their"));
  auto const written = writer->append({{evil}, 0, 0});
  ASSERT_TRUE(written);
  for (auto const& frame : *written) contents.add(frame);
  ASSERT_TRUE(append(*writer, 0));
  auto bytes = *files.read_all(path, 1U << 30);
  bytes[written->front().place + 9] ^= 1;  // so that it is searched for
  put(bytes);

  auto const found = recovered();

  ASSERT_EQ(found.damage.size(), 1U);
  EXPECT_EQ(found.damage[0].from, written->front().number);
  EXPECT_EQ(found.damage[0].to, written->front().number + 1);
  EXPECT_EQ(found.contents.summary.next, contents.summary.next);
}

TEST_F(RecoveryTest, reads_a_segment_without_its_header_where_others_know_the_salt) {
  fill(20, false);
  put(std::string(header_bytes, '\0') + whole.substr(header_bytes));

  auto const alone = try_recover();
  auto const helped = try_recover({}, header.salt);

  EXPECT_EQ(alone.error().fault, Fault::corrupt);
  ASSERT_TRUE(helped);
  EXPECT_TRUE(helped->header_is_lost);
  EXPECT_EQ(readable(helped->contents), all_numbers());
}

TEST_F(RecoveryTest, seals_what_it_cut_off_so_that_the_next_start_has_nothing_to_tell) {
  fill(9, false);
  put(whole.substr(0, whole.size() - 64));
  auto const found = recovered();

  ASSERT_TRUE(seal_recovered(disk, path, found.contents, true));

  auto const file = *files.open(path, io::OpenMode::read, 0600);
  auto const opened = *open_sealed(*file);
  ASSERT_TRUE(opened);
  EXPECT_EQ(readable(*opened), readable(found.contents));
  auto const again = recovered({found.contents.summary.next, found.contents.summary.end});
  EXPECT_TRUE(again.is_sealed);
  EXPECT_TRUE(again.damage.empty());
}

TEST_F(RecoveryTest, leaves_a_damaged_end_as_it_is_and_seals_behind_it) {
  fill(9, false);
  auto bytes = whole;
  bytes[frames.back().place] ^= 1;
  put(bytes);
  auto const found = recovered(known());
  ASSERT_TRUE(found.ends_early);

  ASSERT_TRUE(seal_recovered(disk, path, found.contents, false));

  EXPECT_TRUE(files.read_all(path, 1U << 30)->starts_with(bytes));
  auto const file = *files.open(path, io::OpenMode::read, 0600);
  auto const opened = *open_sealed(*file);
  ASSERT_TRUE(opened);
  EXPECT_EQ(readable(*opened), readable(found.contents));
}

// Counts what is read of a file that is all frames that are none.
class HostileFile final : public io::File {
 public:
  explicit HostileFile(std::string begin, std::uint64_t size)
      : begin_(std::move(begin)), size_(size) {}
  Result<std::size_t> read(std::uint64_t at, std::span<std::byte> out) override {
    auto const n =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - std::min(at, size_)));
    for (std::size_t i = 0; i < n; ++i) {
      auto const place = at + i;
      out[i] =
          static_cast<std::byte>(place < begin_.size() ? begin_[static_cast<std::size_t>(place)]
                                 : place % 64 < 4      ? "\xFFMRF"[place % 64]
                                                       : 'x');
    }
    most_ = std::max(most_, n);
    bytes_ += n;
    return n;
  }
  Result<void> write(std::uint64_t, std::span<std::byte const>) override { return {}; }
  Result<void> truncate(std::uint64_t) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<std::uint64_t> size() override { return size_; }
  Result<void> reserve(std::uint64_t) override { return {}; }
  Result<void> lock() override { return {}; }

  std::uint64_t bytes() const { return bytes_; }
  std::size_t most() const { return most_; }

 private:
  std::string begin_;
  std::uint64_t size_, bytes_ = 0;
  std::size_t most_ = 0;
};

TEST_F(RecoveryTest, reads_a_hostile_file_once_and_in_small_pieces) {
  fill(3, false);
  HostileFile file(whole, 64U << 20);

  auto const found = recover(file, header.first, {}, std::nullopt);

  ASSERT_TRUE(found);
  EXPECT_EQ(found->contents.summary.next, contents.summary.next);
  ASSERT_TRUE(found->cut);
  EXPECT_EQ(found->cut->bytes, (64U << 20) - whole.size());
  EXPECT_LT(file.bytes(), 70U << 20);
  EXPECT_LE(file.most(), 2U << 20);
}

}  // namespace
}  // namespace millrace::log
