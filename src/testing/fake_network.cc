#include "testing/fake_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <vector>

#include "io/blame.h"

namespace millrace::testing {
namespace {

constexpr std::size_t pipe_bytes = 64 * 1024;

}  // namespace

// One direction of a connection.
struct FakeNetwork::Pipe {
  explicit Pipe(io::Executor const& loop) : changed(loop) {}
  struct Chunk {
    SteadyTime at;
    std::string bytes;  // empty: the end
  };
  std::deque<Chunk> chunks;
  std::size_t held = 0;
  io::Signal changed;  // for its reader and its writer
};

// Both directions, and what breaks them.
struct FakeNetwork::Link {
  Link(std::shared_ptr<World> of, io::Endpoint server_end, io::Endpoint client_end);
  void reset() {
    broken = true;
    forth.changed.notify();
    back.changed.notify();
  }
  std::shared_ptr<World> world;
  io::Endpoint server, client;
  Pipe forth, back;  // to the server, and from it
  bool broken = false, server_closed = false, client_closed = false;
  std::uint64_t carried = 0;
  std::uint64_t breaks_after;
};

struct FakeNetwork::World {
  World(io::Executor const& on, io::Clock& with)
      : loop(on), clock(with), never(on), closed(on), tasks(on) {}

  bool counts_as_failed() { return operations++ == failing; }
  std::size_t open_to(boost::asio::ip::address const& address) const;
  // Wakes the pipe's waiters when `at` has come.
  void notify_at(std::shared_ptr<Link> const& link, Pipe& pipe, SteadyTime at) {
    if (over || at <= clock.now())
      pipe.changed.notify();
    else
      tasks.start(link, notify_later(pipe, clock, at));
  }
  static io::Task<void> notify_later(Pipe& pipe, io::Clock& clock, SteadyTime at) {
    co_await clock.sleep_until(at);
    pipe.changed.notify();
  }

  io::Executor loop;
  io::Clock& clock;
  std::map<boost::asio::ip::address, FakeRoute> routes;
  std::map<io::Endpoint, Listener*> listeners;
  std::vector<std::weak_ptr<Link>> links;
  std::uint64_t operations = 0, failing = std::numeric_limits<std::uint64_t>::max();
  std::size_t connects = 0;
  std::uint64_t bytes_back = 0;
  bool severed = false;
  bool over = false;  // streams that close from now on start nothing
  std::uint16_t next_port = 40000;
  io::Signal never, closed;  // a connection has
  io::TaskScope tasks;
};

std::size_t FakeNetwork::World::open_to(boost::asio::ip::address const& address) const {
  return static_cast<std::size_t>(std::ranges::count_if(links, [&](auto const& weak) {
    auto const link = weak.lock();
    return link && link->server.address() == address && !link->broken && !link->client_closed &&
           !link->server_closed;
  }));
}

FakeNetwork::Link::Link(std::shared_ptr<World> of, io::Endpoint server_end, io::Endpoint client_end)
    : world(std::move(of)),
      server(server_end),
      client(client_end),
      forth(world->loop),
      back(world->loop),
      breaks_after(world->routes[server_end.address()].breaks_after) {}

class FakeNetwork::Stream final : public io::ByteStream {
 public:
  Stream(std::shared_ptr<Link> link, bool at_server)
      : link_(std::move(link)), at_server_(at_server) {}
  ~Stream() override { close(); }

  io::Moved try_read(std::span<std::byte> out) override {
    if (closed_) return {io::Moved::State::failed, 0, EBADF};
    auto& pipe = in();
    if (link_->broken) return {io::Moved::State::failed, 0, ECONNRESET};
    if (pipe.chunks.empty() || pipe.chunks.front().at > world().clock.now())
      return {io::Moved::State::again};
    auto& chunk = pipe.chunks.front();
    if (chunk.bytes.empty()) return {io::Moved::State::ended};
    auto const n = std::min(out.size(), chunk.bytes.size());
    std::copy_n(std::as_bytes(std::span(chunk.bytes)).begin(), n, out.begin());
    chunk.bytes.erase(0, n);
    if (chunk.bytes.empty()) pipe.chunks.pop_front();
    pipe.held -= n;
    pipe.changed.notify();
    return {io::Moved::State::done, n};
  }

