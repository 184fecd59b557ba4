#include "io/net.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "base/encoding.h"

namespace millrace::io {
namespace {

using namespace std::chrono_literals;

Task<bool> send(ByteStream& stream, std::string_view text) {
  auto bytes = as_bytes(text);
  while (!bytes.empty()) {
    auto const moved = stream.try_write(bytes);
    if (moved.state == Moved::State::done) {
      bytes = bytes.subspan(moved.bytes);
    } else if (moved.state != Moved::State::again || !co_await stream.writable()) {
      co_return false;
    }
  }
  co_return true;
}

// All until the peer ends, or `limit` bytes.
Task<std::string> receive(ByteStream& stream, std::size_t limit) {
  std::string got;
  while (got.size() < limit) {
    std::array<std::byte, 4096> buffer;
    auto const moved = stream.try_read(buffer);
    if (moved.state == Moved::State::done) {
      got += as_text(std::span(buffer).first(moved.bytes));
    } else if (moved.state != Moved::State::again || !co_await stream.readable()) {
      break;
    }
  }
  co_return got;
}

Task<void> echo_one(Acceptor& acceptor, Executor loop) {
  auto stream = co_await acceptor.accept(loop);
  if (!stream) co_return;
  auto const got = co_await receive(**stream, 200'000);
  co_await send(**stream, got);
}

Task<void> ask(Network& network, Endpoint to, std::string& answer) {
  auto stream = co_await network.connect(to);
  if (!stream) {
    answer = stream.error().what;
    co_return;
  }
  std::string const question(200'000, 'q');
  co_await send(**stream, question);
  answer = co_await receive(**stream, 1'000'000);
}

struct NetTest : testing::Test {
  asio::io_context loop;
  TaskScope tasks{loop.get_executor()};
  SystemNetwork network;
  Endpoint const any_port = parse_endpoint("127.0.0.1:0").value();
};

TEST_F(NetTest, bytes_go_there_and_back) {
  auto const acceptor = network.listen(loop.get_executor(), any_port).value();
  std::string answer;
  tasks.start(echo_one(*acceptor, loop.get_executor()));
  tasks.start(ask(network, acceptor->local(), answer));

  loop.run_for(20s);

  EXPECT_EQ(answer, std::string(200'000, 'q'));
}

TEST_F(NetTest, a_port_that_nobody_listens_on_is_unreachable) {
  auto acceptor = network.listen(loop.get_executor(), any_port).value();
  auto const gone = acceptor->local();
  acceptor.reset();
  std::string answer;
  tasks.start(ask(network, gone, answer));

  loop.run_for(20s);

  EXPECT_THAT(answer, testing::HasSubstr("connect to 127.0.0.1:"));
}

TEST_F(NetTest, a_port_in_use_is_a_conflict) {
  auto const acceptor = network.listen(loop.get_executor(), any_port).value();

  auto const second = network.listen(loop.get_executor(), acceptor->local());

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::conflict);
}

Task<void> wait_until_readable(ByteStream& stream, std::optional<Result<void>>& result) {
  result = co_await stream.readable();
}

Task<void> connect_both(Network& network, Acceptor& acceptor, Executor loop,
                        std::unique_ptr<ByteStream>& one, std::unique_ptr<ByteStream>& other) {
  one = (co_await network.connect(acceptor.local())).value();
  other = (co_await acceptor.accept(loop)).value();
}

TEST_F(NetTest, a_wait_ends_when_the_stream_is_closed_or_cancelled) {
  auto const acceptor = network.listen(loop.get_executor(), any_port).value();
  std::unique_ptr<ByteStream> one, other;
  tasks.start(connect_both(network, *acceptor, loop.get_executor(), one, other));
  loop.run_for(20s);
  ASSERT_TRUE(one && other);
  std::optional<Result<void>> closed, cancelled;
  tasks.start(wait_until_readable(*one, closed));
  TaskScope doomed(loop.get_executor());
  doomed.start(wait_until_readable(*other, cancelled));
  loop.restart();
  loop.poll();

  one->close();
  one->close();
  doomed.cancel();
  loop.restart();
  loop.run_for(20s);

  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error().fault, Fault::io);
  EXPECT_FALSE(cancelled);  // unwound: it saw nothing
  std::array<std::byte, 1> byte;
  EXPECT_EQ(other->try_read(byte).state, Moved::State::ended);
}

TEST_F(NetTest, the_end_is_found_behind_bytes_that_came_with_it) {
  auto const acceptor = network.listen(loop.get_executor(), any_port).value();
  std::unique_ptr<ByteStream> one, other;
  tasks.start(connect_both(network, *acceptor, loop.get_executor(), one, other));
  loop.run_for(20s);
  std::optional<Result<void>> waited;
  tasks.start(wait_until_readable(*other, waited));
  loop.restart();
  loop.poll();
  ASSERT_EQ(one->try_write(as_bytes("end")).bytes, 3U);
  one->close();
  loop.run_for(20s);
  ASSERT_TRUE(waited && *waited);
  std::array<std::byte, 100> bytes;
  ASSERT_EQ(other->try_read(bytes).bytes, 3U);

  waited.reset();
  tasks.start(wait_until_readable(*other, waited));
  loop.restart();
  loop.run_for(20s);

  ASSERT_TRUE(waited && *waited);
  EXPECT_EQ(other->try_read(bytes).state, Moved::State::ended);
}

TEST_F(NetTest, several_may_wait_for_the_same_and_one_may_give_up) {
  auto const acceptor = network.listen(loop.get_executor(), any_port).value();
  std::unique_ptr<ByteStream> one, other;
  tasks.start(connect_both(network, *acceptor, loop.get_executor(), one, other));
  loop.run_for(20s);
  std::array<std::optional<Result<void>>, 3> waited;
  TaskScope doomed(loop.get_executor());
  tasks.start(wait_until_readable(*other, waited[0]));
  doomed.start(wait_until_readable(*other, waited[1]));
  tasks.start(wait_until_readable(*other, waited[2]));
  loop.restart();
  loop.poll();

  doomed.cancel();
  loop.restart();
  loop.poll();
  ASSERT_EQ(one->try_write(as_bytes("x")).bytes, 1U);
  loop.run_for(20s);

  EXPECT_TRUE(waited[0] && *waited[0]);
  EXPECT_FALSE(waited[1]);
  EXPECT_TRUE(waited[2] && *waited[2]);
}

Task<void> close_when_readable(ByteStream& stream, std::unique_ptr<ByteStream>& victim) {
  static_cast<void>(co_await stream.readable());
  victim.reset();
}

TEST_F(NetTest, of_two_streams_that_are_ready_at_once_one_may_destroy_the_other) {
  auto const acceptor = network.listen(loop.get_executor(), any_port).value();
  std::array<std::unique_ptr<ByteStream>, 2> near, far;
  for (std::size_t i : {0U, 1U}) {
    tasks.start(connect_both(network, *acceptor, loop.get_executor(), near[i], far[i]));
    loop.run_for(20s);
    loop.restart();
  }
  tasks.start(close_when_readable(*far[0], far[1]));
  tasks.start(close_when_readable(*far[1], far[0]));
  loop.poll();

  ASSERT_EQ(near[0]->try_write(as_bytes("x")).bytes, 1U);
  ASSERT_EQ(near[1]->try_write(as_bytes("x")).bytes, 1U);
  loop.run_for(20s);

  EXPECT_EQ(tasks.running(), 0U);
  EXPECT_TRUE(loop.stopped()) << "the loop ends when nobody waits";
}

TEST_F(NetTest, an_accept_ends_when_the_listener_is_closed) {
  auto const acceptor = network.listen(loop.get_executor(), any_port).value();
  tasks.start(echo_one(*acceptor, loop.get_executor()));
  loop.poll();

  acceptor->close();
  loop.restart();
  loop.run_for(20s);

  EXPECT_EQ(tasks.running(), 0U);
}

TEST_F(NetTest, adopts_a_listening_socket_and_nothing_else) {
  asio::ip::tcp::acceptor given(loop, any_port);
  std::string answer;
  auto const adopted = network.adopt(loop.get_executor(), given.release()).value();
  tasks.start(echo_one(*adopted, loop.get_executor()));
  tasks.start(ask(network, adopted->local(), answer));
  loop.run_for(20s);
  EXPECT_EQ(answer.size(), 200'000U);

  int const file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(network.adopt(loop.get_executor(), file).error().fault, Fault::invalid);
  ::close(file);
  asio::ip::tcp::socket const unused(loop, asio::ip::tcp::v4());
  EXPECT_FALSE(network.adopt(loop.get_executor(),
                             const_cast<asio::ip::tcp::socket&>(unused).native_handle()));
  EXPECT_FALSE(network.adopt(loop.get_executor(), -1));
}

TEST(ParseEndpoint, reads_what_people_write) {
  EXPECT_EQ(text_of(parse_endpoint("127.0.0.1:8080").value()), "127.0.0.1:8080");
  EXPECT_EQ(text_of(parse_endpoint("[::1]:0").value()), "[::1]:0");
  EXPECT_EQ(text_of(parse_endpoint(":8080").value()), "[::]:8080");
  EXPECT_EQ(text_of(parse_endpoint("localhost:1").value()), "127.0.0.1:1");
  for (auto const* const text :
       {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x",
        "256.0.0.1:80", "name.example:80", "[::1:80"})
    EXPECT_FALSE(parse_endpoint(text)) << text;
}

}  // namespace
}  // namespace millrace::io
