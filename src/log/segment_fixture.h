// For the tests of this room: a segment with batches whose bytes follow from their numbers, and what can be read of it.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "log/recovery.h"
#include "log/segment_reader.h"
#include "log/segment_writer.h"
#include "testing/crashing_files.h"

namespace millrace::log {

class SegmentTest : public ::testing::Test {
 protected:
  SegmentTest() {
    EXPECT_TRUE(files.make_folders("/log", 0700));
    header.salt = Salt::of("0123456789abcdef");
    header.first = 7;
    header.commit = 40;
    header.began_ms = 1'790'000'000'000;
  }

  static std::string text(std::uint64_t number, std::size_t bytes) {
    std::string made;
    for (auto x = number * 7919 + 1; made.size() < bytes;
         x = x * 6364136223846793005U + 1442695040888963407U)
      made += fmt::format("{:016x}", x);
    made.resize(bytes);
    return made;
  }
  static std::size_t body_bytes(std::uint64_t number) { return number * 2'654'435'761U % 2'600; }
  static Frame batch(std::uint64_t number) {
    return {.kind = FrameKind::batch,
            .number = number,
            .accepted_ms = 1'790'000'000'000 + static_cast<std::int64_t>(number),
            .first_id = {number, 0},
            .events = static_cast<std::uint32_t>(number % 5 + 1),
            .head = text(number + 1'000'000, 40 + number % 90),
            .body = text(number, body_bytes(number))};
  }
  Frame const& written_as(std::uint64_t number) {
    auto const at = written_.try_emplace(number);
    if (at.second) at.first->second = batch(number);
    return at.first->second;
  }
  static Frame keys(std::uint64_t next) {
    Frame frame = batch(next);
    frame.kind = FrameKind::keys;
    frame.events = 0;
    return frame;
  }
  // One to three batches, and keys with each second commit.
  static Commit commit(std::uint64_t first, std::uint64_t n) {
    Commit made;
    for (std::uint64_t i = 0; i <= n % 3; ++i) made.frames.push_back(batch(first + i));
    if (n % 2 == 0) made.frames.push_back(keys(first + made.frames.size()));
    made.change = n;
    made.checkpoint = 10 * n;
    return made;
  }

  std::unique_ptr<SegmentWriter> create() {
    auto made = SegmentWriter::create(disk, path, header);
    EXPECT_TRUE(made) << made.error().what;
    contents = Contents::empty(header);
    frames.clear();
    return std::move(*made);
  }
  bool append(SegmentWriter& writer, std::uint64_t n) {
    auto const made = writer.append(commit(contents.summary.next, n));
    if (!made) return false;
    for (auto const& frame : *made) {
      contents.add(frame);
      frames.push_back(frame);
    }
    return true;
  }
  void fill(int commits, bool sealed) {
    auto const writer = create();
    for (int n = 0; n < commits; ++n) ASSERT_TRUE(append(*writer, static_cast<std::uint64_t>(n)));
    if (sealed) ASSERT_TRUE(writer->seal(contents));
    whole = *files.read_all(path, 1U << 30);
  }
  KnownEnd known() const { return {contents.summary.next, contents.summary.end}; }
  void put(std::string_view bytes) { ASSERT_TRUE(files.write_all(path, bytes)); }

  Result<Recovered> try_recover(KnownEnd end = {}, std::optional<Salt> salt = std::nullopt) {
    auto const file = files.open(path, io::OpenMode::read, 0600);
    EXPECT_TRUE(file);
    return recover(**file, header.first, end, salt);
  }
  Recovered recovered(KnownEnd end = {}) {
    auto found = try_recover(end);
    EXPECT_TRUE(found) << found.error().what;
    return std::move(*found);
  }

  // Numbers of the batches that can be read. A batch that is not what was written fails the test.
  std::set<std::uint64_t> readable(Contents const& from) {
    std::set<std::uint64_t> found;
    auto reader = SegmentReader::open(files, path, from.header.salt);
    EXPECT_TRUE(reader);
    for (auto number = from.header.first;;) {
      auto const frame = (*reader)->batch_from(number, from.place_before(number), from.summary.end);
      EXPECT_TRUE(frame);
      if (!frame || !*frame) return found;
      number = (*frame)->number + 1;
      auto const head = (*reader)->head(**frame);
      auto const body = (*reader)->body(**frame);
      if (!head || !body) continue;
      auto const& written = written_as((*frame)->number);
      EXPECT_TRUE(*head == written.head && *body == written.body &&
                  (*frame)->events == written.events && (*frame)->first_id == written.first_id)
          << "batch " << (*frame)->number << " is not what was written";
      found.insert((*frame)->number);
    }
  }
  std::set<std::uint64_t> all_numbers() const {
    std::set<std::uint64_t> all;
    for (auto number = header.first; number < contents.summary.next; ++number) all.insert(number);
    return all;
  }

  testing::CrashingFiles files;
  std::vector<std::string> fatal_lines;
  Disk disk{files, "/log", true, [this](std::string const& line) { fatal_lines.push_back(line); }};
  std::string path = "/log/log-7.seg";
  FileHeader header;
  Contents contents;           // as the writer's user has it
  std::vector<Prefix> frames;  // all that were written
  std::string whole;           // the file

 private:
  std::map<std::uint64_t, Frame> written_;
};

}  // namespace millrace::log
