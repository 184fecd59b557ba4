// One data stream at work: takes its events from the log, oldest first, sends each through its transport, has the answer judged,
// and settles it or notes its next try. The cursor never waits for a failed event: it gets a retry row and the cursor passes.
//   Threads  One loop's. Whatever happens on other loops reaches a lane through its Shard.
//   Memory   Bounded by the window, by Limits below, and by one read of the log; never by the backlog.
//   Crash    What was settled since the last delta() that was stored is sent again; nothing is skipped.
#pragma once
#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/meters.h"
#include "delivery/dispatcher.h"
#include "delivery/filter.h"
#include "delivery/renderer.h"
#include "delivery/retry_policy.h"
#include "delivery/retry_queue.h"
#include "delivery/throttle.h"
#include "delivery/transport.h"
#include "delivery/verdict.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/task.h"

namespace millrace::delivery {

class Lane;

// Lets a line through each minute: for trouble that repeats with each event or second.
class OncePerMinute {
 public:
  bool may_tell(SteadyTime now) {
    if (next_ > now) return false;
    next_ = now + std::chrono::minutes(1);
    return true;
  }

 private:
  SteadyTime next_{};
};

// Counts that any thread reads while the lane's loop writes them.
struct LaneMeters {
  std::array<std::array<Counter, 9>, 3> tries;  // by AttemptOutcome and FailureClass
  Counter without_form;  // not sent: the format has no form for them, or they lack what it needs
  Counter findings;      // of the check of the format
  Counter refused;       // not sent for them
};

// What lanes cost beside their sends.
struct LaneWork {
  Counter timers;  // that went off
  Counter wakes;   // of lanes, by a timer
  Counter pumps;   // looks for what can be sent
};

// What all lanes of a dispatcher share. Any thread.
struct LaneTools {
  store::Store& store;
  io::Clock& clock;
  io::Random& random;
  Log& log;
  Renderer& renderer;
  DispatcherSettings const& settings;
  RetryPolicy policy = RetryPolicy::canvas();
  Histogram delivery_time;
  Histogram end_to_end_time;
  std::atomic<std::size_t> retries{0};  // in memory, of all lanes
  LaneWork work;
};

// The loop that a lane lives on, as the lane sees it (shard.h).
class LaneHost {
 public:
  virtual ~LaneHost() = default;
  virtual std::uint64_t head() const = 0;  // the first batch that nobody here has seen yet
  virtual store::SharedBatch newest(std::uint64_t batch) = 0;  // from the tail in memory, or null
  virtual void start(
      io::Task<void> task) = 0;  // a send or a read; cancelled when a stop runs out of time
  // Calls pump() then, or a little later. The lane's one next time: it replaces what was asked for before.
  virtual void wake_at(Lane& lane, SteadyTime at) = 0;
  // For how long this process did not run since `began`, when a send began that has ended now; zero: it ran.
  virtual Duration stopped_since(SteadyTime began) const = 0;
  virtual void want_read(Lane& lane) = 0;  // calls read_log() when fewer lanes are reading
  virtual void changed(Lane& lane) = 0;    // has a delta to be stored; once until delta() is taken
};

class Lane final : public std::enable_shared_from_this<Lane> {
 public:
  struct Limits {
    static constexpr std::size_t retries = 100'000;  // in memory; more wait in the log
    // What a lane may always have, however many the others have (DispatcherSettings::retries).
    static constexpr std::size_t own_retries = 256;
    static constexpr std::size_t slots =
        1024;  // events taken from the log beyond the oldest unsettled one
    static constexpr std::size_t unstored_bytes =
        16 * 1024 * 1024;  // undelivered payloads that are not stored yet
  };

  // A new stream: it begins at batch `head`.
  Lane(LaneHost& host, LaneTools& tools, model::DataStream stream,
       std::shared_ptr<Transport> transport, std::uint64_t head, io::Executor loop);
  // A stream that has been at work before.
  Lane(LaneHost& host, LaneTools& tools, model::DataStream stream,
       std::shared_ptr<Transport> transport, store::StreamState state, io::Executor loop);

