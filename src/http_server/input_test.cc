#include "http_server/input.h"

#include <gmock/gmock.h>

#include <deque>
#include <type_traits>

#include "base/encoding.h"

namespace millrace::http::server {
namespace {

static_assert(!std::is_copy_constructible_v<ReadBuffer> &&
              !std::is_move_constructible_v<ReadBuffer>);
static_assert(!std::is_copy_constructible_v<Input> && !std::is_move_constructible_v<Input>);

// Gives what it is told to, a piece a read; counts the reads.
class Pieces final : public io::ByteStream {
 public:
  explicit Pieces(std::deque<std::string> pieces) : pieces_(std::move(pieces)) {}
  io::Moved try_read(std::span<std::byte> out) override {
    ++reads;
    if (pieces_.empty()) return {io::Moved::State::again};
    auto const piece = std::move(pieces_.front());
    pieces_.pop_front();
    std::ranges::copy(as_bytes(piece), out.begin());
    return {io::Moved::State::done, piece.size()};
  }
  io::Moved try_write(std::span<std::byte const>) override { return {io::Moved::State::again}; }
  io::Task<Result<void>> readable() override { co_return Result<void>(); }
  io::Task<Result<void>> writable() override { co_return Result<void>(); }
  void close() override {}
  int descriptor() const override { return -1; }
  io::Endpoint peer() const override { return {}; }
  int reads = 0;

 private:
  std::deque<std::string> pieces_;
};

TEST(InputTest, keeps_what_came_while_another_reads_into_the_same_memory) {
  ReadBuffer lent;
  Pieces first({"of the first"}), second({"OF THE SECOND"});
  Input a(false), b(false);

  a.read(first, lent);
  auto const before = a.bytes();
  b.read(second, lent);

  EXPECT_EQ(before, "of the first");
  EXPECT_EQ(b.bytes(), "OF THE SECOND");
}

TEST(InputTest, appends_behind_what_is_not_taken_yet) {
  ReadBuffer lent;
  Pieces stream({"abc", std::string(ReadBuffer::size, 'x'), "z"});
  Input input(true);

  input.read(stream, lent);
  input.take(2);
  input.read(stream, lent);
  input.read(stream, lent);

  EXPECT_EQ(input.bytes(), "c" + std::string(ReadBuffer::size, 'x') + "z");
  input.take(input.bytes().size());
  EXPECT_TRUE(input.empty());
}

TEST(InputTest, asks_a_stream_that_it_emptied_only_when_that_was_waited_for) {
  ReadBuffer lent;
  Pieces stream({"abc", "d"});
  Input input(false);

  input.read(stream, lent);
  EXPECT_EQ(input.read(stream, lent).state, io::Moved::State::again);
  EXPECT_EQ(stream.reads, 1);
  input.awaited();
  input.read(stream, lent);

  EXPECT_EQ(stream.reads, 2);
  EXPECT_EQ(input.bytes(), "abcd");
}

}  // namespace
}  // namespace millrace::http::server
