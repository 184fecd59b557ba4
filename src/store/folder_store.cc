// The store in a folder: puts the log, the state and the attempts together behind one interface.
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>

#include "store/attempt_log.h"
#include "store/batch_format.h"
#include "store/log_reader.h"
#include "store/log_writer.h"
#include "store/open.h"
#include "store/state_file.h"

namespace millrace::store {
namespace {

constexpr int background = 5;     // niceness beside the commit thread's
constexpr int most_slices = 200;  // of what is too old, in one go
constexpr auto tick = std::chrono::milliseconds(250);

[[noreturn]] void end_process(std::string const& why) {
  std::fputs(
      ("millrace: " + why +
       ": what is on the disk is uncertain, so the process ends; it is safe to start it again\n")
          .c_str(),
      stderr);
  std::_Exit(70);
}

class FolderStore final : public Store {
 public:
  FolderStore(FolderSettings settings, io::Files& files, io::Clock& clock, io::Random& random,
              Log& log)
      : folder_(std::move(settings), files, clock, random, log),
        space_(folder_),
        segments_(folder_),
        memory_(folder_.settings.tail_bytes, folder_.settings.cache_bytes),
        state_(folder_, space_),
        attempts_(folder_),
        writer_(folder_, segments_, memory_, space_),
        reader_(folder_, segments_, memory_, writer_) {
    read_worker_ = folder_.settings.worker("store-read", background);
    state_worker_ = folder_.settings.worker("store-state", background);
    attempts_worker_ = folder_.settings.worker("store-attempts", background);
  }
  ~FolderStore() override {
    stop_ticker();
    read_worker_.reset();
    state_worker_.reset();
    attempts_worker_.reset();
  }

  Result<void> open() {
    auto const& path = folder_.settings.folder;
    if (auto done = folder_.files.make_folders(path); !done) return done;
    auto lock = folder_.files.open(folder_.path("lock"), io::OpenMode::create);
    if (!lock) return pass(lock);
    if (auto taken = (*lock)->lock(); !taken) {
      if (taken.error().fault != Fault::conflict) return taken;
      return fail(Fault::conflict, path +
                                       ": another Millrace process uses this folder; stop it, or "
                                       "give this one a folder of its own");
    }
    folder_.lock = std::move(*lock);
    space_.open();
    if (auto done = state_.open(); !done) return done;
    if (auto done = accept_clock(); !done) return done;
    if (auto done = segments_.load(); !done) return done;
    if (auto done = writer_.open(state_.known_next()); !done) return done;
    if (auto done = attempts_.open(); !done) return done;
    if (folder_.settings.ticker) start_ticker();
    return {};
  }

  io::TrustedTime& time() override { return folder_.time; }

