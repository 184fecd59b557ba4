#include "scenario/scenario.h"

#include <fmt/format.h>

#include <algorithm>

#include "scenario/administrator.h"
#include "scenario/faults.h"
#include "scenario/invariants.h"
#include "scenario/producer.h"
#include "scenario/receiver.h"

namespace millrace::scenario {
namespace {

constexpr int steps = 60;
constexpr std::string_view secret_key = "a-secret-of-scenarios";

class Scenario {
 public:
  explicit Scenario(std::uint64_t seed)
      : world_(seed), faults_(world_, receivers_), invariants_(world_) {}

  Outcome run() {
    if (is_green()) set_up();
    for (step_ = 1; step_ <= steps && is_green(); ++step_) take_step();
    if (is_green()) finish();
    return outcome();
  }

 private:
  bool is_green() const { return world_.findings().empty(); }

  void set_up() {
    for (int i = 0; i < 4; ++i) {
      receivers_.push_back(std::make_unique<Receiver>(world_, i));
      receivers_.back()->start();
    }
    int who = 0;
    for (std::string const account : {"account-a", "account-b"}) {
      auto const owner = token_of(account, "owner");
      for (int i = 0; i < 2; ++i) add(AdministratorSettings{++who, account, owner});
      add(ProducerSettings{++who, account, token_of(account, "producer"), "", ""});
      add(ProducerSettings{++who, account, token_of(account, "producer"), "", ""});
      add(ProducerSettings{++who, account, "", access_key_of(account), std::string(secret_key)});
    }
  }
  void add(AdministratorSettings settings) {
    administrators_.push_back(
        std::make_unique<Administrator>(world_, std::move(settings), receivers_));
    world_.sim().start(administrators_.back()->run());
  }
  void add(ProducerSettings settings) {
    producers_.push_back(std::make_unique<Producer>(world_, std::move(settings)));
    world_.sim().start(producers_.back()->run());
  }
  Reply ask(Request request) {
    Client client(world_, world_.seed(), 900);
    client.in_pieces = false;
    auto const asked = world_.sim().start(client.ask(std::move(request)));
    check(world_.advance_until([&] { return asked.done(); }, 60s), "a quiet node answers");
    return asked.value();
  }
  Reply post(std::string target, std::string body) {
    auto reply =
        ask({"POST", std::move(target),
             bearer(world_.owner()) + "Content-Type: application/json\r\n", std::move(body)});
    if (reply.status != 201) world_.fault("a quiet node does what it is asked", "201", reply.body);
    return reply;
  }
  std::string token_of(std::string const& account, std::string_view role) {
    return post("/api/v1/tokens",
                fmt::format(R"({{"name":"{0} of {1}","role":"{0}","accounts":["{1}"]}})", role,
                            account))
        .text("token");
  }
  std::string access_key_of(std::string const& account) {
    auto id = "KEY_" + account.substr(account.size() - 1);
    post("/api/v1/access_keys",
         fmt::format(R"({{"accounts":["{}"],"access_key_id":"{}","secret_access_key":"{}"}})",
                     account, id, secret_key));
    return id;
  }

  void take_step() {
    faults_.step();
    if (is_green()) world_.advance(chance_.between(200ms, 4s));
    if (world_.must_crash()) faults_.bring_back();
    if (is_green()) invariants_.check();
    if (world_.must_crash()) faults_.bring_back();
  }

  // All is well, everybody ends what they have begun, and what waits is sent.
  void finish() {
    faults_.heal();
    world_.wind_down();
    if (world_.must_crash() || !world_.is_up()) faults_.bring_back();
    auto const all_done = [&] {
      return std::ranges::all_of(producers_, [](auto const& one) { return one->done; }) &&
             std::ranges::all_of(administrators_, [](auto const& one) { return one->done; });
    };
    if (!world_.advance_until(all_done, 5min))
      return world_.fault("everybody ends when all is well", "an end within 5 min",
                          "somebody waits");
    for (int i = 0; i < 120 && is_green() && !invariants_.all_settled(); ++i) {
      world_.advance(30s);
      ++step_;
    }
    if (is_green()) invariants_.check_end();
  }

  Outcome outcome() {
    Outcome outcome;
    outcome.green = is_green();
    outcome.trace = world_.trace();
    outcome.events = world_.book().events.size();
    outcome.lives = world_.lives();
    for (auto const& [n, stream] : world_.book().streams) outcome.tries += stream.tries;
    if (!is_green()) outcome.report = report();
    return outcome;
  }
  std::string report() const {
    auto const& first = world_.findings().front();
    std::string text = fmt::format(
        "seed {}, step {}, after {:.3f} s\n  invariant: {}\n  expected:  {}\n  is:        {}\n"
        "  again:     MILLRACE_SCENARIO_SEED={} build/dev/scenario_test "
        "--gtest_filter=Scenario.one\n"
        "the last of the trace:\n",
        world_.seed(), step_, seconds(world_.since_start()), first.invariant, first.expected,
        first.is, world_.seed());
    auto const& trace = world_.trace();
    for (std::size_t i = trace.size() > 40 ? trace.size() - 40 : 0; i < trace.size(); ++i)
      text += "  " + trace[i] + "\n";
    return text + "the last of the node's log:\n" + world_.log_tail();
  }

  World world_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  std::vector<std::unique_ptr<Administrator>> administrators_;
  std::vector<std::unique_ptr<Producer>> producers_;
  Faults faults_;
  Invariants invariants_;
  Chance chance_{world_.seed(), 1};
  int step_ = 0;
};

}  // namespace

Outcome run(std::uint64_t seed) { return Scenario(seed).run(); }

}  // namespace millrace::scenario
