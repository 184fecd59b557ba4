#include "http/dial.h"

#include <fmt/format.h>

namespace millrace::http {
namespace {

constexpr auto head_start = std::chrono::milliseconds(200);
constexpr std::size_t max_tried = 8;

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
    if (!due) return;
    newest_at_ = now;
    connected_ = false;
    ++running_;
    tasks_.start(shared_from_this(), attempt(io::Endpoint(addresses_[next_++], url_.port)));
  }
}

io::Task<void> Dial::attempt(io::Endpoint to) {
  auto const began = needs_.clock.now();
  auto connected = co_await needs_.network.connect(to);
  if (stream_) co_return;  // another was faster
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
    if (auto const done = co_await secured->handshake(); !done) {
      if (!stream_)
        failed(Phase::tls, Trouble::tls, fmt::format("{}: {}", io::text_of(to), done.error().what));
      co_return;
    }
    if (stream_) co_return;
    tls_took_ = needs_.clock.now() - at;
    tls_version_ = secured->version();
    certificate_ = secured->certificate();
    http2_ = secured->http2();
    stream = std::move(secured);
  }
  connect_took_ = at - began;
  stream_ = std::move(stream);
  --running_;
  changed.notify();
}

void Dial::failed(Phase where, Trouble trouble, std::string reason) {
  --running_;
  // A broken handshake says more than a refused connection.
  if (reason_.empty() || where >= reached_) {
    reached_ = where;
    trouble_ = trouble;
    reason_ = std::move(reason);
  }
  changed.notify();
}

}  // namespace millrace::http
