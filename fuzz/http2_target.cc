#include <algorithm>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "http_client/http2_engine.h"
#include "targets.h"

namespace millrace::fuzz {
namespace {

using http::client::Answer;
using http::client::Http2Engine;
using State = http::client::Http2Stream::State;

constexpr std::size_t max_text = 256 * 1024;
constexpr std::size_t streams_at_once = 8;

// An exchange, with what it needs.
struct Exchange final : http::client::Http2Stream {
  Exchange(http::client::Ask const& of, std::unique_ptr<Answer> to)
      : http::client::Http2Stream(of, *to), ask(of), answer(std::move(to)) {}
  void became_over() override { ++ends; }
  http::client::Ask const& ask;
  std::unique_ptr<Answer> answer;
  int ends = 0;
};

struct Outcome {
  State state{};
  int status = 0;
  std::string body, headers;
  bool operator==(Outcome const&) const = default;
};

// A connection, with exchanges under way, and what the peer says.
class Connection {
 public:
  Connection(std::uint32_t seed, std::size_t kept) : chance_(seed * 2654435761U + 1), kept_(kept) {
    url_.scheme = "https";
    url_.host = "127.0.0.1";
    url_.port = 443;
    url_.target = "/";
    for (std::size_t const size : {2UL, 0UL, 100'000UL}) {
      bodies_.emplace_back(size, 'x');
      http::client::Ask ask;
      ask.url = &url_;
      ask.method = size == 0 ? "GET" : "POST";
      ask.head = "content-type: application/json\r\n";
      ask.body = bodies_.back();
      ask.kept_body = kept;
      asks_.push_back(ask);
    }
  }

  void begin() {
    auto const& ask = asks_[next_++ % asks_.size()];
    auto const room = engine_.room();
    auto one = std::make_unique<Exchange>(ask, std::make_unique<Answer>());
    bool const begun = engine_.begin(*one);
    check(begun || room == 0 || engine_.room() == 0, "where there is room a stream begins");
    check(!begun || room > 0, "where there is no room no stream begins");
    if (!begun) return;
    asked_ += ask.body.size() + 1024;
    exchanges_.push_back(std::move(one));
  }

  void take(std::string_view bytes) {
    // Of its own size: what is read beyond it is seen by the sanitizer.
    std::vector<char> const copy(bytes.begin(), bytes.end());
    now_ += std::chrono::milliseconds(1);
    engine_.take({copy.data(), copy.size()}, now_);
    took_ += bytes.size();
    look();
  }

  void give() {
    std::string out;
    engine_.give(out);
    engine_.note_sent(out.size());
    check(out.size() <= 64U * 1024, "what is given at once is bounded");
    gave_ += out.size();
    // PING, SETTINGS and window updates are answered by about as much.
    check(gave_ <= asked_ + 64U * 1024 + 4 * took_, "what is given is bounded by what came");
    look();
  }

  void act() {
    switch (next_chance(8)) {
      case 0:
        if (exchanges_.size() < streams_at_once) begin();
        break;
      case 1:
        if (!exchanges_.empty()) abandon(next_chance(exchanges_.size()));
        break;
      case 2:
        if (next_chance(4) == 0) engine_.retire();
        if (next_chance(8) == 0) engine_.say_goodbye();
        break;
      case 3:
      case 4:
      case 5:
        give();
        break;
      default:
        break;
    }
  }

  std::vector<Outcome> ended() {
    give();
    engine_.ended("closed", now_);
    look();
    check(engine_.is_over() && engine_.live() == 0 && engine_.room() == 0, "the end is the end");
    check(exchanges_.empty(), "every exchange ends");
    give();
    return outcomes_;
  }

  std::size_t next_chance(std::size_t below) {
    chance_ = chance_ * 1664525U + 1013904223U;
    return (chance_ >> 8) % below;
  }
  bool is_over() const { return engine_.is_over(); }

 private:
  void abandon(std::size_t which) {
    auto const at = exchanges_.begin() + static_cast<std::ptrdiff_t>(which);
    engine_.abandon(**at);
    check((*at)->over() && (*at)->ends == 1, "who is abandoned is over");
    exchanges_.erase(at);
  }

  // An exchange that is over is nobody's any more.
  void look() {
    std::erase_if(exchanges_, [this](auto const& one) {
      keeps_bounds(*one);
      if (one->over()) outcomes_.push_back(outcome(*one));
      return one->over();
    });
    check(engine_.live() == exchanges_.size(), "the engine knows who lives");
    check(!engine_.is_over() || exchanges_.empty(), "a connection that is over has no streams");
    check(engine_.served() <= outcomes_.size(), "no more are served than were asked for");
  }

  void keeps_bounds(Exchange const& one) const {
    auto const& answer = *one.answer;
    std::size_t headers = 0;
    for (auto const& [name, value] : answer.headers) {
      headers += name.size() + value.size();
      check(!name.empty() && !name.contains('\0') && !name.contains(':'), "a name is one");
      check(!value.contains('\0') && !value.contains('\n') && !value.contains('\r'),
            "a kept header's value is one line");
    }
    check(headers <= 16 * 1024, "16 KiB of headers are kept");
    check(answer.body.size() <= kept_, "no more of the body is kept than was asked for");
    bool const has_head = one.state() == State::body || one.state() == State::done;
    check(has_head == (answer.status != 0), "a final status comes with a whole head");
    check(answer.status == 0 || (answer.status >= 200 && answer.status <= 999),
          "a final status has three digits and is not interim");
    check(has_head == (one.head_at() != SteadyTime{}), "a head has its time");
    check(has_head || answer.body.empty(), "no body is kept of an answer without a head");
    check(one.ends == (one.over() ? 1 : 0), "each ends once");
    check(!one.over() || one.state() == State::done || !one.why().empty(), "a failure says why");
  }

  static Outcome outcome(Exchange const& one) {
    Outcome outcome{one.state(), one.answer->status, {}, {}};
    // How much is kept of a body that breaks the rules depends on when that shows.
    if (one.answer->reason.empty()) outcome.body = one.answer->body;
    if (one.state() == State::done)
      for (auto const& [name, value] : one.answer->headers) outcome.headers += name + value + '\n';
    return outcome;
  }

  http::Url url_;
  std::list<std::string> bodies_;
  std::vector<http::client::Ask> asks_;
  std::uint32_t chance_;
  std::size_t kept_, next_ = 0, asked_ = 0, gave_ = 0, took_ = 0;
  SteadyTime now_ = SteadyTime{} + std::chrono::hours(1);
  Http2Engine engine_{streams_at_once};
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<Outcome> outcomes_;
};

std::vector<Outcome> talk(std::string_view text, std::uint32_t seed, std::size_t kept, bool acts,
                          std::size_t begun, std::size_t most_at_once) {
  Connection connection(seed, kept);
  for (std::size_t i = 0; i < begun; ++i) connection.begin();
  connection.give();
  while (!text.empty() && !connection.is_over()) {
    auto const size = std::min(
        text.size(), most_at_once == 0 ? text.size() : 1 + connection.next_chance(most_at_once));
    connection.take(text.substr(0, size));
    text.remove_prefix(size);
    if (acts) connection.act();
  }
  return connection.ended();
}

}  // namespace

// Byte 0: how many exchanges there are (1 to 8), and how much of a body is kept; byte 1: how the text is cut, and what else happens;
// byte 2: how often it is said.
void http2_frames(std::string_view input) {
  if (input.size() < 3) return;
  auto const first = static_cast<unsigned char>(input[0]);
  std::uint32_t const seed = static_cast<unsigned char>(input[1]);
  auto const often = static_cast<unsigned char>(input[2]);
  std::size_t const begun = 1 + first % 8;
  constexpr std::size_t kept_sizes[] = {64 * 1024, 7, 0, 100'000};
  auto const kept = kept_sizes[(first >> 3) & 3];
  std::string text(input.substr(3));
  for (unsigned i = 0; i < (often >= 0xf0 ? 8U << (often & 15U) : 0U) && text.size() < max_text;
       ++i)
    text += input.substr(3);

  auto const most_at_once = 1 + seed + (1 + seed) * text.size() / 2048;
  talk(text, seed, kept, true, begun, most_at_once);
  auto const whole = talk(text, 1, kept, false, begun, 0);
  auto const pieces = talk(text, 1, kept, false, begun, most_at_once);
  check(whole.size() == begun && pieces.size() == begun, "every exchange has an outcome");
  if (text.size() < 16U * 1024)
    check(std::ranges::is_permutation(whole, pieces), "the outcomes do not depend on the pieces");
}

}  // namespace millrace::fuzz
