#include "http_client/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/resolver.h"
#include "http/tls.h"
#include "http_client/again.h"
#include "http_client/dial.h"
#include "http_client/gate.h"
#include "http_client/http1.h"
#include "http_client/http2.h"
#include "http_client/pool.h"
#include "http_client/watch.h"

namespace millrace::http::client {
namespace {

constexpr auto tick = std::chrono::milliseconds(100);
constexpr std::size_t opened_at_a_time = 128;
constexpr auto quiet_after =
    std::chrono::milliseconds(100);  // an opening of a connection does not count any more
constexpr auto crowded_after = std::chrono::seconds(1);
constexpr auto limit_remembered = std::chrono::seconds(60);
constexpr auto without_http2_when_not_spoken = std::chrono::hours(1);
constexpr auto without_http2_after_trouble = std::chrono::minutes(10);

// Ends a Dial that nobody waits for any more.
struct Dialling {
  explicit Dialling(std::shared_ptr<Dial> of) : dial(std::move(of)) {}
  ~Dialling() { dial->cancel(); }
  Dialling(Dialling const&) = delete;
  Dialling& operator=(Dialling const&) = delete;
  std::shared_ptr<Dial> dial;
};

// Counts an ask under way to an origin, and a connection being opened; those who wait to share it look again if it does not come.
struct UnderWay {
  explicit UnderWay(Origin& to) : origin(to) { ++origin.asks; }
  ~UnderWay() { --origin.asks; }
  UnderWay(UnderWay const&) = delete;
  UnderWay& operator=(UnderWay const&) = delete;
  Origin& origin;
};
struct DialCount {
  DialCount(Pool& of, Origin& to, bool http2) : pool(of), origin(to), shared(http2) {
    ++origin.dialling;
    if (shared) ++origin.http2_dials;
  }
  ~DialCount() {
    --origin.dialling;
    if (!shared) return;
    --origin.http2_dials;
    if (!came) pool.let_look_again(origin, origin.waiters.size());
  }
  DialCount(DialCount const&) = delete;
  DialCount& operator=(DialCount const&) = delete;
  Pool& pool;
  Origin& origin;
  bool shared;
  bool came = false;  // and is HTTP/2
};

std::string in_words(Duration span) { return fmt::format("{:.1f} s", seconds(span)); }

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(io::Executor loop, io::Network& network, io::Clock& clock, Guard const& guard,
       std::shared_ptr<TlsClient const> tls, ClientLimits limits)
      : loop_(loop),
        network_(network),
        clock_(clock),
        guard_(guard),
        tls_(std::move(tls)),
        resolver_(loop, clock, limits.name_servers),
        turns_(loop),
        tasks_(std::move(loop)),
        http1_(clock, tasks_) {
    pool_.limits = limits;
  }

  io::Task<Answer> ask(Ask ask);
  std::size_t open_connections() const { return pool_.open; }
  void end() {
    pool_.close_all_idle();
    resolver_.close();
    tasks_.cancel();
  }

 private:
  // What a step of an ask returns: nothing when the next may follow.
  struct Failed {
    Trouble trouble = Trouble::none;
    std::string reason{};
    bool other_protocol = false;  // the peer takes no protocol that was offered, and HTTP/2 was not
  };
  using Step = std::optional<Failed>;

  io::Task<Step> connect(Ask const& ask, std::shared_ptr<Origin> origin, Lease& lease, Watch& watch,
                         Answer& answer, bool http1);
  std::shared_ptr<Http2> share(std::shared_ptr<Origin> const& origin,
                               std::shared_ptr<PooledConnection> connection);
  io::Task<Step> wait_for_room(Ask const& ask, std::shared_ptr<Origin> origin, Lease& lease,
                               Watch& watch, Answer& answer, PoolWaiter::Wish wish);
  io::Task<Step> find_addresses(Url const& url, std::vector<boost::asio::ip::address>& addresses,
                                Watch& watch);
  Step check_addresses(Url const& url,
                       std::vector<boost::asio::ip::address> const& addresses) const;
  void ensure_sweep();
  io::Task<void> sweep();