  io::Moved try_write(std::span<std::byte const> bytes) override {
    if (closed_) return {io::Moved::State::failed, 0, EBADF};
    if (link_->broken || peer_closed()) return {io::Moved::State::failed, 0, EPIPE};
    auto& pipe = out();
    if (pipe.held >= pipe_bytes) return {io::Moved::State::again};
    if (world().counts_as_failed()) {
      link_->reset();
      return {io::Moved::State::failed, 0, ECONNRESET};
    }
    auto const& route = world().routes[link_->server.address()];
    auto n = std::min(bytes.size(), pipe_bytes - pipe.held);
    if (!at_server_)
      n = static_cast<std::size_t>(
          std::min<std::uint64_t>(n, link_->breaks_after - link_->carried));
    if (n > 0 && !route.black_hole)
      put(std::string(reinterpret_cast<char const*>(bytes.data()), n), route.delay);
    if (at_server_) {
      world().bytes_back += n;
      return {io::Moved::State::done, n};
    }
    link_->carried += n;
    if (link_->carried < link_->breaks_after) return {io::Moved::State::done, n};
    link_->reset();
    return {io::Moved::State::failed, 0, ECONNRESET};
  }

  io::Task<Result<void>> readable() override {
    for (;;) {
      if (closed_) co_return fail(Fault::io, "connection: closed");
      auto const& pipe = in();
      if (link_->broken || (!pipe.chunks.empty() && pipe.chunks.front().at <= world().clock.now()))
        co_return Result<void>();
      co_await in().changed.wait();
    }
  }
  io::Task<Result<void>> writable() override {
    for (;;) {
      if (closed_) co_return fail(Fault::io, "connection: closed");
      if (link_->broken || peer_closed() || out().held < pipe_bytes) co_return Result<void>();
      co_await out().changed.wait();
    }
  }
  void close() override {
    if (std::exchange(closed_, true)) return;
    (at_server_ ? link_->server_closed : link_->client_closed) = true;
    world().closed.notify();
    auto const& route = world().routes[link_->server.address()];
    if (!route.black_hole) put({}, route.delay);
    in().changed.notify();
    out().changed.notify();
  }
  int descriptor() const override { return -1; }
  io::Endpoint peer() const override { return at_server_ ? link_->client : link_->server; }

 private:
  World& world() const { return *link_->world; }
  Pipe& in() const { return at_server_ ? link_->forth : link_->back; }
  Pipe& out() const { return at_server_ ? link_->back : link_->forth; }
  bool peer_closed() const { return at_server_ ? link_->client_closed : link_->server_closed; }
  void put(std::string bytes, Duration delay) {
    auto& pipe = out();
    auto const at = world().clock.now() + std::chrono::duration_cast<SteadyTime::duration>(delay);
    pipe.held += bytes.size();
    pipe.chunks.push_back(
        {pipe.chunks.empty() ? at : std::max(at, pipe.chunks.back().at), std::move(bytes)});
    world().notify_at(link_, pipe, pipe.chunks.back().at);
  }

  std::shared_ptr<Link> link_;
  bool at_server_;
  bool closed_ = false;
};

class FakeNetwork::Listener final : public io::Acceptor {
 public:
  Listener(std::shared_ptr<World> world, io::Endpoint at)
      : world_(std::move(world)), at_(at), arrived_(world_->loop) {
    world_->listeners[at_] = this;
  }
  ~Listener() override { close(); }

