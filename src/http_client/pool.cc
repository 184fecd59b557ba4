#include "http_client/pool.h"

#include <algorithm>
#include <charconv>

#include "http_client/http2.h"

namespace millrace::http::client {
namespace {

constexpr std::size_t max_origins = 16 * 1024;  // remembered, with their TLS sessions

}  // namespace

PoolWaiter::PoolWaiter(Pool& of, std::shared_ptr<Origin> from, io::Executor const& loop, Wish what)
    : pool(of), origin(std::move(from)), changed(loop), wish(what) {
  origin->waiters.push_back(this);
  if (joins()) ++origin->http2_joining;
  if (!joins() && origin->open < pool.limit_of(*origin) && !std::exchange(origin->starved, true))
    pool.starved_.push_back(origin);
}

PoolWaiter::~PoolWaiter() {
  if (std::erase(origin->waiters, this) > 0 && joins()) --origin->http2_joining;
  if (connection) {
    auto const since = connection->idle_since;
    pool.give_back(origin, std::move(connection), since);
  }
  if (http2) {
    http2->unreserve();
    pool.shared_changed(origin, http2);
  }
  if (room) pool.give_room(origin);
}

std::shared_ptr<Http2> Lease::take_stream() {
  http2_->unreserve();
  return std::move(http2_);
}

void Lease::drop() {
  if (connection_) connection_->stream->close();
  connection_.reset();
  if (http2_) {
    http2_->unreserve();
    pool_.shared_changed(origin_, http2_);
    http2_.reset();
  }
  if (std::exchange(counted_, false)) pool_.give_room(origin_);
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
    end_rest(*connection);
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
  if (origin.open >= limit_of(origin)) return false;
  if (open >= limits.connections && !evict_oldest()) return false;
  ++origin.open;
  ++open;
  return true;
}

void Pool::make_room(std::shared_ptr<Origin> const& origin) {
  if (origin->open >= limit_of(*origin) && !origin->idle.empty()) close_first_idle(origin);
}

void Pool::close_first_idle(std::shared_ptr<Origin> const& origin) {
  origin->idle.front()->stream->close();
  end_rest(*origin->idle.front());
  origin->idle.erase(origin->idle.begin());
  give_room(origin);
}

// Those that rest are in the order of since when; one that a waiter did not take goes back to where it was.
void Pool::begin_rest(Origin& origin, PooledConnection& connection) {
  auto* older = newest_;
  while (older != nullptr && older->idle_since > connection.idle_since) older = older->older;
  connection.rests_in = &origin;
  connection.older = older;
  connection.newer = older != nullptr ? older->newer : oldest_;
  (connection.newer != nullptr ? connection.newer->older : newest_) = &connection;
  (older != nullptr ? older->newer : oldest_) = &connection;
  ++idle_;
}

void Pool::end_rest(PooledConnection& connection) {
  (connection.older != nullptr ? connection.older->newer : oldest_) = connection.newer;
  (connection.newer != nullptr ? connection.newer->older : newest_) = connection.older;
  connection.rests_in = nullptr;
  connection.older = connection.newer = nullptr;
  --idle_;
}

void Pool::give_back(std::shared_ptr<Origin> const& origin,
                     std::shared_ptr<PooledConnection> connection, SteadyTime now) {
  connection->idle_since = now;
  if (!origin->waiters.empty()) {
    auto* const next = origin->first_waiter();
    if (next->wish == PoolWaiter::Wish::shared && !origin->http2.empty()) {
      connection->stream->close();
      next->room = true;
    } else {
      next->connection = std::move(connection);
    }
    next->changed.notify();
    return;
  }
  begin_rest(*origin, *connection);
  origin->idle.push_back(std::move(connection));
  // Somebody else may need the room more.
  if (!starved_.empty() && open >= limits.connections) evict_oldest();
}

void Pool::give_room(std::shared_ptr<Origin> const& origin) {
  --origin->open;
  --open;
  // Who waits to share a connection that is being opened wants no other.
  auto const grant = [&](Origin& to) {
    auto const at =
        std::ranges::find_if(to.waiters, [](auto const* waiter) { return !waiter->joins(); });
    if (at == to.waiters.end() || to.open >= limit_of(to)) return false;
    auto* const next = *at;
    to.waiters.erase(at);
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
    first->starved = !first->waiters.empty() && first->open < limit_of(*first);
    if (first->starved) starved_.push_back(first);
    if (granted) return;
    if (first->starved) return;  // nobody can be granted anything now
  }
}

PoolWaiter* Origin::first_waiter() {
  auto* const first = waiters.front();
  waiters.pop_front();
  if (first->joins()) --http2_joining;
  return first;
}

std::shared_ptr<Http2> Origin::http2_with_room() const {
  for (auto const& one : http2)
    if (one->room() > 0) return one;
  return nullptr;
}

void Pool::share(std::shared_ptr<Origin> const& origin, std::shared_ptr<Http2> one) {
  origin->http2.push_back(std::move(one));
  ++shared_;
}

void Pool::shared_changed(std::shared_ptr<Origin> const& origin,
                          std::shared_ptr<Http2> const& one) {
  while (one->room() > 0 && !origin->waiters.empty()) {
    auto* const next = origin->first_waiter();
    one->reserve();
    next->http2 = one;
    next->changed.notify();
  }
  if (!one->over() || std::erase(origin->http2, one) == 0) return;
  --shared_;
  let_look_again(*origin, origin->waiters.size());
  give_room(origin);
}

void Pool::let_look_again(Origin& origin, std::size_t count) {
  for (; count > 0 && !origin.waiters.empty(); --count) {
    auto* const next = origin.first_waiter();
    next->again = true;
    next->changed.notify();
  }
}

std::shared_ptr<Http2> Pool::Rest::still() const {
  auto one = who.lock();
  return one && one->idle() && !one->over() && one->idle_since() == since ? one : nullptr;
}

// Each rest is noted once and dropped once; those that are over are dropped before they are more than the others.
void Pool::rests(std::shared_ptr<Http2> const& one) {
  shared_rests_.push_back({one, one->idle_since()});
  if (shared_rests_.size() > 64 + 2 * shared_)
    std::erase_if(shared_rests_, [](Rest const& rest) { return rest.still() == nullptr; });
}

// Of the connections that nobody uses, the one that has rested longest.
bool Pool::evict_oldest() {
  std::shared_ptr<Http2> shared;
  for (; !shared && !shared_rests_.empty(); ++looked_at_) {
    shared = shared_rests_.front().still();
    if (!shared) shared_rests_.pop_front();
  }
  if (oldest_ != nullptr) ++looked_at_;
  if (shared && (oldest_ == nullptr || shared->idle_since() < oldest_->idle_since))
    shared->close();
  else if (oldest_ != nullptr)
    close_first_idle(oldest_->rests_in->shared_from_this());
  return open < limits.connections;
}

void Pool::close_idle(SteadyTime now) {
  for (auto const& [key, origin] : origins_) {
    auto& idle = origin->idle;
    auto const first_good = std::ranges::find_if(idle, [&](auto const& connection) {
      return now < connection->idle_since + limits.idle_time;
    });
    auto const count = static_cast<std::size_t>(first_good - idle.begin());
    for (auto at = idle.begin(); at != first_good; ++at) {
      (*at)->stream->close();
      end_rest(**at);
    }
    idle.erase(idle.begin(), first_good);
    origin->open -= count;
    open -= count;
    for (auto const& one : std::vector(origin->http2))  // closing takes it out
      if (one->idle() && now >= one->idle_since() + limits.idle_time) one->close();
  }
}

void Pool::close_all_idle() {
  for (auto const& [key, origin] : origins_) {
    for (auto const& one : std::vector(origin->http2)) one->close();
    for (auto const& connection : origin->idle) {
      connection->stream->close();
      end_rest(*connection);
    }
    origin->open -= origin->idle.size();
    open -= origin->idle.size();
    origin->idle.clear();
  }
}

}  // namespace millrace::http::client
