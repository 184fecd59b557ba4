#include "scenario/receiver.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace millrace::scenario {
namespace {

// The event's own mark, in a body that is one or that is a JWT of one.
std::string marker_in(std::string body, bool is_signed) {
  if (is_signed) {
    auto const from = body.find('.');
    auto const to = body.find('.', from + 1);
    if (to == body.npos) return {};
    body = unbase64url(body.substr(from + 1, to - from - 1)).value_or("");
  }
  constexpr std::string_view key = R"("marker":")";
  auto const at = body.find(key);
  if (at == body.npos) return {};
  auto const begin = at + key.size();
  return body.substr(begin, body.find('"', begin) - begin);
}

}  // namespace

std::string_view name_of(Mood mood) {
  constexpr std::string_view names[] = {"good", "slow", "500", "429", "resets", "hangs"};
  return names[static_cast<std::size_t>(mood)];
}

Receiver::Receiver(World& world, int index)
    : world_(world),
      index_(index),
      chance_(world.seed(), 200 + static_cast<std::uint64_t>(index)) {}

io::Endpoint Receiver::at() const {
  return *io::parse_endpoint(fmt::format("10.2.0.{}:80", index_ + 1));
}
std::string Receiver::url_of(int stream) const {
  return fmt::format("http://10.2.0.{}/s/{}", index_ + 1, stream);
}

void Receiver::start() {
  acceptor_ = std::move(*world_.network().listen(world_.sim().executor(), at()));
  world_.sim().start(accept());
}

io::Task<void> Receiver::accept() {
  for (;;) {
    auto stream = co_await acceptor_->accept(world_.sim().executor());
    if (!stream) co_return;
    world_.sim().start(serve(std::make_shared<testing::Wire>(std::move(*stream))));
  }
}

io::Task<void> Receiver::serve(std::shared_ptr<testing::Wire> wire) {
  for (;;) {
    auto const request = co_await wire->read_message();
    if (!request.starts_with("POST ")) co_return;
    std::string marker;
    auto* const stream = record(request, marker);
    if (stream == nullptr) co_return;
    bool const good = mood == Mood::good || mood == Mood::slow;
    // Before the answer is on its way: whoever has counted it has seen it.
    if (good) stream->acknowledged.insert(marker);
    if (!co_await answer(*wire)) {
      wire->close();
      co_return;
    }
  }
}

io::Task<bool> Receiver::answer(testing::Wire& wire) {
  switch (mood) {
    case Mood::slow:
      co_await world_.clock().sleep_for(chance_.between(100ms, 9s));
      [[fallthrough]];
    case Mood::good:
      co_return co_await wire.send("HTTP/1.1 204 No Content\r\n\r\n");
    case Mood::failing:
      co_return co_await wire.send("HTTP/1.1 500 Broken\r\nContent-Length: 2\r\n\r\nno");
    case Mood::too_many:
      co_return co_await wire.send(
          fmt::format("HTTP/1.1 429 Slow\r\nRetry-After: {}\r\nContent-Length: 0\r\n\r\n",
                      1 + chance_.below(90)));
    case Mood::resetting:
      co_return false;
    case Mood::hanging:
      co_await world_.clock().sleep_for(25s);
      co_return false;
  }
  co_return false;
}

// Null: it is not for us, and the scenario is red.
Stream* Receiver::record(std::string const& request, std::string& marker) {
  int const number = std::atoi(request.c_str() + std::string_view("POST /s/").size());
  auto& book = world_.book();
  auto const found = book.streams.find(number);
  if (found == book.streams.end()) {
    world_.fault("a delivery is of a data stream", "a known path", request.substr(0, 60));
    return nullptr;
  }
  auto& stream = found->second;
  auto const body = request.substr(request.find("\r\n\r\n") + 4);
  marker = marker_in(body, stream.is_signed);
  auto const event = book.events.find(marker);
  if (event == book.events.end()) {
    world_.fault("a delivery is of an event that was sent", "a known marker",
                 fmt::format("stream {}: {}", number, body.substr(0, 300)));
    return nullptr;
  }
  if (!Book::perhaps(stream, event->second))
    world_.fault("walls: a stream gets what it selects", "an event of " + stream.account,
                 fmt::format("stream {} of {} got {} of {}, {}", number, stream.account, marker,
                             event->second.account, event->second.type));
  auto const [seen, is_new] = stream.bodies.try_emplace(marker, body);
  if (!is_new && seen->second != body)
    world_.fault("the bytes of an event are the same at each try", seen->second.substr(0, 600),
                 body.substr(0, 600));
  check_try(stream);
  stream.got.insert(marker);
  ++stream.tries;
  return &stream;
}

void Receiver::check_try(Stream const& stream) {
  // The try began before it came here: by the way, and by what connecting took.
  auto const began =
      world_.now() - 2s - std::chrono::duration_cast<SteadyTime::duration>(3 * route().delay);
  if (stream.stands_still(began, world_.now()))
    world_.fault("no try begins after a deactivation was answered", "silence",
                 fmt::format("stream {} got a try", stream.number));
  if (stream.removal && stream.removal->done && stream.removal->answered < began)
    world_.fault("no try begins after a deletion was answered", "silence",
                 fmt::format("stream {} got a try", stream.number));
}

}  // namespace millrace::scenario