  model::DataStream const& stream() const { return stream_; }
  Filters const& filters() const { return filters_; }
  std::shared_ptr<LaneMeters const> meters() const { return meters_; }

  // ---- the log grows
  // Batches before this one are counted already.
  std::uint64_t counts_from() const { return counts_from_; }
  // A batch at the head of the log holds `events` (at least one) that the stream selects.
  void arrived(std::uint64_t batch, WallTime accepted_at, std::uint32_t events);
  // Starts whatever can be sent now.
  void pump();

  // ---- a user changes it
  void edit(model::DataStream stream, std::shared_ptr<Transport> transport, std::uint64_t head);
  void resume();  // sends again, from where it stopped
  void halt();    // starts nothing more; what is under way ends. Retries stay as they are
  Dropped
  remove();  // the same, and nothing is remembered from now on; answers what that takes away
  bool is_running() const { return running_; }
  bool is_quiet() const { return sends_ == 0 && !reading_ && !recounting_; }
  io::Task<void> until_quiet();
  // Passes over what waits in batches before `to`, and counts it as skipped; answers how many. Only while halted and quiet.
  // Fails with: io, missing.
  io::Task<Result<std::uint64_t>> skip_before(std::uint64_t to);
  // How far the record of the stream is carried out; edit() notes its version.
  store::Applied applied() const { return applied_; }
  void carried_out(std::uint64_t epoch);          // an activation, with what it passed over
  std::uint64_t edits() const { return edits_; }  // changes whenever a user changes something

  // ---- retention
  // True when the log has lost something that the stream waits for.
  bool needs_before(std::uint64_t oldest) const;
  // Counts what is lost before batch `oldest`.
  io::Task<void> lose_before(std::uint64_t oldest);

  // ---- the store
  // All that changed since the last call. If it cannot be stored, give it back.
  store::StreamDelta delta();
  void stored(store::StreamDelta const& delta);
  void not_stored(store::StreamDelta delta);
  std::uint64_t stored_counted_to() const { return stored_counted_to_; }
  void mark_changed();

  // ---- the host
  io::Task<void> read_log();
  void not_read();  // it will not be: the shard stops
  void woken() { throttle_.woken(); }

  io::Task<StreamStatus> status();
  // One event that is in no log.
  io::Task<Outcome> send_test(store::SharedBatch batch);

 private:
  struct Item {           // one event on its way
    Throttle::Mark mark;  // nothing while it is held
    store::Work work;
    EventId event;
    store::SharedBatch batch;  // until it is rendered; null of a retry that is not read yet
    std::uint64_t slot = 0;    // of a first try
    model::Run run_kind = model::Run::live;
    std::optional<RetryRow> row;  // of a later one
    WallTime accepted_at{};
    std::string type;
    SharedRendered rendered;
    // Of the last try only: what an undelivered event keeps.
    model::Kind kind;
    std::string payload;
    std::uint32_t metadata_bytes = 0;

    int tried() const { return row ? row->tried : 0; }
  };
  struct Slot {  // of an event that was taken from the log by its cursor
    store::Work work;
    EventId event;
    bool settled = false;
  };
  struct Sending;  // counts a send for as long as its Task runs

  static io::Task<void> send_all(std::shared_ptr<Lane> self, std::vector<Item> items);
  io::Task<void> send(std::vector<Item>& items);
  io::Task<bool> load(Item& item);
  void prepare(Item& item, SharedRendered rendered);
  Entry entry_of(Item const& item) const;
  void settle(Item& item, Outcome& outcome);
  void delivered(Item const& item, WallTime now);
  void retry(Item const& item, Outcome const& outcome, RetryAt const& verdict, WallTime now);
  void give_up(Item& item, Outcome const& outcome, WallTime now);
  void lost(Item& item, std::string_view why);
  void refuse(Item& item);
  void keep_undelivered(Item& item, Outcome const& outcome, WallTime now);
  Outcome refused(Rendered const& rendered) const;
  void postpone(Item& item, Error const& why);
  void give_back(std::vector<Item>& items, std::size_t from);
  void end(Item const& item);
  void record(Item const& item, Outcome& outcome, model::AttemptOutcome as);
  void tell_failure(Item const& item, Outcome const& outcome, model::AttemptOutcome as);
  void tell_success();
  void tell_attempt(Item const& item, Outcome const& outcome, model::AttemptOutcome as);

