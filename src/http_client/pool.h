// The connections of a Client: kept ones by origin, those that asks share, and who waits for one.
//   Threads  One loop's.
#pragma once
#include <algorithm>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/tls.h"
#include "http_client/client.h"
#include "io/net.h"

namespace millrace::http::client {

class Http2;
struct Origin;

// One connection; an exchange holds it, and a task that still writes, if there is one.
struct PooledConnection {
  std::unique_ptr<io::ByteStream> stream;
  std::string address, tls_version;
  std::shared_ptr<CertificateFacts const> certificate;
  SteadyTime idle_since{};
  std::string unsent;  // of a request that the socket did not take at once
  bool writing = false;
  bool http2 = false;           // chosen by ALPN
  bool chose_protocol = false;  // by ALPN, any
  // While it rests: where, and its neighbours among those of all origins.
  Origin* rests_in = nullptr;
  PooledConnection *older = nullptr, *newer = nullptr;
};

struct Pool;

// Who waits for a connection of an origin, or for room for one. What it was granted and did not take goes to the next.
struct PoolWaiter {
  enum class Wish : std::uint8_t {
    any,     // a connection, or room for one
    shared,  // rather room for one that asks may share
    join     // only a stream: such a connection is being opened
  };
  PoolWaiter(Pool& of, std::shared_ptr<Origin> from, io::Executor const& loop, Wish wish);
  ~PoolWaiter();
  PoolWaiter(PoolWaiter const&) = delete;
  PoolWaiter& operator=(PoolWaiter const&) = delete;
  bool granted() const { return connection != nullptr || http2 != nullptr || room || again; }

  Pool& pool;
  std::shared_ptr<Origin> origin;
  io::Signal changed;
  std::shared_ptr<PooledConnection> connection;
  std::shared_ptr<Http2> http2;  // has a stream reserved
  bool room = false;             // to open one: already counted
  bool again = false;            // things have changed: look again
  Wish const wish;
  bool joins() const { return wish == Wish::join; }
};

struct Origin : std::enable_shared_from_this<Origin> {
  std::vector<std::shared_ptr<PooledConnection>> idle;  // the newest last
  std::size_t open = 0;                                 // idle, in use, or being opened
  std::size_t dialling = 0;                             // being opened
  std::size_t asks = 0;                                 // under way
  std::deque<PoolWaiter*> waiters;
  bool starved = false;                  // stands in Pool::starved
  std::shared_ptr<TlsClient const> tls;  // its address stands in the key
  SslSession session;
  // The endpoint takes so many connections and no more; forgotten at `limit_until`.
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  SteadyTime limit_until{}, last_answer{};
  // HTTP/2: connections that asks share, each counted in `open`; those being opened; who stands in
  // `waiters` for them.
  std::vector<std::shared_ptr<Http2>> http2;
  std::size_t http2_dials = 0, http2_joining = 0;
  int http2_spoilt = 0;           // answers in a row that were against the protocol
  SteadyTime http2_not_before{};  // it does not speak it, or not well
  bool http2_only = false;        // as it seems: offered from the first ask on
  bool answered_http1 = false;    // ever

  PoolWaiter* first_waiter();  // taken out of `waiters`, which are not empty
  std::shared_ptr<Http2> http2_with_room() const;
};

struct Pool {
  ClientLimits limits;
  std::size_t open = 0;

  std::shared_ptr<Origin> origin_of(Url const& url, std::shared_ptr<TlsClient const> const& tls);
  // The newest idle connection that is still good; null: none.
  std::shared_ptr<PooledConnection> take_idle(Origin& origin, SteadyTime now,
                                              std::span<std::byte> scratch);
  bool take_room(Origin& origin);  // counts a connection to be opened
  void make_room(
      std::shared_ptr<Origin> const& origin);  // at the cost of a kept connection of the origin
  void give_back(std::shared_ptr<Origin> const& origin,
                 std::shared_ptr<PooledConnection> connection, SteadyTime now);
  void give_room(std::shared_ptr<Origin> const& origin);  // a connection was closed
  void close_idle(SteadyTime now);                        // those whose time is over
  void close_all_idle();
  bool has_idle() const { return idle_ > 0 || shared_ > 0; }
  void share(std::shared_ptr<Origin> const& origin, std::shared_ptr<Http2> http2);
  // Gives the streams that a shared connection has room for to those who wait; takes it out when it is over.
  void shared_changed(std::shared_ptr<Origin> const& origin, std::shared_ptr<Http2> const& http2);
  void let_look_again(Origin& origin, std::size_t count);
  // A shared connection has no streams any more.
  void rests(std::shared_ptr<Http2> const& one);
  std::uint64_t looked_at() const { return looked_at_; }  // connections, to find the one to close

 private:
  friend struct PoolWaiter;
  bool evict_oldest();
  void begin_rest(Origin& origin, PooledConnection& connection);
  void end_rest(PooledConnection& connection);
  void close_first_idle(std::shared_ptr<Origin> const& origin);
  std::size_t limit_of(Origin const& origin) const {
    return std::min(limits.connections_per_origin, origin.limit);
  }
  std::string key_;
  std::unordered_map<std::string, std::shared_ptr<Origin>> origins_;
  std::deque<std::shared_ptr<Origin>>
      starved_;  // have waiters, and no room because of the process's limit
  std::size_t idle_ = 0, shared_ = 0;
  PooledConnection *oldest_ = nullptr, *newest_ = nullptr;  // of those that rest
  // Shared ones in the order in which they came to rest. An entry holds for as long as its connection has rested since.
  struct Rest {
    std::weak_ptr<Http2> who;
    SteadyTime since{};
    std::shared_ptr<Http2> still() const;  // null: it does not rest any more, or has again since
  };
  std::deque<Rest> shared_rests_;
  std::uint64_t looked_at_ = 0;
};

// A counted connection, or the room for one, or a stream reserved on a shared one, that goes back whatever happens. Closes unless kept.
class Lease {
 public:
  Lease(Pool& pool, std::shared_ptr<Origin> origin) : pool_(pool), origin_(std::move(origin)) {}
  ~Lease() { drop(); }
  Lease(Lease const&) = delete;
  Lease& operator=(Lease const&) = delete;

  void hold(std::shared_ptr<PooledConnection> connection) {
    connection_ = std::move(connection);
    counted_ = true;
  }
  void hold_room() { counted_ = true; }
  void hold_stream(std::shared_ptr<Http2> reserved) { http2_ = std::move(reserved); }
  PooledConnection* operator->() const { return connection_.get(); }
  std::shared_ptr<PooledConnection> const& connection() const { return connection_; }
  void keep(SteadyTime now) {
    counted_ = false;
    pool_.give_back(origin_, std::move(connection_), now);
  }
  // Somebody else counts it from now on.
  std::shared_ptr<PooledConnection> pass_on() {
    counted_ = false;
    return std::move(connection_);
  }
  bool has_stream() const { return http2_ != nullptr; }
  std::shared_ptr<Http2> take_stream();  // to be begun at once
  void drop();

 private:
  Pool& pool_;
  std::shared_ptr<Origin> origin_;
  std::shared_ptr<PooledConnection> connection_;
  std::shared_ptr<Http2> http2_;
  bool counted_ = false;
};

}  // namespace millrace::http::client
