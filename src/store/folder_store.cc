// The store in a folder: puts the log, the state and the attempts together behind one interface.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "io/loop.h"
#include "store/attempt_log.h"
#include "store/attempt_search.h"
#include "store/folder_log.h"
#include "store/folder_state.h"
#include "store/open.h"

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

// Attempts are looked for on a thread of their own, so that no search keeps them from being written.
class FolderAttempts final : public Attempts {
 public:
  FolderAttempts(AttemptLog& log, io::Worker& worker, AttemptSearch& search, io::Worker& searcher)
      : log_(log), worker_(worker), search_(search), searcher_(searcher) {}

  void add(model::Attempt attempt) override {
    if (log_.add(std::move(attempt))) worker_.post([this] { log_.flush(); });
  }
  io::Task<Result<Page<model::Attempt>>> find(AttemptQuery query) override {
    auto files = co_await io::offload(worker_, [this] { return log_.stored(); });
    co_return co_await io::offload(searcher_,
                                   [this, query = std::move(query), files = std::move(files)] {
                                     return search_.find(query, files);
                                   });
  }

 private:
  AttemptLog& log_;
  io::Worker& worker_;
  AttemptSearch& search_;
  io::Worker& searcher_;
};

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
        search_(folder_),
        writer_(folder_, segments_, memory_, space_),
        reader_(folder_, segments_, memory_, writer_) {
    read_worker_ = folder_.settings.worker("store-read", background);
    state_worker_ = folder_.settings.worker("store-state", background);
    attempts_worker_ = folder_.settings.worker("store-attempts", background);
    search_worker_ = folder_.settings.worker("store-search", background);
    events_.emplace(memory_, writer_, reader_, *read_worker_);
    progress_.emplace(state_, writer_, *state_worker_);
    records_.emplace(folder_, state_, *state_worker_);
    letters_.emplace(state_, *state_worker_);
    tried_.emplace(attempts_, *attempts_worker_, search_, *search_worker_);
  }
  ~FolderStore() override {
    stop_ticker();
    read_worker_.reset();
    state_worker_.reset();
    attempts_worker_.reset();
    search_worker_.reset();
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
    if (auto done = segments_.load(); !done) return done;
    auto const seen = writer_.newest_mark();
    if (!seen) return pass(seen);
    if (auto done = state_.open(*seen); !done) return done;
    if (auto done = accept_clock(); !done) return done;
    if (auto done = writer_.open(state_.known_next()); !done) return done;
    tell_what_is_gone();
    if (auto done = attempts_.open(); !done) return done;
    return folder_.settings.ticker ? start_ticker() : Result<void>();
  }

  io::TrustedTime& time() override { return folder_.time; }

  EventLog& events() override { return *events_; }
  Progress& progress() override { return *progress_; }
  Records& records() override { return *records_; }
  DeadLetters& dead_letters() override { return *letters_; }
  Attempts& attempts() override { return *tried_; }
  Leases& leases() override { return leases_; }

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
    auto const range = co_await events_->retain(now);
    if (!range || folder_.log_oldest.exchange(range->oldest) == range->oldest) co_return range;
    auto const remembered =
        co_await io::offload(*state_worker_, [this] { return state_.remember(); });
    if (!remembered) co_return pass(remembered);
    co_return range;
  }

  io::Task<Result<void>> close() override {
    stop_ticker();
    auto const log = co_await io::answer<Result<void>>(
        [this](io::Resolver<Result<void>> done) { writer_.close(std::move(done)); });
    auto const state = co_await io::offload(*state_worker_,
                                            [this] { return state_.close(writer_.stored_next()); });
    static_cast<void>(
        co_await io::offload(*search_worker_, [this] { return search_.close(), true; }));
    auto const attempts =
        co_await io::offload(*attempts_worker_, [this] { return attempts_.close(); });
    if (!log) co_return pass(log);
    if (!state) co_return pass(state);
    co_return attempts;
  }

 private:
  // The oldest file of the log is let go by retention, or it is gone.
  void tell_what_is_gone() {
    auto const oldest = writer_.range().oldest;
    auto const known = folder_.log_oldest.exchange(oldest);
    if (known > 0 && oldest > known)
      folder_.log.error("the event log begins later than it did: what came before is lost",
                        {{"from_batch", known}, {"to_batch", oldest - 1}});
  }

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
  Result<void> start_ticker() {
    auto loop = io::make_loop();
    if (!loop)
      return fail(Fault::io, folder_.settings.folder + ": cannot be watched: " + loop.error().what);
    ticker_loop_ = std::move(*loop);
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
    return {};
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
  AttemptSearch search_;
  LogWriter writer_;
  LogReader reader_;
  std::optional<FolderLog> events_;
  std::optional<FolderProgress> progress_;
  std::optional<FolderRecords> records_;
  std::optional<FolderDeadLetters> letters_;
  std::optional<FolderAttempts> tried_;
  FolderLeases leases_{state_};
  std::unique_ptr<io::asio::io_context> ticker_loop_;
  std::unique_ptr<io::Worker> ticker_;
  // Last: their threads use all of the above, and end first.
  std::unique_ptr<io::Worker> read_worker_, state_worker_, attempts_worker_, search_worker_;
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