  bool take(std::vector<Item>& items);
  std::optional<Throttle::Mark> may_begin();
  bool take_one(Item& item);
  bool take_held(Item& item);
  bool take_retry(Item& item);
  bool take_from_log(Item& item);
  bool load_batch();
  void use(store::SharedBatch batch);
  void let_go();
  void lose_damaged();
  io::Task<Result<std::uint64_t>> pass_over(std::uint64_t to);
  io::Task<Result<std::uint64_t>> count_selected(std::uint64_t first, std::uint64_t end);
  io::Task<void> skip_ahead();
  io::Task<void> recount_undelivered();
  void wake_at(SteadyTime at);
  void end_slot(std::uint64_t slot);
  void end_row(store::Work const& work);
  void park_oldest();
  store::LedgerMinute& minute(WallTime now);
  store::Position cursor() const;
  store::StreamProgress progress() const;
  std::uint64_t settled() const;
  void note_lost(std::uint64_t events, WallTime from, WallTime to);

  LaneHost& host_;
  LaneTools& tools_;
  model::DataStream stream_;
  std::shared_ptr<Transport> transport_;
  Filters filters_;
  std::shared_ptr<LaneMeters> meters_ = std::make_shared<LaneMeters>();
  bool running_ = false;
  bool removed_ = false;

  // The log: what is selected before scan_ has a slot, a row or is settled; unscanned_ of the batches up to the head are not
  // taken yet.
  store::Position scan_;
  std::uint64_t counts_from_ = 1;
  std::uint64_t unscanned_ = 0;
  std::optional<WallTime> unscanned_since_;  // acceptance of the batch at scan_, if known
  std::vector<store::Position>
      settled_before_;        // beyond scan_, by an earlier life; sorted, last first
  store::SharedBatch batch_;  // at scan_
  enum class Pick : std::uint8_t { no, yes, without_form };
  std::vector<Pick> picks_;              // of batch_, by kind
  std::deque<store::SharedBatch> read_;  // what comes after batch_
  bool reading_ = false;
  bool sparse_ = false;      // the last read held nothing for this stream
  bool recounting_ = false;  // nothing is taken from the log meanwhile
  SteadyTime read_after_{};  // after a failed read

  Throttle throttle_;
  std::deque<Slot> slots_;
  std::uint64_t first_slot_ = 0;
  std::map<std::uint64_t, store::Work> slots_parked_;
  std::deque<Item> held_;    // taken, but not sent before the lane was halted
  SteadyTime held_until_{};  // after trouble in reading them again
  std::size_t sends_ = 0;
  std::size_t handed_over_ = 0;  // to the transport, and not answered
  std::uint64_t edits_ = 0;
  store::Applied applied_;
  std::size_t entries_per_send_ = 1;
  RenderRules rules_;
  RetryQueue retries_{tools_.retries};
  KidTable kids_;
  io::Signal quiet_;

  // Since the last delta.
  bool changed_ = false;
  store::Counters counters_;
  std::map<store::Work, std::optional<RetryRow>> row_changes_;  // nullopt: ended
  std::vector<store::Undelivered> undelivered_;
  std::size_t unstored_bytes_ = 0;
  std::vector<store::LedgerMinute> ledger_;
  std::uint64_t stored_counted_to_ = 0;

  std::optional<WallTime> lost_from_, lost_to_;
  std::optional<WallTime> last_success_, last_failure_;
  std::string last_failure_reason_;
  bool told_incomplete_ = false, told_nonconforming_ = false;
  struct Failing {
    std::optional<SteadyTime> since;  // none: it works
    SteadyTime latest{};
    std::uint64_t attempts = 0;
  };
  Failing failing_;
  OncePerMinute disk_trouble_, losses_, read_trouble_;
  // How many the store keeps, as far as it is known here: it lets go of old ones by itself.
  std::uint64_t undelivered_kept_ = 0;
  std::uint64_t undelivered_unstored_ = 0;
  SteadyTime recount_after_{};
};

}  // namespace millrace::delivery
