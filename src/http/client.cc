#include "http/client.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/encoding.h"
#include "http/answer_reader.h"
#include "http/dial.h"
#include "http/pool.h"
#include "http/resolver.h"
#include "http/tasks.h"
#include "http/tls.h"

namespace millrace::http {
namespace {

constexpr auto tick = std::chrono::milliseconds(100);

// An ask under way, as the sweep sees it. A ring of them: entering and leaving cost nothing.
struct Watch {
  Watch() = default;
  Watch(Watch& ring, SteadyTime until) : deadline(until), before(ring.before), after(&ring) {
    before->after = after->before = this;
  }
  ~Watch() {
    before->after = after;
    after->before = before;
  }
  Watch(Watch const&) = delete;
  Watch& operator=(Watch const&) = delete;
  bool alone() const { return after == this; }

  SteadyTime deadline{};
  io::ByteStream* stream = nullptr;  // closed when the deadline has passed
  io::Signal* signal = nullptr;      // notified then, and at each tick
  bool late = false;
  Watch* before = this;
  Watch* after = this;
};

// Points a Watch at what its ask waits for, for as long as it waits.
struct Waiting {
  Waiting(Watch& of, io::Signal& signal) : watch(of) { watch.signal = &signal; }
  ~Waiting() { watch.signal = nullptr; }
  Waiting(Waiting const&) = delete;
  Waiting& operator=(Waiting const&) = delete;
  Watch& watch;
};

// Ends a Dial that nobody waits for any more.
struct Dialling {
  explicit Dialling(std::shared_ptr<Dial> of) : dial(std::move(of)) {}
  ~Dialling() { dial->cancel(); }
  Dialling(Dialling const&) = delete;
  Dialling& operator=(Dialling const&) = delete;
  std::shared_ptr<Dial> dial;
};

std::string in_words(Duration span) { return fmt::format("{:.1f} s", seconds(span)); }

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(io::Executor loop, io::Network& network, io::Clock& clock, Guard const& guard,
       std::unique_ptr<TlsClient> tls, ClientLimits limits)
      : loop_(loop),
        network_(network),
        clock_(clock),
        guard_(guard),
        tls_(std::move(tls)),
        resolver_(loop, clock),
        tasks_(std::move(loop)) {
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
    Trouble trouble;
    std::string reason;
  };
  using Step = std::optional<Failed>;
  enum class Sent : std::uint8_t { all, some, broken };

  io::Task<Step> connect(Ask const& ask, std::shared_ptr<Origin> origin, Lease& lease, Watch& watch,
                         Answer& answer);
  io::Task<Step> wait_for_room(Ask const& ask, std::shared_ptr<Origin> origin, Lease& lease,
                               Watch& watch);
  io::Task<Step> find_addresses(Url const& url, std::vector<boost::asio::ip::address>& addresses,
                                Watch& watch);
  Step check_addresses(Url const& url,
                       std::vector<boost::asio::ip::address> const& addresses) const;
  void render(Ask const& ask);
  void send(std::shared_ptr<PooledConnection> const& connection);
  static io::Task<void> send_rest(PooledConnection& connection);
  void settle(Answer& answer, AnswerReader const& reader, Watch const& watch, SteadyTime sent_at,
              int code);
  void ensure_sweep();
  io::Task<void> sweep();

