#include "http/resolver.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>

#include "http/blame.h"

namespace millrace::http {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t max_addresses = 64;
constexpr std::size_t max_kept_names = 4096;
constexpr auto longest_kept = std::chrono::seconds(60);
constexpr std::size_t max_silent_names = 1024;

std::int64_t stamp_of_settings() {
  struct stat status{};
  if (::stat("/etc/resolv.conf", &status) != 0) return 0;
  return status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
}

std::optional<ip::address> address_of(ares_addrinfo_node const& node) {
  if (node.ai_family == AF_INET) {
    auto const& from = *reinterpret_cast<sockaddr_in const*>(node.ai_addr);
    return ip::address_v4(ntohl(from.sin_addr.s_addr));
  }
  if (node.ai_family == AF_INET6) {
    auto const& from = *reinterpret_cast<sockaddr_in6 const*>(node.ai_addr);
    ip::address_v6::bytes_type bytes;
    std::copy_n(from.sin6_addr.s6_addr, bytes.size(), bytes.begin());
    return ip::address_v6(bytes);
  }
  return std::nullopt;
}

// Families in turn, so that one that does not work costs one head start only.
std::vector<ip::address> in_turn(std::vector<ip::address> const& addresses) {
  std::vector<ip::address> v4, v6, result;
  for (auto const& address : addresses) {
    auto& family = address.is_v6() ? v6 : v4;
    if (family.size() < max_addresses && std::ranges::find(family, address) == family.end())
      family.push_back(address);
  }
  for (std::size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
    if (i < v6.size()) result.push_back(v6[i]);
    if (i < v4.size()) result.push_back(v4[i]);
  }
  if (result.size() > max_addresses) result.resize(max_addresses);
  return result;
}

std::string words_of(int status) {
  switch (status) {
    case ARES_ENOTFOUND:
      return "there is no such name";
    case ARES_ENODATA:
      return "the name has no address";
    case ARES_EBADRESP:
      return "the name server's answer is malformed";
    case ARES_ETIMEOUT:
      return "no name server answered in time";
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ECONNREFUSED:  // also when each server that was asked gave one of the above
      return "no name server can answer: each fails, refuses, or is not reached";
    case ARES_EDESTRUCTION:
      return "the question was given up";
    default:
      return ares_strerror(status);
  }
}

}  // namespace

// One socket of c-ares. It closes the socket itself, so we let go of it before.
struct Resolver::Watch {
  Watch(Resolver& of, ares_socket_t number)
      : resolver(&of), socket(number), descriptor(of.loop_, number) {}
  ~Watch() { let_go(); }
  void let_go() {
    if (descriptor.is_open()) descriptor.release();
    resolver = nullptr;
  }
  Resolver* resolver;  // null: c-ares needs the socket no more
  ares_socket_t socket;
  io::asio::posix::basic_stream_descriptor<io::Executor> descriptor;
  bool read = false, write = false, reading = false, writing = false;
};

struct Resolver::Asked {
  Resolver& resolver;
  std::string host;
  std::shared_ptr<Lookup> lookup;
};

Resolver::Resolver(io::Executor loop, io::Clock& clock, std::string servers)
    : loop_(std::move(loop)), clock_(clock), servers_(std::move(servers)) {}

Resolver::~Resolver() { close(); }

void Resolver::close() {
  if (channel_ != nullptr) ares_destroy(channel_);
  channel_ = nullptr;
  for (auto const& [socket, watch] : watches_) watch->let_go();
  watches_.clear();
  pending_ = 0;
  beside_.reset();
  settle_waiting();
}

bool Resolver::open() {
  auto const now = clock_.now();
  if (channel_ != nullptr && now < settings_checked_ + std::chrono::seconds(10)) return true;
  settings_checked_ = now;
  auto const stamp = stamp_of_settings();
  if (channel_ != nullptr && (stamp == settings_stamp_ || pending_ > 0)) return true;
  settings_stamp_ = stamp;
  if (channel_ != nullptr) ares_destroy(channel_);  // it has no way to read its settings again
  channel_ = nullptr;
  static char lookups[] = "fb";
  ares_options options{};
  options.timeout = 700;
  options.tries = 3;
  options.lookups = lookups;
  options.ndomains = 0;
  options.sock_state_cb_data = this;
  options.sock_state_cb = [](void* self, ares_socket_t socket, int read, int write) {
    static_cast<Resolver*>(self)->socket_changed(socket, read != 0, write != 0);
  };
  int const which = ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS |
                    ARES_OPT_TRIES | ARES_OPT_DOMAINS;
  if (ares_init_options(&channel_, &options, which) != ARES_SUCCESS) {
    channel_ = nullptr;
    return false;
  }
  return servers_.empty() || ares_set_servers_ports_csv(channel_, servers_.c_str()) == ARES_SUCCESS;
}

std::shared_ptr<Lookup> Resolver::look_up(std::string const& host) {
  if (silent_.contains(host)) ask_beside(host);
  auto const known = lookups_.find(host);
  if (known != lookups_.end() && (!known->second->done || clock_.now() < known->second->good_until))
    return known->second;
  if (lookups_.size() >= max_kept_names)
    std::erase_if(lookups_, [](auto const& entry) { return entry.second->done; });
  auto const lookup = std::make_shared<Lookup>(loop_);
  lookups_[host] = lookup;
  ask(host, lookup);
  return lookup;
}