  io::Task<Result<std::unique_ptr<io::ByteStream>>> accept(io::Executor) override {
    for (;;) {
      if (closed_) co_return fail(Fault::io, "listener: closed");
      if (!waiting_.empty()) {
        auto link = std::move(waiting_.front());
        waiting_.pop_front();
        co_return std::make_unique<Stream>(std::move(link), true);
      }
      co_await arrived_.wait();
    }
  }
  io::Endpoint local() const override { return at_; }
  void close() override {
    if (std::exchange(closed_, true)) return;
    world_->listeners.erase(at_);
    for (auto const& link : waiting_) link->reset();
    waiting_.clear();
    arrived_.notify();
  }
  void arrive(std::shared_ptr<Link> link) {
    waiting_.push_back(std::move(link));
    arrived_.notify();
  }

 private:
  std::shared_ptr<World> world_;
  io::Endpoint at_;
  io::Signal arrived_;
  std::deque<std::shared_ptr<Link>> waiting_;
  bool closed_ = false;
};

FakeNetwork::FakeNetwork(io::Executor loop, io::Clock& clock)
    : world_(std::make_shared<World>(loop, clock)) {}

FakeNetwork::~FakeNetwork() {
  check(world_->listeners.empty(), "a FakeNetwork outlives its acceptors");
  world_->over = true;
  world_->tasks.cancel();
}

FakeRoute& FakeNetwork::at(boost::asio::ip::address const& address) {
  return world_->routes[address];
}

void FakeNetwork::cut(boost::asio::ip::address const& address) {
  for (auto const& weak : world_->links)
    if (auto const link = weak.lock(); link && link->server.address() == address) link->reset();
}

void FakeNetwork::sever(bool severed) {
  world_->severed = severed;
  if (!severed) return;
  for (auto const& weak : world_->links)
    if (auto const link = weak.lock()) link->reset();
}

void FakeNetwork::fail_operation(std::uint64_t operation) { world_->failing = operation; }
std::uint64_t FakeNetwork::operations() const { return world_->operations; }
std::size_t FakeNetwork::connects() const { return world_->connects; }
std::uint64_t FakeNetwork::bytes_back() const { return world_->bytes_back; }

io::Task<Result<std::unique_ptr<io::ByteStream>>> FakeNetwork::connect(io::Endpoint to) {
  auto const world = world_;
  auto const refused = [&] {
    return fail(Fault::unreachable, fmt::format("connect to {}: refused", io::text_of(to)));
  };
  if (int const error = world->routes[to.address()].error; error != 0)
    co_return fail(
        io::blame_of_errno(error) == io::Blame::ours ? Fault::busy : Fault::unreachable,
        fmt::format("connect to {}: {}", io::text_of(to), std::generic_category().message(error)));
  bool const fails = world->counts_as_failed();
  auto const delay = world->routes[to.address()].delay;
  if (delay > Duration::zero()) co_await world->clock.sleep_for(2 * delay);
  while (world->routes[to.address()].black_hole) co_await world->never.wait();
  while (world->open_to(to.address()) >= world->routes[to.address()].most)
    co_await world->closed.wait();
  auto const listener = world->listeners.find(to);
  if (fails || world->severed || world->routes[to.address()].refuses ||
      listener == world->listeners.end())
    co_return refused();
  std::erase_if(world->links, [](auto const& weak) { return weak.expired(); });
  auto const link = std::make_shared<Link>(
      world, to, io::Endpoint(boost::asio::ip::address_v4::loopback(), world->next_port++));
  world->links.push_back(link);
  ++world->connects;
  listener->second->arrive(link);
  co_return std::make_unique<Stream>(link, false);
}

Result<std::unique_ptr<io::Acceptor>> FakeNetwork::listen(io::Executor, io::Endpoint at) {
  if (at.port() == 0) at.port(world_->next_port++);
  if (world_->listeners.contains(at))
    return fail(Fault::conflict, fmt::format("listen on {}: in use", io::text_of(at)));
  return std::make_unique<Listener>(world_, at);
}

Result<std::unique_ptr<io::Acceptor>> FakeNetwork::adopt(io::Executor, int descriptor) {
  return fail(Fault::invalid,
              fmt::format("file descriptor {}: a simulated network has none", descriptor));
}

}  // namespace millrace::testing
