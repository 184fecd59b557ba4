// A network in memory: connections are pairs of pipes, time is the Clock's, trouble comes by address or at the Nth operation.
//   Use      FakeNetwork network(sim.executor(), sim.clock()); network.at(address).delay = 50ms; ...
//   Threads  One loop's, and the test's between its turns. It outlives its streams and acceptors.
//   Strict   A pipe holds 64 KiB: who writes more waits for the reader. descriptor() is -1.
#pragma once
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory>

#include "io/clock.h"
#include "io/net.h"

namespace millrace::testing {

// How the way to an address is, for connections to it (those that exist see a change at their next operation).
struct FakeRoute {
  Duration delay{};         // each way
  bool refuses = false;     // nobody listens there
  int error = 0;            // connecting fails with this errno
  bool black_hole = false;  // connecting never ends, what is sent disappears
  std::size_t most = std::numeric_limits<
      std::size_t>::max();  // open connections; connecting one more waits for room
  std::uint64_t breaks_after = std::numeric_limits<
      std::uint64_t>::max();  // a new connection breaks when it has carried so many bytes to there
};

class FakeNetwork final : public io::Network {
 public:
  FakeNetwork(io::Executor loop, io::Clock& clock);
  ~FakeNetwork() override;

  FakeRoute& at(boost::asio::ip::address const& address);
  void cut(boost::asio::ip::address const& address);  // resets every connection to it
  // The machine's own end: every connection is reset, and until it is taken back every new one is refused.
  void sever(bool severed);
  // Connects and writes are counted from 0; number `operation` fails, a write with its connection.
  void fail_operation(std::uint64_t operation);
  std::uint64_t operations() const;
  std::size_t connects() const;      // that succeeded
  std::uint64_t bytes_back() const;  // that came from acceptors' ends

  io::Task<Result<std::unique_ptr<io::ByteStream>>> connect(io::Endpoint to) override;
  Result<std::unique_ptr<io::Acceptor>> listen(io::Executor loop, io::Endpoint at) override;
  Result<std::unique_ptr<io::Acceptor>> adopt(io::Executor loop,
                                              int descriptor) override;  // always invalid

 private:
  struct World;
  struct Pipe;
  struct Link;
  class Stream;
  class Listener;
  std::shared_ptr<World> world_;
};

}  // namespace millrace::testing
