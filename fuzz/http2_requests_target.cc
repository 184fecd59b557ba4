#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "http_server/http2_serving.h"
#include "targets.h"
#include "testing/http2_caller.h"

namespace millrace::fuzz {
namespace {

using http::server::Http2Serving;
using testing::Http2Caller;

constexpr std::size_t max_text = 256 * 1024;
constexpr std::size_t body_limit = 100'000;

class StoppedClock final : public io::Clock {
 public:
  SteadyTime now() const override { return now_; }
  WallTime wall() const override { return {}; }
  io::Task<void> sleep_until(SteadyTime) override { co_return; }
  void pass(Duration span) { now_ += std::chrono::duration_cast<SteadyTime::duration>(span); }

 private:
  SteadyTime now_ = SteadyTime{} + std::chrono::hours(1);
};

http::server::ServerLimits limits_with(std::size_t memory) {
  http::server::ServerLimits limits;
  limits.body_bytes = body_limit;
  limits.bodies_in_memory = memory;
  return limits;
}

// All bodies of all connections are one share's.
http::server::BodyShare one_share(std::size_t memory) {
  return {.name = "all",
          .kind = "all",
          .bytes = memory,
          .bodies = 40,
          .patience = std::chrono::seconds(3)};
}

// Of a request: what another one must not get.
using Seen = std::tuple<Http2Serving::StreamId, std::string, std::string, std::string>;

void look_at(http::ServerRequest const& request) {
  check(!request.method.empty() && !request.method.contains(' '), "a method is a token");
  check(request.target == "*" || request.target.starts_with('/'), "a target is a path");
  check(!request.target.contains('\n') && !request.target.contains(' '), "a target is one word");
  check(request.body.size() <= body_limit, "a body keeps to the limit");
  check(request.headers.size() <= 200, "headers keep to their number");
  int hosts = 0;
  for (auto const& [name, value] : request.headers) {
    hosts += http::same_name(name, "host") ? 1 : 0;
    check(!name.empty() && !name.contains(':') && !name.contains('\n'), "a name is a token");
    check(!value.contains('\n') && !value.contains('\r') && !value.contains('\0'),
          "a value is one line");
    check(name != "content-length" || value == std::to_string(request.body.size()),
          "a body is as long as announced");
  }
  check(hosts == 1, "there is one Host");
}

// A connection, with the client's view of it.
class Talk {
 public:
  explicit Talk(http::server::ServerCore& core) : serving_(core, io::Endpoint()) {
    take(Http2Caller::hello());
  }

  void take(std::string_view bytes) {
    // Of its own size: what is read beyond it is seen by the sanitizer.
    std::vector<char> const copy(bytes.begin(), bytes.end());
    serving_.take({copy.data(), copy.size()});
    check(serving_.streams() <= 128, "streams keep to their number");
  }
  void give() {
    std::string out;
    serving_.give(out);
    check(out.size() <= 64U * 1024, "what is given at once is bounded");
    caller_.take(out);
    check(!caller_.broken, "what is said is HTTP/2");
  }
  bool begin() {
    auto ready = serving_.next();
    if (!ready) return false;
    look_at(ready->request);
    seen_.emplace_back(ready->stream, ready->request.method, ready->request.target,
                       ready->request.body);
    working_.push_back(seen_.back());
    return true;
  }
  void answer(std::size_t which) {
    if (working_.empty()) return;
    auto const at = working_.begin() + static_cast<std::ptrdiff_t>(which % working_.size());
    auto const& [stream, method, target, body] = *at;
    http::ServerResponse response;
    response.body = std::to_string(stream) + method + target + body;
    bodies_[stream] = response.body;
    bool const in_pieces = which % 3 == 0;
    serving_.answer(stream, std::move(response), in_pieces);
    if (in_pieces) {
      give();
      serving_.more(stream, "");
    }
    serving_.leave(stream);
    working_.erase(at);
  }
  void sweep() { serving_.sweep(); }
  void drain() { serving_.drain(); }
  bool is_over() const { return serving_.is_over(); }