  io::Executor loop_;
  io::Network& network_;
  io::Clock& clock_;
  Guard const& guard_;
  std::unique_ptr<TlsClient> tls_;
  Resolver resolver_;
  Pool pool_;
  Tasks tasks_;
  Watch ring_;
  bool sweeping_ = false;
  std::vector<Field> fields_;
  std::array<std::byte, 16 * 1024> scratch_;  // everybody's between two waits, as out_ is
  std::string out_;
};

Answer failed(Answer answer, Trouble trouble, std::string reason) {
  answer.trouble = trouble;
  answer.reason = std::move(reason);
  return answer;
}

// A head that ends early would let a caller's header value write the request.
bool is_clean(Ask const& ask) {
  return is_token(ask.method) && (ask.head.empty() || ask.head.ends_with("\r\n")) &&
         !ask.head.contains("\r\n\r\n") && !ask.head.starts_with("\r\n") &&
         !ask.head.contains('\0');
}

io::Task<Answer> Core::ask(Ask ask) {
  auto const self = shared_from_this();
  Answer answer;
  auto const began = clock_.now();
  Watch watch(ring_, began + std::chrono::duration_cast<SteadyTime::duration>(ask.deadline));
  ensure_sweep();
  answer.reached = Phase::dns;
  if (!is_clean(ask))
    co_return failed(std::move(answer), Trouble::own_side,
                     "the request's own headers are malformed");
  auto const origin = pool_.origin_of(*ask.url);
  for (;;) {
    Lease lease(pool_, origin);
    answer.reused = false;
    if (auto idle = answer.resent ? nullptr : pool_.take_idle(*origin, began, scratch_)) {
      lease.hold(std::move(idle));
      answer.reused = true;
    } else if (auto step = co_await connect(ask, origin, lease, watch, answer)) {
      co_return failed(std::move(answer), step->trouble, std::move(step->reason));
    }
    answer.address = lease->address;
    answer.tls_version = lease->tls_version;
    answer.reached = Phase::send;
    auto& stream = *lease->stream;
    watch.stream = &stream;
    render(ask);
    auto const sent_at = clock_.now();
    send(lease.connection());
    AnswerReader reader(answer, fields_, ask.method == "HEAD", ask.kept_body);
    bool look_first =
        !answer.reused && ask.url->tls();  // what OpenSSL has read already wakes nobody
    int code = 0;
    for (bool reading = true; reading;) {
      if (!look_first) {
        if (auto const ready = co_await stream.readable(); !ready) break;
      }
      look_first = false;
      for (;;) {
        auto const moved =
            watch.late ? io::Moved{io::Moved::State::failed} : stream.try_read(scratch_);
        if (moved.state == io::Moved::State::again) break;
        if (moved.state != io::Moved::State::done) {
          code = moved.code;
          reading = false;
          if (moved.state == io::Moved::State::ended) reader.ended();
          break;
        }
        bool const before = reader.head_complete();
        auto const state = reader.take(as_text(std::span(scratch_).first(moved.bytes)));
        if (!before && reader.head_complete()) {
          auto const now = clock_.now();
          answer.answer = now - sent_at;
          answer.reached = Phase::done;
          watch.late = watch.late || now > watch.deadline;
          if (watch.late) {
            watch.stream = nullptr;
            answer.reached = Phase::answer;
            co_return failed(std::move(answer), Trouble::timeout, "the answer came too late");
          }
        }
        reading = state != AnswerReader::State::done && state != AnswerReader::State::bad;
        if (!reading) break;
      }
    }
    watch.stream = nullptr;
    bool const silent = !reader.has_bytes() && !watch.late;
    if (silent && answer.reused && !answer.resent) {  // it was closed while it rested
      answer.resent = true;
      continue;
    }
    bool const keep = reader.may_reuse() && !lease->writing;
    settle(answer, reader, watch, sent_at, code);
    if (keep) lease.keep(sent_at + std::chrono::duration_cast<SteadyTime::duration>(answer.answer));
    co_return answer;
  }
}

void Core::settle(Answer& answer, AnswerReader const& reader, Watch const& watch,
                  SteadyTime sent_at, int code) {
  if (reader.head_complete()) {
    if (reader.is_done()) return;
    answer.body_cut = true;
    answer.reason = watch.late ? "slow body" : "bad framing: the connection broke within the body";
    return;
  }
  answer.reached = Phase::answer;
  answer.answer = clock_.now() - sent_at;
  if (watch.late) {
    answer.trouble = Trouble::timeout;
    answer.reason =
        reader.has_bytes() ? "the header block was not complete in time" : "no answer in time";
  } else if (reader.is_bad()) {
    answer.trouble = Trouble::protocol;
    answer.reason = reader.why_bad();
  } else {
    answer.trouble = Trouble::broken;
    answer.reason = fmt::format(
        "the connection {}{} {} the answer's header block", code != 0 ? "broke" : "was closed",
        code != 0 ? fmt::format(" ({})", std::generic_category().message(code)) : "",
        reader.has_bytes() ? "within" : "before");
  }
}

void Core::render(Ask const& ask) {
  auto const& url = *ask.url;
  out_.clear();
  out_ += ask.method;
  out_ += ' ';
  out_ += url.target;
  out_ += " HTTP/1.1\r\nHost: ";
  bool const brackets = url.is_ip && url.host.contains(':');
  if (brackets) out_ += '[';
  out_ += url.host;
  if (brackets) out_ += ']';
  auto const number = [&](std::uint64_t n) {
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
  };
  if (url.port != (url.tls() ? 443 : 80)) {
    out_ += ':';
    number(url.port);
  }
  out_ += "\r\n";
  out_ += ask.head;
  if (!ask.body.empty() ||
      (ask.method != "GET" && ask.method != "HEAD" && ask.method != "DELETE")) {
    out_ += "Content-Length: ";
    number(ask.body.size());
    out_ += "\r\n";
  }
  out_ += "\r\n";
  out_ += ask.body;
}

// What does not fit goes on beside the reading: an endpoint may answer before it has read all. A broken write shows when reading.
void Core::send(std::shared_ptr<PooledConnection> const& connection) {
  std::string_view left = out_;
  while (!left.empty()) {
    auto const moved = connection->stream->try_write(as_bytes(left));
    if (moved.state == io::Moved::State::done) {
      left.remove_prefix(moved.bytes);
      continue;
    }
    if (moved.state != io::Moved::State::again) {
      connection->writing = true;  // never to be used again
      return;
    }
    connection->unsent = left;
    connection->writing = true;
    tasks_.start(connection, send_rest(*connection));
    return;
  }
}

io::Task<void> Core::send_rest(PooledConnection& connection) {
  std::string_view left = connection.unsent;
  while (!left.empty()) {
    auto const moved = connection.stream->try_write(as_bytes(left));
    if (moved.state == io::Moved::State::done)
      left.remove_prefix(moved.bytes);
    else if (moved.state != io::Moved::State::again)
      co_return;
    else if (auto const ready = co_await connection.stream->writable(); !ready)
      co_return;
  }
  connection.unsent.clear();
  connection.unsent.shrink_to_fit();
  connection.writing = false;
}

io::Task<Core::Step> Core::connect(Ask const& ask, std::shared_ptr<Origin> origin, Lease& lease,
                                   Watch& watch, Answer& answer) {
  answer.reached = Phase::connect;
  if (auto step = co_await wait_for_room(ask, origin, lease, watch)) co_return step;
  if (lease.connection()) {
    answer.reused = true;
    co_return std::nullopt;
  }
  answer.reached = Phase::dns;
  auto const began = clock_.now();
  std::vector<boost::asio::ip::address> addresses;
  if (auto step = co_await find_addresses(*ask.url, addresses, watch)) co_return step;
  answer.dns = clock_.now() - began;
  answer.reached = Phase::connect;
  answer.address = io::text_of(io::Endpoint(addresses.front(), ask.url->port));
  if (auto step = check_addresses(*ask.url, addresses)) co_return step;
  DialNeeds const needs{network_, clock_, *tls_, pool_.limits.connect_time};
  Dialling const dialling(std::make_shared<Dial>(needs, loop_, *ask.url, std::move(addresses),
                                                 origin->session, origin));
  auto& dial = *dialling.dial;
  Waiting const waiting(watch, dial.changed);
  for (dial.go_on(); !dial.over() && !watch.late; dial.go_on()) co_await dial.changed.wait();
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
  if (!stream) co_return Failed{dial.trouble(), dial.reason()};
  auto connection = std::make_shared<PooledConnection>();
  connection->address = io::text_of(stream->peer());
  connection->tls_version = dial.tls_version();
  connection->stream = std::move(stream);
  lease.hold(std::move(connection));
  co_return std::nullopt;
}

io::Task<Core::Step> Core::wait_for_room(Ask const& ask, std::shared_ptr<Origin> origin,
                                         Lease& lease, Watch& watch) {
  if (origin->waiters.empty() && pool_.take_room(*origin)) {
    lease.hold_room();
    co_return std::nullopt;
  }
  bool const own_limit = origin->open < pool_.limits.connections_per_origin;
  PoolWaiter waiter(pool_, origin, loop_);
  Waiting const waiting(watch, waiter.changed);
  while (!waiter.granted() && !watch.late) co_await waiter.changed.wait();
  if (waiter.connection)
    lease.hold(std::move(waiter.connection));
  else if (std::exchange(waiter.room, false))
    lease.hold_room();
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
  auto const trouble = lookup->done ? lookup->trouble : resolver_.silence();
  auto reason =
      lookup->done ? lookup->reason : fmt::format("{}: no name server answered in time", url.host);
  co_return Failed{trouble == NameTrouble::resolver ? Trouble::resolver : Trouble::dns,
                   std::move(reason)};
}

// One forbidden address among several refuses all: a name that points inside is not to be trusted with its other addresses.
Core::Step Core::check_addresses(Url const& url,
                                 std::vector<boost::asio::ip::address> const& addresses) const {
  for (auto const& address : addresses) {
    if (auto const refusal = guard_.refusal(address); !refusal.empty())
      return Failed{Trouble::refused,
                    url.is_ip ? refusal + ": not allowed"
                              : fmt::format("{} leads to {}: not allowed", url.host, refusal)};
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
  auto trust = TlsClient::make(tls);
  if (!trust) return pass(trust);
  return std::make_unique<PooledClient>(
      std::make_shared<Core>(std::move(loop), network, clock, guard, std::move(*trust), limits));
}

}  // namespace millrace::http
