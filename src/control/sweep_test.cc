// The promises of a change, swept over a folder on a disk in memory: one story is told again and again, each time with the machine stopping
// at the next disk operation, or with that operation failing. After each restart what was answered is stored, with its audit line, and what
// was not answered is stored whole or not at all.
#include <gmock/gmock.h>

#include "control/control_fixture.h"
#include "control/lanes_fixture.h"
#include "control/streams.h"
#include "store/open.h"
#include "testing/crashing_files.h"

namespace millrace::control {
namespace {

class SweepTest : public ::testing::Test {
 protected:
  struct Told {                           // of one stream
    std::optional<StreamId> id;           // of the record; none: it was never answered
    std::uint64_t answered = 0;           // newest version that was answered
    std::uint64_t asked = 0;              // newest that was asked for
    std::optional<std::uint64_t> before;  // newest batch that was accepted before the first request
    std::optional<std::uint64_t> after;   // oldest that was accepted after its answer
    bool gone = false;                    // its deletion was asked for
    struct Selection {                    // that was answered
      std::uint64_t version;
      std::optional<std::uint64_t> before, after;
    };
    std::vector<Selection> selections;
  };

  SweepTest() {
    settings.folder = "/data";
    settings.ticker = false;
    settings.reserve_bytes = 0;
    settings.worker = [](std::string const&, int) { return io::inline_worker(); };
    settings.fatal = [this](std::string const&) { files.stop(); };
  }
  ~SweepTest() override { close(); }

  bool open() {
    settings.meters = std::make_shared<store::StoreMeters>();
    auto opened = store::open_folder(settings, files, sim.clock(), sim.random(), sim.log());
    if (!opened) return false;
    store = std::move(*opened);
    auto read = sim.run(Registry::open(*store, test_sealer(), sim.clock(), sim.random()));
    if (!read) return false;
    registry = std::move(*read);
    streams = std::make_unique<Streams>(StreamsParts{.loop = sim.executor(),
                                                     .store = *store,
                                                     .registry = *registry,
                                                     .lanes = lanes,
                                                     .clock = sim.clock(),
                                                     .random = sim.random(),
                                                     .log = sim.log()});
    return true;
  }
  void close() {
    if (streams) sim.run(streams->join());
    streams.reset();
    registry.reset();
    if (store) static_cast<void>(sim.run(store->close()));
    store.reset();
  }
  std::optional<std::uint64_t> append() {
    model::EventBlock block;
    block.add(ours, "grade_change", "{}", "{}");
    auto const done = sim.run(store->append(std::move(block), std::nullopt));
    return done ? std::optional(done->first.batch) : std::nullopt;
  }

  bool add(Told& told, std::string_view name) {
    told.before = append();
    told.asked = 1;
    auto const made = sim.run(streams->add(*model::parse_new(stream_body(ours, name), {}), root,
                                           "data_streams.create", {}));
    if (!made) return false;
    told.id = made->stream->id;
    told.answered = made->stream->version;
    told.after = append();
    return true;
  }
  bool note(Told& told, Result<Changed> const& done) {
    if (!done) return false;
    told.answered = told.asked;
    return true;
  }
  StreamPtr now(Told const& told) { return registry->stream(*told.id); }
  bool select(Told& told, std::string type) {
    auto next = *now(told);
    next.event_types = {std::move(type)};
    auto const before = append();
    ++told.asked;
    if (!note(told, sim.run(streams->change(std::move(next), root)))) return false;
    told.selections.push_back({told.asked, before, append()});
    return true;
  }
  bool deactivate(Told& told) {
    ++told.asked;
    return note(told, sim.run(streams->deactivate(now(told), model::StateReason::errors, root)));
  }
  bool activate(Told& told) {
    ++told.asked;
    return note(told, sim.run(streams->activate(now(told), {ResumeFrom::Kind::now, {}}, root)));
  }
  bool erase(Told& told) {
    ++told.asked;
    told.gone = true;
    return note(told, sim.run(streams->erase(now(told), root)));
  }

