// One whole node in simulation: its disk, network and clock, from one seed; and what all actors of a scenario share.
//   Threads  The test's. Time passes in advance() alone.
#pragma once
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "scenario/book.h"
#include "server/node.h"
#include "testing/crashing_files.h"
#include "testing/fake_network.h"
#include "testing/sim.h"

namespace millrace::scenario {

using namespace std::chrono_literals;

// Chance of one actor: its own sequence, so that what one does moves nobody else's.
class Chance {
 public:
  Chance(std::uint64_t seed, std::uint64_t who) : random_(seed * 1'000'003 + who * 7919 + 1) {}
  std::uint64_t below(std::uint64_t limit) { return random_.bits() % limit; }  // [0, limit)
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  Duration between(Duration least, Duration most) {
    return least + Duration(below(static_cast<std::uint64_t>((most - least).count()) + 1));
  }

 private:
  testing::SeededRandom random_;
};

struct Finding {
  std::string invariant, expected, is;
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(World const&) = delete;
  World& operator=(World const&) = delete;

  std::uint64_t seed() const { return seed_; }
  SteadyTime now() const { return sim_.clock().now(); }
  Duration since_start() const { return now() - began_; }
  testing::Sim& sim() const { return sim_; }
  testing::FakeNetwork& network() { return network_; }
  testing::CrashingFiles& files() { return files_; }
  testing::SimClock& clock() const { return sim_.clock(); }
  Book& book() { return book_; }
  io::Endpoint door() const;                              // where the node listens
  std::string const& owner() const { return owner_; }     // the first token
  void disk_takes(Duration most) { disk_takes_ = most; }  // each job of the disk, at most

  // ---- the node. What comes of a start that fails is a finding.
  void start();
  void stop();  // in order
  void crash(
      std::uint64_t
          luck);  // the machine stops now, and is up again; what was not synced is kept or lost by `luck`
  bool is_up() const { return node_ != nullptr; }
  bool must_crash() const { return !fatal_.empty() || files_.is_stopped(); }
  unsigned lives() const { return lives_; }
  delivery::DispatcherMeters meters() const { return node_->dispatcher().meters(); }

  // True while actors go on with new things; at the end they finish what they have begun.
  bool goes_on() const { return goes_on_; }
  void wind_down() { goes_on_ = false; }

  void advance(Duration span) { sim_.advance(span); }
  template <class Reached>
  bool advance_until(Reached const& reached, Duration most) {
    for (auto const end = now() + most; !reached() && !must_crash(); sim_.advance(20ms))
      if (now() >= end) return false;
    return reached();
  }

  // What actors saw and did, in order: two runs of one seed have the same.
  void note(std::string_view who, std::string what);
  std::vector<std::string> const& trace() const { return trace_; }

  void fault(std::string invariant, std::string expected, std::string is);
  std::vector<Finding> const& findings() const { return findings_; }
  std::string log_tail() const;

 private:
  server::NodeSettings settings();
  server::NodeParts parts();
  void begin_life();
  void end_life();
  bool finish_stop();

  std::uint64_t seed_;
  mutable testing::Sim sim_;
  SteadyTime began_;
  testing::FakeNetwork network_;
  testing::CrashingFiles files_;
  Chance disk_chance_;
  Duration disk_takes_{};
  std::string owner_;
  std::vector<std::string> fatal_;  // what ended the process
  bool goes_on_ = true, hung_ = false;
  unsigned lives_ = 0;
  Book book_;
  std::vector<std::string> trace_;
  std::vector<Finding> findings_;

  // The node's own loops: they end with it.
  std::vector<std::unique_ptr<boost::asio::io_context>> loops_;
  std::unique_ptr<server::Node> node_;
};

}  // namespace millrace::scenario