  // ---- the event log
  io::Task<Result<Appended>> append(model::EventBlock events,
                                    std::optional<RepeatKey> repeat) override {
    co_return co_await io::answer<Result<Appended>>(
        [this, events = std::move(events),
         repeat = std::move(repeat)](io::Resolver<Result<Appended>> done) mutable {
          writer_.submit({std::move(events), std::move(repeat), std::move(done), 0});
        });
  }
  io::Task<Result<std::vector<SharedBatch>>> read(std::uint64_t first, ReadLimits limits) override {
    auto const range = writer_.range();
    if (first < range.oldest)
      co_return fail(Fault::missing,
                     fmt::format("event log: batch {} is not kept any more; the oldest is {}",
                                 first, range.oldest));
    if (first >= range.next) co_return std::vector<SharedBatch>();
    if (auto found = memory_.run_from(first, limits); !found.empty()) co_return found;
    co_return co_await io::offload(*read_worker_,
                                   [this, first, limits] { return reader_.read(first, limits); });
  }
  io::Task<Result<std::vector<BatchSummary>>> summaries(std::uint64_t first,
                                                        std::size_t limit) override {
    std::vector<BatchSummary> found;
    for (auto const& batch : memory_.run_from(first, {limit, SIZE_MAX}))
      found.push_back(summary_of(*batch));
    if (!found.empty()) co_return found;
    co_return co_await io::offload(
        *read_worker_, [this, first, limit] { return reader_.summaries(first, limit); });
  }
  io::Task<Result<std::uint64_t>> batch_at(WallTime time) override {
    co_return co_await io::offload(*read_worker_, [this, time] { return reader_.batch_at(time); });
  }
  io::Task<Result<std::pair<SharedBatch, std::uint32_t>>> find(EventId event) override {
    co_return co_await io::offload(*read_worker_, [this, event] { return reader_.find(event); });
  }
  LogRange range() const override { return writer_.range(); }
  std::string refuses() override { return writer_.refuses(); }
  std::shared_ptr<void> follow(io::Executor loop, std::function<void(SharedBatch)> batch) override {
    return writer_.follow(std::move(loop), std::move(batch));
  }
  io::Task<Result<std::vector<BatchSummary>>> doomed(WallTime now) override {
    co_return co_await io::offload(*read_worker_, [this, now] { return reader_.doomed(now); });
  }
  io::Task<Result<LogRange>> retain(WallTime now) override {
    for (int slice = 0; slice < most_slices; ++slice) {
      auto const more =
          co_await io::offload(*state_worker_, [this, now] { return state_.retain(now); });
      if (!more) co_return pass(more);
      if (!*more) break;
    }
    auto const accepted = co_await io::offload(*state_worker_, [this] { return accept_clock(); });
    if (!accepted) co_return pass(accepted);
    auto const attempts =
        co_await io::offload(*attempts_worker_, [this, now] { return attempts_.retain(now); });
    if (!attempts) co_return pass(attempts);
    co_return co_await io::offload(*read_worker_, [this, now] { return reader_.retain(now); });
  }

  // ---- the state of streams
  io::Task<Result<std::vector<StreamState>>> load_streams() override {
    co_return co_await io::offload(*state_worker_, [this] { return state_.load_streams(); });
  }
  io::Task<Result<std::uint64_t>> keep_streams(std::vector<StreamId> known) override {
    co_return co_await io::offload(
        *state_worker_, [this, known = std::move(known)] { return state_.keep_streams(known); });
  }
  io::Task<Result<void>> checkpoint(std::vector<StreamDelta> deltas) override {
    co_return co_await io::offload(*state_worker_, [this, deltas = std::move(deltas)] {
      return state_.checkpoint(deltas, writer_.stored_next());
    });
  }
  io::Task<Result<std::uint64_t>> undelivered_count(StreamId stream) override {
    co_return co_await io::offload(*state_worker_,
                                   [this, stream] { return state_.undelivered_count(stream); });
  }
  io::Task<Result<Page<Undelivered>>> undelivered(StreamId stream, std::string after,
                                                  PageLimits limits, Payloads payloads) override {
    co_return co_await io::offload(*state_worker_,
                                   [this, stream, after = std::move(after), limits, payloads] {
                                     return state_.undelivered(stream, after, limits, payloads);
                                   });
  }
  io::Task<Result<std::vector<LedgerMinute>>> ledger(StreamId stream, std::int64_t from_minute,
                                                     std::int64_t to_minute) override {
    co_return co_await io::offload(*state_worker_, [this, stream, from_minute, to_minute] {
      return state_.ledger(stream, from_minute, to_minute);
    });
  }

