#include "http/pool.h"

#include <algorithm>
#include <charconv>

namespace millrace::http {
namespace {

constexpr std::size_t max_origins = 16 * 1024;  // remembered, with their TLS sessions

}  // namespace

PoolWaiter::PoolWaiter(Pool& of, std::shared_ptr<Origin> from, io::Executor const& loop)
    : pool(of), origin(std::move(from)), changed(loop) {
  origin->waiters.push_back(this);
  if (origin->open < pool.limits.connections_per_origin && !std::exchange(origin->starved, true))
    pool.starved_.push_back(origin);
}

PoolWaiter::~PoolWaiter() {
  std::erase(origin->waiters, this);
  if (connection) {
    auto const since = connection->idle_since;
    pool.give_back(origin, std::move(connection), since);
  }
  if (room) pool.give_room(origin);
}

std::shared_ptr<Origin> Pool::origin_of(Url const& url,
                                        std::shared_ptr<TlsClient const> const& tls) {
  key_.assign(url.scheme);
  key_ += ' ';
  key_ += url.host;
  auto const add = [this](std::uint64_t number) {
    char text[24];
    key_ += ' ';
    key_.append(text, std::to_chars(text, text + sizeof text, number).ptr);
  };
  add(url.port);
  if (url.tls()) add(reinterpret_cast<std::uintptr_t>(tls.get()));
  auto const at = origins_.find(key_);
  if (at != origins_.end()) return at->second;
  if (origins_.size() >= max_origins)
    std::erase_if(origins_, [](auto const& entry) {
      return entry.second->open == 0 && entry.second->waiters.empty();
    });
  auto const origin = std::make_shared<Origin>();
  origin->tls = tls;
  return origins_[key_] = origin;
}

std::shared_ptr<PooledConnection> Pool::take_idle(Origin& origin, SteadyTime now,
                                                  std::span<std::byte> scratch) {
  while (!origin.idle.empty()) {
    auto connection = std::move(origin.idle.back());
    origin.idle.pop_back();
    --idle_;
    // One that rested may have been closed, or sent what nobody asked for; a busy one had no time to.
    if (now - connection->idle_since < std::chrono::milliseconds(1) ||
        connection->stream->try_read(scratch).state == io::Moved::State::again)
      return connection;
    connection->stream->close();
    --origin.open;
    --open;
  }
  return nullptr;
}

bool Pool::take_room(Origin& origin) {
  if (origin.open >= limits.connections_per_origin) return false;
  if (open >= limits.connections && !evict_oldest()) return false;
  ++origin.open;
  ++open;
  return true;
}

void Pool::give_back(std::shared_ptr<Origin> const& origin,
                     std::shared_ptr<PooledConnection> connection, SteadyTime now) {
  connection->idle_since = now;
  if (!origin->waiters.empty()) {
    auto* const next = origin->waiters.front();
    origin->waiters.pop_front();
    next->connection = std::move(connection);
    next->changed.notify();
    return;
  }
  origin->idle.push_back(std::move(connection));
  ++idle_;
  // Somebody else may need the room more.
  if (!starved_.empty() && open >= limits.connections) evict_oldest();
}

void Pool::give_room(std::shared_ptr<Origin> const& origin) {
  --origin->open;
  --open;
  auto const grant = [&](Origin& to) {
    if (to.waiters.empty() || to.open >= limits.connections_per_origin) return false;
    auto* const next = to.waiters.front();
    to.waiters.pop_front();
    ++to.open;
    ++open;
    next->room = true;
    next->changed.notify();
    return true;
  };
  if (open >= limits.connections || grant(*origin)) return;
  while (!starved_.empty()) {
    auto const first = std::move(starved_.front());
    starved_.pop_front();
    bool const granted = grant(*first);
    first->starved = !first->waiters.empty() && first->open < limits.connections_per_origin;
    if (first->starved) starved_.push_back(first);
    if (granted) return;
    if (first->starved) return;  // nobody can be granted anything now
  }
}

bool Pool::evict_oldest() {
  if (idle_ == 0) return false;
  std::shared_ptr<Origin> oldest;
  for (auto const& [key, origin] : origins_)
    if (!origin->idle.empty() &&
        (!oldest || origin->idle.front()->idle_since < oldest->idle.front()->idle_since))
      oldest = origin;
  if (!oldest) return false;
  oldest->idle.front()->stream->close();
  oldest->idle.erase(oldest->idle.begin());
  --idle_;
  give_room(oldest);
  return open < limits.connections;
}

void Pool::close_idle(SteadyTime now) {
  for (auto const& [key, origin] : origins_) {
    auto& idle = origin->idle;
    auto const first_good = std::ranges::find_if(idle, [&](auto const& connection) {
      return now < connection->idle_since + limits.idle_time;
    });
    auto const count = static_cast<std::size_t>(first_good - idle.begin());
    for (auto at = idle.begin(); at != first_good; ++at) (*at)->stream->close();
    idle.erase(idle.begin(), first_good);
    idle_ -= count;
    origin->open -= count;
    open -= count;
  }
}

void Pool::close_all_idle() {
  for (auto const& [key, origin] : origins_) {
    for (auto const& connection : origin->idle) connection->stream->close();
    origin->open -= origin->idle.size();
    open -= origin->idle.size();
    origin->idle.clear();
  }
  idle_ = 0;
}

}  // namespace millrace::http