  bool tell_story() {
    if (!open()) return false;
    return add(a, "a") && select(a, "x") && add(b, "b") && deactivate(a) && append().has_value() &&
           activate(a) && select(a, "y") && deactivate(b) && erase(a);
  }

  void claim(bool holds, std::string_view what, std::string const& where) {
    if (holds) return;
    ++broken;
    if (expected) ADD_FAILURE() << what << ", " << where;
  }
  void check_stream(Told const& told, std::string const& where) {
    if (!told.id) return;
    auto const desired = registry->desired(*told.id);
    if (!desired) return claim(told.gone && told.asked > told.answered - 1, "it is there", where);
    auto const version = desired->stream.version;
    claim(version >= told.answered, "what was answered is stored", where);
    claim(version <= told.asked, "nothing is stored that nobody asked for", where);
    claim(lines_of(*told.id) == version, "each version has its audit line", where);
    if (desired->gone) return;
    if (told.before) claim(*told.before < desired->start, "none of before the request", where);
    if (told.after) claim(*told.after >= desired->start, "all of after the answer", where);
    check_selections(told, *desired, where);
  }
  void check_selections(Told const& told, model::DesiredStream const& desired,
                        std::string const& where) {
    for (auto const& [version, before, after] : told.selections)
      for (auto const& filter : desired.filters) {
        if (filter.version != version) continue;
        if (before) claim(*before < filter.from_batch, "before an edit the old filter", where);
        if (after) claim(*after >= filter.from_batch, "after an edit the new filter", where);
      }
  }
  std::uint64_t lines_of(StreamId id) {
    auto const lines = sim.run(store->records("audit"));
    std::uint64_t count = 0;
    for (auto const& line : *lines)
      if (line.value.contains(id.text()) && !line.value.contains("data_streams.skipped") &&
          !line.value.contains("data_streams.dropped"))
        ++count;
    return count;
  }
  void check_promises(std::string const& where) {
    if (!open()) return claim(false, "the folder opens again", where);
    check_stream(a, where);
    check_stream(b, where);
    sim.run(streams->finish_deletions());
    for (auto const& desired : registry->desired())
      claim(!desired->gone, "no tombstone is left", where);
    close();
    if (!open()) return claim(false, "the folder opens a second time", where);
    if (a.gone && a.answered == a.asked)
      claim(!registry->desired(*a.id), "a deleted stream is no ghost", where);
  }

  // `trouble` is called with the number of each disk operation in turn. Answers how many promises were broken.
  int sweep(std::function<void(std::uint64_t)> const& trouble, bool promises_hold) {
    expected = promises_hold;
    for (std::uint64_t n = 0; n < 2'000; ++n) {
      close();
      files.replace_disk();
      a = b = {};
      trouble(files.operations() + n);
      bool const ended = tell_story() && !files.is_stopped() && !files.has_failed();
      close();
      if (!promises_hold) a.answered = a.asked;  // the counter-test: as if all had been answered
      files.restart(n);
      check_promises("operation " + std::to_string(n));
      if (!ended) continue;
      EXPECT_GT(n, 50) << "the story has few operations";
      return broken;
    }
    ADD_FAILURE() << "the story does not end";
    return broken;
  }

  model::Principal const root{"root", "test", model::Role::owner, {"*"}};
  testing::Sim sim;
  FakeLanes lanes{sim.clock()};
  testing::CrashingFiles files;
  store::FolderSettings settings;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Registry> registry;
  std::unique_ptr<Streams> streams;
  Told a, b;
  int broken = 0;
  bool expected = true;
};

TEST_F(SweepTest, a_change_that_was_answered_is_stored_wherever_the_machine_stops) {
  sweep([&](std::uint64_t n) { files.stop_at(n); }, true);
}

TEST_F(SweepTest, a_change_that_was_answered_is_stored_whichever_operation_fails) {
  sweep([&](std::uint64_t n) { files.fail_at(n); }, true);
}

TEST_F(SweepTest, the_sweep_finds_an_answer_that_was_given_too_early) {
  EXPECT_GT(sweep([&](std::uint64_t n) { files.stop_at(n); }, false), 0);
}

}  // namespace
}  // namespace millrace::control