  // ---- records
  io::Task<Result<void>> change(std::vector<RecordChange> changes) override {
    co_return co_await io::offload(
        *state_worker_, [this, changes = std::move(changes)] { return state_.change(changes); });
  }
  io::Task<Result<std::vector<Record>>> records(std::string collection) override {
    co_return co_await io::offload(*state_worker_, [this, collection = std::move(collection)] {
      return state_.records(collection);
    });
  }
  io::Task<Result<Page<Record>>> newest_records(std::string collection, std::string after,
                                                PageLimits limits) override {
    co_return co_await io::offload(
        *state_worker_, [this, collection = std::move(collection), after = std::move(after),
                         limits] { return state_.newest_records(collection, after, limits); });
  }
  io::Task<Result<void>> add_dead_letters(std::vector<DeadLetter> letters) override {
    co_return co_await io::offload(*state_worker_, [this, letters = std::move(letters)]() mutable {
      return state_.add_dead_letters(std::move(letters));
    });
  }
  io::Task<Result<Page<DeadLetter>>> dead_letters(std::string after, PageLimits limits) override {
    co_return co_await io::offload(*state_worker_, [this, after = std::move(after), limits] {
      return state_.dead_letters(after, limits);
    });
  }
  io::Task<Result<std::vector<DroppedLetters>>> dropped_letters() override {
    co_return co_await io::offload(*state_worker_, [this] { return state_.dropped_letters(); });
  }
  io::Task<Result<DeadLetter>> dead_letter(std::string id) override {
    co_return co_await io::offload(*state_worker_,
                                   [this, id = std::move(id)] { return state_.dead_letter(id); });
  }

  // ---- attempts
  void add_attempt(model::Attempt attempt) override {
    if (attempts_.add(std::move(attempt))) attempts_worker_->post([this] { attempts_.flush(); });
  }
  io::Task<Result<Page<model::Attempt>>> attempts(AttemptQuery query) override {
    co_return co_await io::offload(
        *attempts_worker_, [this, query = std::move(query)] { return attempts_.query(query); });
  }

  io::Task<Result<void>> close() override {
    stop_ticker();
    auto const log = co_await io::answer<Result<void>>(
        [this](io::Resolver<Result<void>> done) { writer_.close(std::move(done)); });
    auto const state = co_await io::offload(*state_worker_,
                                            [this] { return state_.close(writer_.stored_next()); });
    auto const attempts =
        co_await io::offload(*attempts_worker_, [this] { return attempts_.close(); });
    if (!log) co_return pass(log);
    if (!state) co_return pass(state);
    co_return attempts;
  }

 private:
  // An operator who makes this file says that the wall clock is right.
  Result<void> accept_clock() {
    auto const path = folder_.path("accept-clock");
    auto const there = folder_.files.exists(path);
    if (!there) return pass(there);
    if (!*there) return {};
    if (folder_.time.doubt())
      folder_.log.warning("the clock is accepted by the operator", {{"file", path}});
    folder_.time.confirm();
    return folder_.files.remove(path);
  }

  // What happens after a time, though nobody calls: attempts that waited long enough go to disk.
  void start_ticker() {
    ticker_loop_ = std::make_unique<io::asio::io_context>(1);
    ticker_ = io::thread_worker("store-tick", background);
    ticker_->post([this] {
      io::TaskScope scope(ticker_loop_->get_executor());
      scope.start(ticks());
      ticker_loop_->run();
      // Stopped by stop_ticker(): the wait is ended here, on its own thread.
      scope.cancel();
      ticker_loop_->restart();
      ticker_loop_->run();
    });
  }
  void stop_ticker() {
    if (!ticker_) return;
    ticker_loop_->stop();
    ticker_.reset();
  }
  io::Task<void> ticks() {
    for (;;) {
      co_await folder_.clock.sleep_for(tick);
      if (attempts_.is_due()) attempts_worker_->post([this] { attempts_.flush(); });
    }
  }

  Folder folder_;
  DiskSpace space_;
  Segments segments_;
  BatchMemory memory_;
  StateFile state_;
  AttemptLog attempts_;
  LogWriter writer_;
  LogReader reader_;
  std::unique_ptr<io::asio::io_context> ticker_loop_;
  std::unique_ptr<io::Worker> ticker_;
  // Last: their threads use all of the above, and end first.
  std::unique_ptr<io::Worker> read_worker_, state_worker_, attempts_worker_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_folder(FolderSettings settings, io::Files& files,
                                           io::Clock& clock, io::Random& random, Log& log) {
  if (!settings.fatal) settings.fatal = end_process;
  auto store = std::make_unique<FolderStore>(std::move(settings), files, clock, random, log);
  if (auto opened = store->open(); !opened) return pass(opened);
  return store;
}

}  // namespace millrace::store
