#include "http_server/connection.h"

#include "http/tls.h"
#include "http_server/http1_answer.h"
#include "http_server/http1_session.h"
#include "http_server/http2_session.h"

namespace millrace::http::server {
namespace {

constexpr auto tick = std::chrono::milliseconds(250);
constexpr int closed_at_once = 16;  // when there are no descriptors
// Where others wait for a place, a handshake that has taken longer gives it up.
constexpr auto patience_with_handshakes = std::chrono::seconds(1);

}  // namespace

// A place in the list, for as long as the connection lives.
class Shard::Listed {
 public:
  Listed(std::list<Live>& list, Connection& connection)
      : list_(list), at_(list.insert(list.end(), Live{connection})) {}
  ~Listed() { list_.erase(at_); }
  Listed(Listed const&) = delete;
  Listed& operator=(Listed const&) = delete;
  void speak(Session& session) { at_->session = &session; }

 private:
  std::list<Live>& list_;
  std::list<Live>::iterator at_;
};

Shard::Shard(std::shared_ptr<ServerCore> core, io::Executor loop, std::size_t loops)
    : core_(std::move(core)),
      common_(*core_, loops, loop,
              [this](io::Task<void> task) { tasks_.start(shared_from_this(), std::move(task)); }),
      tasks_(loop),
      sweeps_(loop),
      turns_(loop) {}

void Shard::start(std::unique_ptr<io::ByteStream> stream, std::unique_ptr<HandshakePlace> place) {
  tasks_.start(shared_from_this(), run(std::move(stream), std::move(place)));
  if (!sweeping_) {
    sweeping_ = true;
    sweeps_.start(shared_from_this(), sweep());
  }
}

void Shard::cancel() {
  tasks_.cancel();
  sweeps_.cancel();
}

void Shard::make_room() {
  for (int i = 0; i < closed_at_once; ++i) static_cast<void>(common_.places.make_room());
}

void Shard::begin_drain(SteadyTime deadline) {
  common_.draining = true;
  cut_at_ = deadline;
  for (auto const& live : live_)
    if (live.session != nullptr)
      live.session->drain();
    else if (live.connection.stage() == Stage::idle)
      live.connection.stream->close();
}

io::Task<void> Shard::drain(SteadyTime deadline) {
  begin_drain(deadline);
  co_await tasks_.join();
  sweeps_.cancel();
  co_await sweeps_.join();
}

io::Task<void> Shard::sweep() {
  while (!live_.empty() || tasks_.running() > 0) {
    co_await core_->clock.sleep_for(tick);
    auto const now = core_->clock.now();
    if (common_.draining && now >= cut_at_) tasks_.cancel();
    bool const crowded =
        core_->handshakes.load(std::memory_order_relaxed) >= core_->limits.handshakes;
    for (auto& live : live_) {
      if (live.session != nullptr) live.session->sweep();
      bool const slow =
          crowded && live.connection.stage() == Stage::handshake &&
          now + core_->limits.head_time - patience_with_handshakes >= live.connection.deadline();
      if (slow) core_->refusals.connection("slow_handshake");
      if (slow || now >= live.connection.deadline()) end_late(live);
    }
  }
  sweeping_ = false;
}

// The coroutine that waits finds its stream closed, and ends.
void Shard::end_late(Live& live) {
  if (live.session != nullptr) live.session->late();
  live.connection.stream->close();
}

// Accepted -> has a place -> secured -> a protocol's.
io::Task<void> Shard::run(std::unique_ptr<io::ByteStream> stream,
                          std::unique_ptr<HandshakePlace> place) {
  Connection connection(common_, std::move(stream));
  Listed listed(live_, connection);
  bool const has_place = connection.find_room();
  connection.enter(Stage::handshake, core_->limits.head_time);
  if (!co_await secure(connection)) co_return;
  place.reset();
  if (!has_place) {
    auto answer = render_refusal({503, "there are too many connections"}, common_);
    if (co_await connection.send(std::move(answer))) co_await connection.linger();
    co_return;
  }
  auto const session = co_await choose(connection);
  if (!session) co_return;
  listed.speak(*session);
  co_await session->run();
}

io::Task<bool> Shard::secure(Connection& connection) {
  if (!core_->secure) co_return true;
  auto const certificate = *core_->tls.get();
  auto secured = tls_accepting(std::move(connection.stream), *certificate);
  auto& tls = *secured;
  connection.stream = std::move(secured);
  co_return (co_await tls.handshake(turns_)).has_value();
}

// TLS has agreed on one; in the clear, a client that knows says so in its first bytes.
io::Task<std::unique_ptr<Session>> Shard::choose(Connection& connection) {
  if (core_->secure)
    co_return static_cast<TlsStream&>(*connection.stream).http2() ? http2_session(connection)
                                                                  : http1_session(connection);
  connection.enter(Stage::idle, core_->limits.idle_time);
  for (;;) {
    auto const bytes = connection.input.bytes();
    if (bytes.starts_with(http2_preface)) co_return http2_session(connection);
    if (!bytes.empty() && !http2_preface.starts_with(bytes)) co_return http1_session(connection);
    if (!bytes.empty() && connection.stage() == Stage::idle)
      connection.enter(Stage::head, core_->limits.head_time);
    if (common_.draining || !co_await connection.read_more()) co_return nullptr;
  }
}

}  // namespace millrace::http::server
