#include "http/connection.h"

#include "http/http1_answer.h"
#include "http/http1_session.h"
#include "http/tls.h"

namespace millrace::http {
namespace {

constexpr auto tick = std::chrono::milliseconds(250);
constexpr int closed_at_once = 16;  // when there are no descriptors

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
    : core_(std::move(core)), common_(*core_, loops), tasks_(loop), sweeps_(std::move(loop)) {}

void Shard::start(std::unique_ptr<io::ByteStream> stream) {
  tasks_.start(shared_from_this(), run(std::move(stream)));
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
    if (live.session != nullptr) live.session->drain();
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
    for (auto& live : live_)
      if (now >= live.connection.deadline()) end_late(live);
  }
  sweeping_ = false;
}

// The coroutine that waits finds its stream closed, and ends.
void Shard::end_late(Live& live) {
  if (live.session != nullptr) live.session->late();
  live.connection.stream->close();
}

// Accepted -> has a place -> secured -> a protocol's.
io::Task<void> Shard::run(std::unique_ptr<io::ByteStream> stream) {
  Connection connection(common_, std::move(stream));
  Listed listed(live_, connection);
  bool const has_place = connection.find_room();
  connection.enter(Stage::handshake, core_->limits.head_time);
  if (!co_await secure(connection)) co_return;
  if (!has_place) {
    auto answer = render_refusal({503, "there are too many connections"}, common_);
    if (co_await connection.send(std::move(answer))) co_await connection.linger();
    co_return;
  }
  auto const session = choose(connection);
  listed.speak(*session);
  co_await session->run();
}

io::Task<bool> Shard::secure(Connection& connection) {
  if (!core_->tls) co_return true;
  auto secured = tls_accepting(std::move(connection.stream), *core_->tls);
  auto& tls = *secured;
  connection.stream = std::move(secured);
  co_return (co_await tls.handshake()).has_value();
}

std::unique_ptr<Session> Shard::choose(Connection& connection) { return http1_session(connection); }

}  // namespace millrace::http
