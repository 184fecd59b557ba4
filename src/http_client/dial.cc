#include "http_client/dial.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::http::client {
namespace {

constexpr auto head_start = std::chrono::milliseconds(200);
constexpr auto clock_told_for = std::chrono::hours(1);  // by a good certificate of another host
constexpr std::size_t max_tried = 8;
constexpr std::size_t max_reason_bytes = 300;

}  // namespace

Dial::Dial(DialNeeds needs, io::Executor const& loop, Url const& url,
           std::vector<boost::asio::ip::address> addresses, SslSession& session,
           std::shared_ptr<void> owner)
    : changed(loop),
      needs_(std::move(needs)),
      url_(url),
      addresses_(std::move(addresses)),
      session_(session),
      owner_(std::move(owner)),
      tasks_(loop) {
  if (addresses_.size() > max_tried) addresses_.resize(max_tried);
}

void Dial::go_on() {
  auto const now = needs_.clock.now();
  while (!over() && next_ < addresses_.size()) {
    bool const due = running_ == 0 ||
                     now >= newest_at_ + (connected_ ? needs_.connect_time : Duration(head_start));
    if (!due) break;
    newest_at_ = now;
    connected_ = false;
    ++running_;
    tasks_.start(shared_from_this(), attempt(io::Endpoint(addresses_[next_++], url_.port)));
  }
  if (!over() && next_ == addresses_.size() && now >= newest_at_ + needs_.connect_time) give_up();
}

void Dial::give_up() {
  gave_up_ = true;
  if (said_of_ != Phase::tls || trouble_ == Trouble::own_side) trouble_ = Trouble::timeout;
  auto const silent =
      fmt::format("no {} within {:.1f} s", reached_ == Phase::tls ? "TLS handshake" : "connection",
                  seconds(needs_.connect_time));
  reason_ = reason_.empty() ? silent : fmt::format("{}; {}", reason_, silent);
  tasks_.cancel();
}

io::Task<void> Dial::attempt(io::Endpoint to) {
  auto const began = needs_.clock.now();
  auto connected = co_await needs_.network.connect(to);
  if (over()) co_return;  // another was faster
  if (!connected) {
    failed(Phase::connect,
           connected.error().fault == Fault::busy ? Trouble::own_side : Trouble::refused,
           connected.error().what);
    co_return;
  }
  connected_ = true;
  if (reached_ == Phase::connect && url_.tls()) reached_ = Phase::tls;
  auto const at = needs_.clock.now();
  std::unique_ptr<io::ByteStream> stream = std::move(*connected);
  if (url_.tls()) {
    auto secured = needs_.tls->connecting(std::move(stream), url_, session_, needs_.http2);
    if (auto const done = co_await secured->handshake(needs_.turns); !done) {
      bool const ours = secured->is_ours() || (secured->is_early() && !is_clock_right());
      auto const trouble = ours ? Trouble::own_side : Trouble::tls;
      wants_other_protocol_ = wants_other_protocol_ || secured->wants_other_protocol();
      if (!over())
        failed(Phase::tls, trouble, fmt::format("{}: {}", io::text_of(to), done.error().what));
      co_return;
    }
    if (!secured->resumed() && needs_.certificates != nullptr)
      needs_.certificates->note(url_.host, needs_.clock.now());
    if (over()) co_return;
    tls_took_ = needs_.clock.now() - at;
    tls_version_ = secured->version();
    certificate_ = secured->certificate();
    protocol_ = secured->protocol();
    stream = std::move(secured);
  }
  connect_took_ = at - began;
  stream_ = std::move(stream);
  --running_;
  changed.notify();
}

// To a clock that is behind, certificates of all others begin in the future, too.
bool Dial::is_clock_right() const {
  return needs_.certificates != nullptr &&
         needs_.certificates->beside(url_.host, needs_.clock.now() - clock_told_for);
}

void Dial::failed(Phase where, Trouble trouble, std::string reason) {
  --running_;
  // A broken handshake says more than a refused connection, and trouble of our own with one address excuses none of the others. Behind
  // one name there may be servers that differ: each has its say.
  bool const first = reason_.empty();
  bool const of_more_weight =
      trouble != Trouble::own_side && (trouble_ == Trouble::own_side || where > said_of_);
  if (first || (of_more_weight && where > said_of_)) {
    reason_ = std::move(reason);
  } else if (where == said_of_ && reason_.size() < max_reason_bytes) {
    reason_ += "; " + reason;
  }
  if (first || of_more_weight) {
    trouble_ = trouble;
    said_of_ = std::max(said_of_, where);
  }
  if (running_ == 0 && next_ == addresses_.size()) reached_ = said_of_;
  changed.notify();
}

}  // namespace millrace::http::client
