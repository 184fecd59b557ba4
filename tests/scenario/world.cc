#include "scenario/world.h"

#include <fmt/format.h>

#include "testing/sim_worker.h"

namespace millrace::scenario {
namespace {

constexpr auto folder = "/data";

// The trust of deliveries: reading the system's takes longer than a scenario may.
std::shared_ptr<http::TlsClient const> const& shared_trust() {
  static auto const trust = *http::make_tls_client({});
  return trust;
}

// A disk after a first start: keys take longer to make than a scenario may take.
testing::CrashingFiles const& first_disk(server::NodeSettings const& settings) {
  static testing::CrashingFiles disk;
  static bool made = false;
  if (std::exchange(made, true)) return disk;
  testing::Sim sim;
  testing::FakeNetwork network(sim.executor(), sim.clock());
  server::NodeParts const parts{
      .loop = sim.executor(),
      .loops = {sim.executor()},
      .files = disk,
      .network = network,
      .clock = sim.clock(),
      .random = sim.random(),
      .log = sim.log(),
      .worker = [](std::string const&, int) { return io::inline_worker(); }};
  auto started = sim.run(server::Node::start(parts, settings));
  check(started.has_value(), "a node starts on an empty disk");
  auto const stopped = sim.start((*started)->stop());
  sim.advance(1min);
  check(stopped.done() && stopped.value().has_value(), "a node that has nothing to do stops");
  sim.cancel();
  sim.settle();
  return disk;
}

}  // namespace

World::World(std::uint64_t seed)
    : seed_(seed),
      sim_(seed),
      began_(sim_.clock().now()),
      network_(sim_.executor(), sim_.clock()),
      disk_chance_(seed, 99) {
  auto first = settings();
  first.store.worker = [](std::string const&, int) { return io::inline_worker(); };
  first.store.fatal = nullptr;
  files_.copy_from(first_disk(first));
  auto const token =
      static_cast<io::Files&>(files_).read_all(std::string(folder) + "/admin.token", 1000);
  check(token.has_value(), "the first start leaves a token");
  owner_ = token->substr(0, token->size() - 1);
  start();
}

World::~World() {
  network_.sever(true);
  if (node_ && !hung_) finish_stop();
  sim_.cancel();
  sim_.settle();
  end_life();
}

io::Endpoint World::door() const { return *io::parse_endpoint("10.1.0.1:80"); }

server::NodeSettings World::settings() {
  server::NodeSettings settings;
  settings.store.folder = folder;
  settings.store.ticker = false;
  settings.store.reserve_bytes = 0;
  settings.store.least_free_bytes = 1 << 20;
  settings.store.segment_bytes = 256 * 1024;
  settings.store.worker = parts().worker;
  settings.store.fatal = [this](std::string const& line) { fatal_.push_back(line); };
  settings.listen = door();
  settings.allow = {"10.0.0.0/8"};
  settings.tls.base = shared_trust();
  settings.delivery.signing_threads = 0;
  return settings;
}

server::NodeParts World::parts() {
  std::vector<io::Executor> loops;
  for (auto const& loop : loops_) loops.push_back(loop->get_executor());
  if (loops.empty()) loops.push_back(sim_.executor());
  auto const own = loops.front();
  return {.loop = own,
          .loops = std::move(loops),
          .files = files_,
          .network = network_,
          .clock = sim_.clock(),
          .random = sim_.random(),
          .log = sim_.log(),
          .worker = [this](std::string const&, int) {
            return testing::sim_worker(
                sim_, [this] { return disk_chance_.between(Duration::zero(), disk_takes_); });
          }};
}

void World::begin_life() {
  fatal_.clear();
  ++lives_;
  for (std::uint64_t i = 0; i <= seed_ % 2; ++i) {
    loops_.push_back(std::make_unique<boost::asio::io_context>(1));
    sim_.attach(*loops_.back());
  }
}

// What the loops still hold goes after the node, as in the program.
void World::end_life() {
  if (hung_) {  // the scenario is red already; what is still at work cannot be taken away from it
    static_cast<void>(node_.release());
    for (auto& loop : loops_) static_cast<void>(loop.release());
    loops_.clear();
    return;
  }
  node_.reset();
  for (auto const& loop : loops_) sim_.detach(*loop);
  loops_.clear();
}

void World::start() {
  begin_life();
  note("node", "starts");
  struct Run {
    static io::Task<void> it(server::NodeParts parts, server::NodeSettings settings,
                             std::optional<Result<std::unique_ptr<server::Node>>>& into) {
      into.emplace(co_await server::Node::start(std::move(parts), std::move(settings)));
    }
  };
  std::optional<Result<std::unique_ptr<server::Node>>> started;
  auto scope = std::make_unique<io::TaskScope>(loops_.front()->get_executor());
  scope->start(Run::it(parts(), settings(), started));
  for (int i = 0; i < 3000 && scope->running() > 0; ++i) sim_.advance(i == 0 ? 0ms : 20ms);
  if (started && *started) {
    node_ = std::move(**started);
    return;
  }
  // A disk that stops while the node starts is no fault of the node's.
  if (!must_crash())
    fault("a node starts on what it has left", "a start within a minute",
          started ? started->error().what : "nothing came of it");
  scope->cancel();
  sim_.settle();
  if (scope->running() > 0) {
    fault("a start that fails ends", "an end", "it waits for ever");
    hung_ = true;
    static_cast<void>(scope.release());
  }
  end_life();
}

bool World::finish_stop() {
  struct Run {
    static io::Task<void> it(server::Node& node, std::optional<Result<void>>& into) {
      into.emplace(co_await node.stop());
    }
  };
  std::optional<Result<void>> stopped;
  auto scope = std::make_unique<io::TaskScope>(loops_.front()->get_executor());
  scope->start(Run::it(*node_, stopped));
  for (int i = 0; i < 3000 && scope->running() > 0; ++i) sim_.advance(100ms);
  if (stopped) return stopped->has_value();
  fault("a node stops", "an end within five minutes", "it stops for ever");
  hung_ = true;
  static_cast<void>(scope.release());  // what waits in it is never over
  return false;
}

void World::stop() {
  note("node", "stops");
  finish_stop();
  end_life();
}

// From now on nothing reaches the disk or leaves the machine; what the node thinks to do meanwhile is no more than a dream.
void World::crash(std::uint64_t luck) {
  note("node", "crashes");
  files_.stop();
  network_.sever(true);
  if (node_) {
    finish_stop();
    end_life();
  }
  network_.sever(false);
  files_.restart(luck);
  book_.crashed(now());
}

void World::note(std::string_view who, std::string what) {
  trace_.push_back(fmt::format("{:>10.3f} {} {}", seconds(since_start()), who, what));
}

void World::fault(std::string invariant, std::string expected, std::string is) {
  note("FAULT", invariant + ": " + is);
  findings_.push_back({std::move(invariant), std::move(expected), std::move(is)});
}

std::string World::log_tail() const {
  std::string text;
  auto const lines = sim_.log().lines("", LogLevel::info);
  for (std::size_t i = lines.size() > 30 ? lines.size() - 30 : 0; i < lines.size(); ++i)
    text += "  " + lines[i] + "\n";
  return text;
}

}  // namespace millrace::scenario