  // Every answer is its own request's, as far as it came.
  void end() {
    while (!working_.empty()) answer(0);
    for (int i = 0; i < 100; ++i) give();
    for (auto const& [id, answer] : caller_.answers) {
      if (answer.status != "200") continue;
      auto const mine = bodies_.find(static_cast<Http2Serving::StreamId>(id));
      check(mine != bodies_.end() && mine->second.starts_with(answer.body),
            "each stream gets its own answer");
    }
  }
  std::deque<Seen> const& seen() const { return seen_; }

 private:
  Http2Serving serving_;
  Http2Caller caller_;
  std::deque<Seen> seen_, working_;
  std::map<Http2Serving::StreamId, std::string> bodies_;
};

class Chance {
 public:
  explicit Chance(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
  std::size_t below(std::size_t limit) {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 8) % limit;
  }

 private:
  std::uint32_t state_;
};

void talk_at_once(std::string_view text, std::size_t connections, std::uint32_t seed,
                  std::size_t memory) {
  StoppedClock clock;
  http::server::ServerCore core(
      http::Handler(), [memory](http::ServerRequest const&) { return one_share(memory); }, clock,
      limits_with(memory), nullptr);
  Chance chance(seed);
  std::vector<std::unique_ptr<Talk>> talks;
  std::vector<std::string_view> left(connections, text);
  for (std::size_t i = 0; i < connections; ++i) talks.push_back(std::make_unique<Talk>(core));
  auto const most_at_once = 1 + seed + text.size() / 64;
  for (bool more = true; more;) {
    more = false;
    for (std::size_t i = 0; i < connections; ++i) {
      auto& talk = *talks[i];
      auto const piece = left[i].substr(0, 1 + chance.below(most_at_once));
      left[i].remove_prefix(piece.size());
      more = more || !left[i].empty();
      if (!piece.empty()) talk.take(piece);
      if (chance.below(3) == 0) talk.give();
      if (chance.below(2) == 0) talk.begin();
      if (chance.below(3) == 0) talk.answer(chance.below(64));
      if (chance.below(16) == 0) clock.pass(std::chrono::milliseconds(chance.below(2000)));
      if (chance.below(8) == 0) talk.sweep();
      if (chance.below(64) == 0) talk.drain();
      if (chance.below(128) == 0) talks[i] = std::make_unique<Talk>(core);
    }
  }
  for (auto const& talk : talks) {
    while (talk->begin()) {
    }
    talk->end();
  }
  talks.clear();
  check(core.bodies.usage().bytes == 0 && core.bodies.usage().shares == 0,
        "all memory is given back");
}

// The requests that come of it when nothing is answered meanwhile.
std::deque<Seen> requests_of(std::string_view text, std::size_t most_at_once, std::uint32_t seed) {
  StoppedClock clock;
  http::server::ServerCore core(http::Handler(), nullptr, clock, limits_with(1 << 30), nullptr);
  Chance chance(seed);
  Talk talk(core);
  while (!text.empty() && !talk.is_over()) {
    auto const piece =
        text.substr(0, most_at_once == 0 ? text.size() : 1 + chance.below(most_at_once));
    text.remove_prefix(piece.size());
    talk.take(piece);
  }
  while (talk.begin()) {
  }
  return talk.seen();
}

}  // namespace

// Byte 0: how many connections say the text (1 to 4), and how much memory there is for bodies; byte 1: how it is cut, and what else
// happens; byte 2: how often it is said.
void http2_requests(std::string_view input) {
  if (input.size() < 3) return;
  auto const first = static_cast<unsigned char>(input[0]);
  std::uint32_t const seed = static_cast<unsigned char>(input[1]);
  auto const often = static_cast<unsigned char>(input[2]);
  constexpr std::size_t memories[] = {1 << 30, 0, 1000, 200'000};
  std::string text(input.substr(3));
  for (unsigned i = 0; i < (often >= 0xf0 ? 8U << (often & 15U) : 0U) && text.size() < max_text;
       ++i)
    text += input.substr(3);

  talk_at_once(text, 1 + first % 4, seed, memories[(first >> 2) & 3]);
  auto const whole = requests_of(text, 0, seed);
  auto const pieces = requests_of(text, 1 + seed + text.size() / 512, seed);
  if (text.size() < 16U * 1024)
    check(whole == pieces, "what is understood does not depend on the pieces");
}

}  // namespace millrace::fuzz
