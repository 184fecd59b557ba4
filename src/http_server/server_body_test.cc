// Answers that come from a BodySource, and readers that take their time.
#include <gmock/gmock.h>

#include "http_server/server.h"
#include "testing/fake_network.h"
#include "testing/sim.h"
#include "testing/wire.h"

namespace millrace::http::server {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::Wire;

struct Story {
  std::vector<std::string> pieces;
  bool fails = false, throws = false;  // behind the pieces
  int asked = 0, alive = 0;
};

class Told final : public BodySource {
 public:
  explicit Told(Story& story) : story_(story) { ++story_.alive; }
  ~Told() override { --story_.alive; }
  io::Task<Result<std::string>> next() override {
    auto const at = static_cast<std::size_t>(story_.asked++);
    if (at < story_.pieces.size()) co_return story_.pieces[at];
    if (story_.throws) throw std::runtime_error("a secret of the source");
    if (story_.fails) co_return fail(Fault::io, "disk: gone");
    co_return std::string();
  }

 private:
  Story& story_;
};

class ServerBodyTest : public ::testing::Test {
 protected:
  ServerBodyTest() {
    server = serve(
        std::move(*network.listen(sim.executor(), at)), sim.executor(), {sim.executor()},
        [this](ServerRequest) { return tell(*this); }, sim.clock());
  }
  static io::Task<ServerResponse> tell(ServerBodyTest& test) {
    ServerResponse response;
    response.status = test.status;
    response.body = test.beginning;
    response.more = std::make_unique<Told>(test.story);
    co_return response;
  }
  Wire connect() { return Wire(std::move(*sim.run(network.connect(at)))); }
  std::string exchange(std::string request) {
    auto wire = connect();
    sim.run([](Wire& to, std::string text) -> io::Task<void> { co_await to.send(std::move(text)); }(
                                               wire, std::move(request)));
    return sim.finish(wire.read_all());
  }

  testing::Sim sim;
  testing::FakeNetwork network{sim.executor(), sim.clock()};
  io::Endpoint at{boost::asio::ip::address_v4::loopback(), 80};
  Story story{.pieces = {"first,", "second"}};
  std::string beginning;
  int status = 200;
  std::unique_ptr<Server> server;
};

TEST_F(ServerBodyTest, sends_pieces_as_chunks_and_goes_on_with_the_connection) {
  beginning = "begun:";

  auto const heard = exchange(
      "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

  EXPECT_THAT(heard, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_THAT(
      heard,
      HasSubstr("\r\n\r\n6\r\nbegun:\r\n6\r\nfirst,\r\n6\r\nsecond\r\n0\r\n\r\nHTTP/1.1 200 "));
  EXPECT_THAT(heard, EndsWith("\r\n\r\n6\r\nbegun:\r\n0\r\n\r\n"));  // all was told to the first
  EXPECT_THAT(heard, Not(HasSubstr("Content-Length")));
  EXPECT_EQ(story.alive, 0);
}

TEST_F(ServerBodyTest, gives_HTTP_1_0_the_bare_bytes_until_the_end) {
  auto const heard = exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

  EXPECT_THAT(heard, EndsWith("\r\n\r\nfirst,second"));
  EXPECT_THAT(heard, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(heard, Not(HasSubstr("chunked")));
}

TEST_F(ServerBodyTest, asks_for_nothing_where_there_is_no_body) {
  EXPECT_THAT(exchange("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              EndsWith("Connection: close\r\n\r\n"));
  status = 204;
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              EndsWith("Connection: close\r\n\r\n"));

  EXPECT_EQ(story.asked, 0);
  EXPECT_EQ(story.alive, 0);
}

TEST_F(ServerBodyTest, a_source_that_fails_or_throws_never_makes_a_whole_answer) {
  for (bool const throws : {false, true}) {
    story = {.pieces = {"first,"}, .fails = !throws, .throws = throws};

    auto const heard = exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n");

    EXPECT_THAT(heard, EndsWith("\r\n6\r\nfirst,\r\n"));
    EXPECT_THAT(heard, Not(HasSubstr("secret")));
    EXPECT_EQ(story.alive, 0);
  }
}

TEST_F(ServerBodyTest, asks_for_a_piece_only_when_what_came_before_is_written) {
  story.pieces.assign(100, std::string(BodySource::most, 'x'));
  auto wire = connect();
  sim.run([](Wire& to) -> io::Task<void> {
    co_await to.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  }(wire));

  EXPECT_EQ(story.asked, 1);  // nobody has read
  for (int read = 1; read <= 10; ++read) {
    sim.finish(wire.read_count(BodySource::most));
    sim.settle();
    EXPECT_LE(story.asked, read + 1);
  }
}

TEST_F(ServerBodyTest, a_reader_that_goes_away_ends_the_source) {
  story.pieces.assign(100, std::string(BodySource::most, 'x'));
  auto wire = connect();
  sim.run([](Wire& to) -> io::Task<void> {
    co_await to.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  }(wire));
  EXPECT_EQ(story.alive, 1);

  wire.close();
  sim.settle();

  EXPECT_EQ(story.alive, 0);
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(ServerBodyTest, a_reader_that_stops_is_given_up_and_a_slow_one_is_not) {
  story.pieces.assign(5, std::string(BodySource::most, 'x'));
  auto stopped = connect();
  auto slow = connect();
  for (auto* const wire : {&stopped, &slow})
    sim.run([](Wire& to) -> io::Task<void> {
      co_await to.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }(*wire));

  for (int i = 0; i < 8; ++i) {  // 32 KiB a second
    sim.advance(10s);
    sim.finish(slow.read_count(320 * 1024));
  }

  EXPECT_EQ(server->connections(), 1U);
}

TEST_F(ServerBodyTest, a_reader_that_takes_less_than_the_least_rate_is_given_up_in_the_end) {
  story.pieces.assign(5, std::string(BodySource::most, 'x'));
  auto wire = connect();
  sim.run([](Wire& to) -> io::Task<void> {
    co_await to.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  }(wire));

  int seconds = 0;
  for (; seconds < 600 && server->connections() == 1; seconds += 5) {
    sim.advance(5s);
    sim.finish(wire.read_count(4 * 1024));
  }

  EXPECT_LT(seconds, 120);
}

}  // namespace
}  // namespace millrace::http::server