void Resolver::ask(std::string const& host, std::shared_ptr<Lookup> const& lookup) {
  auto asked = std::make_unique<Asked>(*this, host, lookup);
  lookup->asked_at = clock_.now();
  ++pending_;
  if (!open()) return answered(*asked, ARES_ENOTINITIALIZED, nullptr);
  asking_ = true;
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags =
      ARES_AI_NOSORT;  // sorting makes a socket for each address, and loses the server's order
  ares_getaddrinfo(
      channel_, host.c_str(), nullptr, &hints,
      [](void* arg, int status, int, ares_addrinfo* found) {
        std::unique_ptr<Asked> const own(static_cast<Asked*>(arg));
        own->resolver.answered(*own, status, found);
        if (found != nullptr) ares_freeaddrinfo(found);
      },
      asked.release());
  asking_ = false;
}

// One question at a time, of a name that was found before.
void Resolver::ask_beside(std::string const& host) {
  auto const* const other = found_.beside(host);
  if (beside_ || other == nullptr) return;
  auto const name = other->who;
  beside_ = std::make_shared<Lookup>(loop_);
  ask(name, beside_);
}

NameTrouble Resolver::silence(std::string const& host) {
  auto const open = lookups_.find(host);
  if (open != lookups_.end() && found_.beside(host, open->second->asked_at))
    return NameTrouble::name;
  if (silent_.size() >= max_silent_names) silent_.clear();
  silent_.insert(host);
  return NameTrouble::resolver;
}

void Resolver::answered(Asked& asked, int status, ares_addrinfo* found_nodes) {
  auto& lookup = *asked.lookup;
  int ttl = static_cast<int>(longest_kept.count());
  std::vector<ip::address> addresses;
  for (auto const* node = found_nodes != nullptr ? found_nodes->nodes : nullptr; node != nullptr;
       node = node->ai_next) {
    ttl = std::min(ttl, node->ai_ttl);
    if (auto const address = address_of(*node)) addresses.push_back(*address);
  }
  if (status == ARES_SUCCESS && addresses.empty()) status = ARES_ENODATA;
  bool const is_beside = asked.lookup == beside_;
  if (is_beside) beside_.reset();
  if (status != ARES_SUCCESS) {
    if (!is_beside) failed(asked.host, asked.lookup, status);
  } else {
    lookup.done = true;
    lookup.addresses = in_turn(addresses);
    if (!asking_) found_.note(asked.host, clock_.now());
    silent_.erase(asked.host);
    lookup.good_until = clock_.now() + std::chrono::seconds(std::max(ttl, 1));
    lookup.changed.notify();
  }
  if (is_beside) settle_waiting();
  --pending_;  // not before: c-ares may be asked from here, and not be made anew
}

void Resolver::failed(std::string const& host, std::shared_ptr<Lookup> const& lookup, int status) {
  if (blame_of_name(status) == Blame::ambiguous && !found_.beside(host, lookup->asked_at)) {
    ask_beside(host);
    if (beside_) return waiting_.push_back({host, lookup, status});  // else it is answered already
  }
  settle(host, lookup, status);
}

void Resolver::settle(std::string const& host, std::shared_ptr<Lookup> const& lookup, int status) {
  auto const blame = blame_of_name(status);
  bool const of_name = blame == Blame::endpoint ||
                       (blame == Blame::ambiguous && found_.beside(host, lookup->asked_at));
  lookup->trouble = of_name ? NameTrouble::name : NameTrouble::resolver;
  lookup->reason = fmt::format("{}: {}", host, words_of(status));
  lookup->done = true;
  if (auto const own = lookups_.find(host); own != lookups_.end() && own->second == lookup)
    lookups_.erase(own);
  lookup->changed.notify();
}

// The question beside them has been answered, or never will be.
void Resolver::settle_waiting() {
  for (auto const& one : std::exchange(waiting_, {})) settle(one.host, one.lookup, one.status);
}

void Resolver::tick() {
  if (channel_ != nullptr && pending_ > 0) process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void Resolver::process(ares_socket_t read, ares_socket_t write) {
  ares_process_fd(channel_, read, write);
}

void Resolver::socket_changed(ares_socket_t socket, bool read, bool write) {
  auto const at = watches_.find(socket);
  if (!read && !write) {
    if (at == watches_.end()) return;
    at->second->let_go();
    watches_.erase(at);
    return;
  }
  auto const watch =
      at != watches_.end()
          ? at->second
          : watches_.emplace(socket, std::make_shared<Watch>(*this, socket)).first->second;
  watch->read = read;
  watch->write = write;
  wait(watch, false);
  wait(watch, true);
}

// Handlers hold the watch weakly: it may be gone, with its socket, when they run.
void Resolver::wait(std::shared_ptr<Watch> const& watch, bool to_write) {
  using Descriptor = io::asio::posix::basic_stream_descriptor<io::Executor>;
  bool& waiting = to_write ? watch->writing : watch->reading;
  if (waiting || !(to_write ? watch->write : watch->read)) return;
  waiting = true;
  watch->descriptor.async_wait(
      to_write ? Descriptor::wait_write : Descriptor::wait_read,
      [weak = std::weak_ptr(watch), to_write](boost::system::error_code error) {
        auto const kept = weak.lock();
        if (!kept || error || kept->resolver == nullptr) return;
        (to_write ? kept->writing : kept->reading) = false;
        auto const socket = kept->socket;
        kept->resolver->process(to_write ? ARES_SOCKET_BAD : socket,
                                to_write ? socket : ARES_SOCKET_BAD);
        if (kept->resolver != nullptr) wait(kept, to_write);
      });
}

}  // namespace millrace::http