  io::Executor loop_;
  io::Network& network_;
  io::Clock& clock_;
  Guard const& guard_;
  std::shared_ptr<TlsClient const> tls_;
  Resolver resolver_;
  Turns turns_;
  std::shared_ptr<WentWell> const certificates_ = std::make_shared<WentWell>();  // hosts
  Gate gate_{opened_at_a_time}, open_gate_{std::numeric_limits<std::size_t>::max()};
  Pool pool_;
  io::TaskScope tasks_;
  Http1 http1_;
  Watch ring_;
  bool sweeping_ = false;
};

// Stays out of line: a coroutine keeps each temporary in its frame, and malloc is slow beyond a kilobyte.
[[gnu::noinline]] void end_with(Answer& answer, Trouble trouble, std::string reason) {
  answer.trouble = trouble;
  answer.reason = std::move(reason);
}

// A head that ends early would let a caller's header value write the request.
bool are_clean(std::string_view lines) {
  return lines.empty() || (lines.ends_with("\r\n") && !lines.contains("\r\n\r\n") &&
                           !lines.starts_with("\r\n") && !lines.contains('\0'));
}

bool is_clean(Ask const& ask) {
  return is_token(ask.method) && are_clean(ask.head) && are_clean(ask.fresh);
}

// A server may refuse us behind the handshake, which is over for us before it has seen our certificate.
void blame_tls(PooledConnection const& connection, Answer& answer) {
  auto const* const tls = dynamic_cast<TlsStream const*>(connection.stream.get());
  if (tls == nullptr || tls->trouble().empty()) return;
  answer.trouble = Trouble::tls;
  answer.reason = tls->trouble();
}

io::Task<Answer> Core::ask(Ask ask) {
  auto const self = shared_from_this();
  Answer answer;
  auto const began = clock_.now();
  Watch watch(ring_, began + std::chrono::duration_cast<SteadyTime::duration>(ask.deadline));
  ensure_sweep();
  answer.reached = Phase::dns;
  if (!is_clean(ask)) {
    end_with(answer, Trouble::own_side, "the request's own headers are malformed");
    co_return answer;
  }
  if (!ask.tls) ask.tls = tls_;
  auto const origin = pool_.origin_of(*ask.url, ask.tls);
  UnderWay const under_way(*origin);
  if (began >= origin->limit_until) origin->limit = std::numeric_limits<std::size_t>::max();
  Again again(ask.url->tls() && pool_.limits.http2);
  for (;;) {
    Lease lease(pool_, origin);
    bool const shares = !again.http1() && began >= origin->http2_not_before;
    auto http2 = shares ? origin->http2_with_room() : nullptr;
    answer.reused = http2 != nullptr;
    if (!http2) {
      // Where HTTP/2 is spoken, many asks want another such connection rather than those left over from the beginning.
      bool const kept = !again.fresh() && !(shares && !origin->http2.empty() &&
                                            origin->asks >= pool_.limits.http2_from);
      if (auto idle = kept ? pool_.take_idle(*origin, began, http1_.scratch()) : nullptr) {
        lease.hold(std::move(idle));
        answer.reused = true;
      } else if (auto step = co_await connect(ask, origin, lease, watch, answer, again.http1())) {
        if (step->trouble == Trouble::none) continue;
        end_with(answer, step->trouble, std::move(step->reason));
        if (step->other_protocol && again.after_other_protocol(*origin, answer, clock_.now()))
          continue;
        if (again.wants_http2()) again.give_up(*origin, answer, clock_.now());
        co_return answer;
      }
      if (lease.has_stream()) {
        http2 = lease.take_stream();
        answer.reused = true;
      } else if (lease->http2) {
        lease.hold_stream(share(origin, lease.pass_on()));
        http2 = lease.take_stream();
      }
    }
    auto const& connection = http2 ? http2->connection() : *lease.connection();
    answer.address = connection.address;
    answer.tls_version = connection.tls_version;
    answer.certificate = connection.certificate;
    answer.http2 = connection.http2;
    if (!http2 && again.wants_http2()) {
      again.give_up(*origin, answer, clock_.now());
      co_return answer;
    }
    answer.reached = Phase::send;
    auto const sent_at = clock_.now();
    auto const exchanged = http2 ? co_await http2->exchange(ask, watch, answer)
                                 : co_await http1_.exchange(ask, lease.connection(), watch, answer);
    if (answer.trouble == Trouble::broken) blame_tls(connection, answer);
    auto const answered_at =
        sent_at + std::chrono::duration_cast<SteadyTime::duration>(answer.answer);
    if (answer.status != 0) origin->last_answer = answered_at;
    Again::Met const met{exchanged,
                         clock_.now(),
                         http2 != nullptr,
                         answer.reused,
                         connection.chose_protocol,
                         http2 ? http2->served() : 0};
    if (again.after(met, *origin, answer)) continue;
    if (exchanged == Exchanged::reusable) lease.keep(answered_at);
    co_return answer;
  }
}

// A connection that asks share, with a stream reserved; it is counted until it is over.
std::shared_ptr<Http2> Core::share(std::shared_ptr<Origin> const& origin,
                                   std::shared_ptr<PooledConnection> connection) {
  auto const http2 = std::make_shared<Http2>(
      std::move(connection),
      Http2::Needs{clock_, tasks_, http1_.scratch(), pool_.limits.streams_per_connection,
                   [weak = weak_from_this(), origin](Http2& one) {
                     auto const self = weak.lock();
                     if (!self) return;
                     if (!one.objection().empty())
                       avoid_http2(*origin, self->clock_.now(), without_http2_after_trouble);
                     self->pool_.shared_changed(origin, one.shared_from_this());
                   },
                   [weak = weak_from_this()](Http2& one) {
                     if (auto const self = weak.lock()) self->pool_.rests(one.shared_from_this());
                   }});
  pool_.share(origin, http2);
  http2->reserve();
  pool_.shared_changed(origin, http2);
  http2->start();
  return http2;
}

// A Failed without trouble: things have changed, look again.
io::Task<Core::Step> Core::connect(Ask const& ask, std::shared_ptr<Origin> origin, Lease& lease,
                                   Watch& watch, Answer& answer, bool http1) {
  bool const offers = !http1 && (origin->http2_only || origin->asks >= pool_.limits.http2_from) &&
                      clock_.now() >= origin->http2_not_before;
  // Who opens a connection takes one of its streams, and others wait for the rest.
  bool const joins = offers && origin->http2_joining <
                                   origin->http2_dials * (pool_.limits.streams_per_connection - 1);
  answer.reached = Phase::connect;
  if (offers && !joins) pool_.make_room(origin);
  auto const wish = joins    ? PoolWaiter::Wish::join
                    : offers ? PoolWaiter::Wish::shared
                             : PoolWaiter::Wish::any;
  if (auto step = co_await wait_for_room(ask, origin, lease, watch, answer, wish)) co_return step;
  if (lease.connection()) answer.reused = true;
  if (lease.connection() || lease.has_stream()) co_return std::nullopt;
  answer.reached = Phase::dns;
  auto const began = clock_.now();
  std::vector<boost::asio::ip::address> addresses;
  DialCount counted(pool_, *origin, offers);
  if (auto step = co_await find_addresses(*ask.url, addresses, watch)) co_return step;
  answer.dns = clock_.now() - began;
  answer.reached = Phase::connect;
  Gate::Pass pass(ask.url->tls() ? gate_ : open_gate_, loop_);
  {
    Waiting const waiting(watch, pass.changed);
    while (!pass.entered() && !watch.late) co_await pass.changed.wait();
  }
  if (!pass.entered())
    co_return Failed{
        Trouble::own_side,
        fmt::format("too many other connections were being opened for {}", in_words(ask.deadline))};
  answer.address = io::text_of(io::Endpoint(addresses.front(), ask.url->port));
  if (auto step = check_addresses(*ask.url, addresses)) co_return step;
  DialNeeds const needs{network_, clock_, ask.tls,      pool_.limits.connect_time,
                        offers,   turns_, certificates_};
  auto const dial_began = clock_.now();
  Dialling const dialling(std::make_shared<Dial>(needs, loop_, *ask.url, std::move(addresses),
                                                 origin->session, origin));
  auto& dial = *dialling.dial;
  Waiting const waiting(watch, dial.changed);
  for (dial.go_on(); !dial.over() && !watch.late; dial.go_on()) {
    if (clock_.now() >= dial_began + quiet_after) pass.leave();
    // The endpoint answers others, and leaves us standing: it takes no more connections than it has.
    if (dial.reached() == Phase::connect && clock_.now() >= dial_began + crowded_after &&
        origin->last_answer > dial_began && origin->open > origin->dialling) {
      origin->limit = origin->open - origin->dialling;
      origin->limit_until =
          clock_.now() + std::chrono::duration_cast<SteadyTime::duration>(limit_remembered);
      answer.crowded = true;
      co_return Failed{};
    }
    co_await dial.changed.wait();
  }
  answer.connect = dial.connect_took();
  answer.tls = dial.tls_took();
  auto stream = dial.take_stream();
  answer.reached = dial.reached();
  if (!stream && watch.late) {
    co_return Failed{Trouble::timeout, fmt::format("{} within {}",
                                                   dial.reached() == Phase::tls ? "no TLS handshake"
                                                                                : "no connection",
                                                   in_words(ask.deadline))};
  }
  if (!stream)
    co_return Failed{dial.trouble(), dial.reason(), !offers && dial.wants_other_protocol()};
  bool const http2 = dial.protocol() == "h2";
  if (offers && !http2) {
    origin->http2_only = false;
    avoid_http2(*origin, clock_.now(), without_http2_when_not_spoken);
  }
  auto connection = std::make_shared<PooledConnection>();
  connection->address = io::text_of(stream->peer());
  connection->tls_version = dial.tls_version();
  connection->certificate = dial.certificate();
  connection->http2 = counted.came = http2;
  connection->chose_protocol = !dial.protocol().empty();
  connection->stream = std::move(stream);
  lease.hold(std::move(connection));
  co_return std::nullopt;
}

io::Task<Core::Step> Core::wait_for_room(Ask const& ask, std::shared_ptr<Origin> origin,
                                         Lease& lease, Watch& watch, Answer& answer,
                                         PoolWaiter::Wish wish) {
  bool const first =
      std::ranges::all_of(origin->waiters, [](auto const* waiter) { return waiter->joins(); });
  bool const joins = wish == PoolWaiter::Wish::join;
  if (!joins && first && pool_.take_room(*origin)) {
    lease.hold_room();
    co_return std::nullopt;
  }
  bool const own_limit = origin->open < pool_.limits.connections_per_origin;
  auto const began = clock_.now();
  PoolWaiter waiter(pool_, origin, loop_, wish);
  Waiting const waiting(watch, waiter.changed);
  while (!waiter.granted() && !watch.late) co_await waiter.changed.wait();
  answer.crowded = answer.crowded || (!joins && clock_.now() >= began + crowded_after);
  if (waiter.connection)
    lease.hold(std::move(waiter.connection));
  else if (std::exchange(waiter.room, false))
    lease.hold_room();
  else if (waiter.http2)
    lease.hold_stream(std::move(waiter.http2));
  else if (waiter.again && !watch.late)
    co_return Failed{};
  else if (joins)
    co_return Failed{Trouble::timeout,
                     fmt::format("no connection within {}", in_words(ask.deadline))};
  else
    co_return Failed{
        own_limit ? Trouble::own_side : Trouble::timeout,
        fmt::format("all {} connections {} were busy for {}",
                    own_limit ? pool_.limits.connections : pool_.limits.connections_per_origin,
                    own_limit ? "of this client" : "to this origin", in_words(ask.deadline))};
  co_return std::nullopt;
}

io::Task<Core::Step> Core::find_addresses(Url const& url,
                                          std::vector<boost::asio::ip::address>& addresses,
                                          Watch& watch) {
  if (url.is_ip) {
    boost::system::error_code error;
    addresses.push_back(boost::asio::ip::make_address(url.host, error));
    if (error) co_return Failed{Trouble::dns, url.host + " is not an address"};
    co_return std::nullopt;
  }
  auto const lookup = resolver_.look_up(url.host);
  auto const until =
      clock_.now() + std::chrono::duration_cast<SteadyTime::duration>(pool_.limits.dns_time);
  Waiting const waiting(watch, lookup->changed);
  while (!lookup->done && !watch.late && clock_.now() < until) co_await lookup->changed.wait();
  if (lookup->done && lookup->trouble == NameTrouble::none) {
    addresses = lookup->addresses;
    co_return std::nullopt;
  }
  auto const trouble = lookup->done ? lookup->trouble : resolver_.silence(url.host);
  auto reason =
      lookup->done ? lookup->reason : fmt::format("{}: no name server answered in time", url.host);
  co_return Failed{trouble == NameTrouble::resolver ? Trouble::resolver : Trouble::dns,
                   std::move(reason)};
}

// One forbidden address among several refuses all: a name that points inside is not to be trusted with its other addresses.
Core::Step Core::check_addresses(Url const& url,
                                 std::vector<boost::asio::ip::address> const& addresses) const {
  for (auto const& address : addresses) {
    if (auto const refusal = guard_.refusal(io::Endpoint(address, url.port)); !refusal.empty())
      return Failed{Trouble::refused, url.is_ip
                                          ? refusal + ": not allowed"
                                          : fmt::format("{}: {}: not allowed", url.host, refusal)};
    if (!url.tls() && !guard_.allows_plain(address))
      return Failed{Trouble::refused,
                    fmt::format("http:// to {} is not allowed; use https://", address.to_string())};
  }
  return std::nullopt;
}

void Core::ensure_sweep() {
  if (std::exchange(sweeping_, true)) return;
  tasks_.start(shared_from_this(), sweep());
}

io::Task<void> Core::sweep() {
  for (int ticks = 1; !ring_.alone() || pool_.has_idle() || resolver_.is_busy(); ++ticks) {
    co_await clock_.sleep_for(tick);
    resolver_.tick();
    auto const now = clock_.now();
    for (Watch* watch = ring_.after; watch != &ring_; watch = watch->after) {
      bool const fresh = !watch->late && now >= watch->deadline;
      watch->late = watch->late || fresh;
      if (fresh && watch->stream != nullptr) watch->stream->close();
      if (watch->signal != nullptr) watch->signal->notify();
    }
    if (ticks % 10 == 0) pool_.close_idle(now);
  }
  sweeping_ = false;
}

class PooledClient final : public Client {
 public:
  explicit PooledClient(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~PooledClient() override { core_->end(); }
  io::Task<Answer> ask(Ask ask) override { return core_->ask(ask); }
  std::size_t open_connections() const override { return core_->open_connections(); }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

Result<std::unique_ptr<Client>> make_client(io::Executor loop, io::Network& network,
                                            io::Clock& clock, Guard const& guard, TlsSettings tls,
                                            ClientLimits limits) {
  auto trust = make_tls_client(tls);
  if (!trust) return pass(trust);
  return std::make_unique<PooledClient>(
      std::make_shared<Core>(std::move(loop), network, clock, guard, std::move(*trust), limits));
}

}  // namespace millrace::http::client
