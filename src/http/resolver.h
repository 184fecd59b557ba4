// Names to addresses, by c-ares on the loop: /etc/hosts first, then the servers of /etc/resolv.conf; no search domains.
//   Threads  One loop's.
//   Time     Answers are kept for as long as their TTL says, 1 s at least and 60 s at most. A question is sent again after 0.7 s and
//            2.1 s (in real time); who waits has the deadline, and tick() moves c-ares on.
//   Fault    Where no server can answer for a name, another name that was found before is asked for, too: if that is found meanwhile, the
//            trouble is the name's; else it is that of our name servers. The answer waits for this, the asker only for as long as he likes.
//   Order    IPv6 first, then the families in turn; within a family as the server said.
#pragma once
#include <ares.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "http/went_well.h"
#include "io/clock.h"
#include "io/task.h"

namespace millrace::http {

enum class NameTrouble : std::uint8_t {
  none,
  name,      // the name's own: it does not exist, or has no address
  resolver,  // no server answers, or none can, and no other name was found meanwhile
};

struct Lookup {
  explicit Lookup(io::Executor loop) : changed(std::move(loop)) {}
  bool done = false;
  NameTrouble trouble = NameTrouble::none;
  std::string reason;
  std::vector<boost::asio::ip::address>
      addresses;  // in the order in which to try them, 64 at most, none twice
  SteadyTime asked_at{}, good_until{};
  io::Signal changed;
};

class Resolver {
 public:
  // `servers`: "127.0.0.1:5353", comma-separated, instead of the system's; for tests.
  Resolver(io::Executor loop, io::Clock& clock, std::string servers = {});
  ~Resolver();
  Resolver(Resolver const&) = delete;
  Resolver& operator=(Resolver const&) = delete;

  // Begins to look the name up, or joins who does, or finds it answered. Wait for `changed` until `done`.
  std::shared_ptr<Lookup> look_up(std::string const& host);
  // At least ten times a second while is_busy().
  void tick();
  void close();  // lookups under way end, as trouble of the resolver
  bool is_busy() const { return pending_ > 0; }
  // What it means that nobody has answered for this name up to now. From the next question for it on, another name is asked for
  // beside it, so that the next silence tells.
  NameTrouble silence(std::string const& host);

 private:
  struct Watch;
  struct Asked;
  bool open();
  void socket_changed(ares_socket_t socket, bool read, bool write);
  void process(ares_socket_t read, ares_socket_t write);
  static void wait(std::shared_ptr<Watch> const& watch, bool to_write);
  void ask(std::string const& host, std::shared_ptr<Lookup> const& lookup);
  void ask_beside(std::string const& host);
  void answered(Asked& asked, int status, ares_addrinfo* found_nodes);
  void failed(std::string const& host, std::shared_ptr<Lookup> const& lookup, int status);
  void settle(std::string const& host, std::shared_ptr<Lookup> const& lookup, int status);
  void settle_waiting();

  io::Executor loop_;
  io::Clock& clock_;
  std::string servers_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, std::shared_ptr<Watch>> watches_;
  std::map<std::string, std::shared_ptr<Lookup>> lookups_;
  std::size_t pending_ = 0;
  WentWell found_;                  // the names that servers had
  bool asking_ = false;             // what is answered now no server was asked for
  std::shared_ptr<Lookup> beside_;  // the question for another name, while it is open
  struct Waiting {
    std::string host;
    std::shared_ptr<Lookup> lookup;
    int status;
  };
  std::vector<Waiting> waiting_;  // failed, and wait for that question
  std::set<std::string> silent_;  // names for which nobody answered in time
  std::int64_t settings_stamp_ = 0;
  SteadyTime settings_checked_{};
};

}  // namespace millrace::http
