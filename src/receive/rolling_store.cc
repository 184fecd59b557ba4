#include "receive/rolling_store.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <unordered_map>
#include <utility>

#include "receive/commit_queue.h"
#include "receive/durable.h"
#include "receive/paths.h"
#include "receive/seen_set.h"

namespace millrace::receive {
namespace {

constexpr std::size_t queue_bytes = 64 * 1024 * 1024;
constexpr Duration look_every = std::chrono::seconds(1);

class RollingStore final : public EventStore {
 public:
  RollingStore(RollingParts parts, RollingSettings settings, std::unique_ptr<io::File> lock,
               std::unique_ptr<io::Worker> commits, std::unique_ptr<io::Worker> rolls)
      : parts_(std::move(parts)),
        settings_(std::move(settings)),
        lock_(std::move(lock)),
        roller_(parts_.files, parts_.clock, parts_.random, parts_.log, settings_.folders),
        seen_(settings_.remember),
        queue_(*commits, queue_bytes, [this](auto const& events) { return commit(events); }),
        rolls_(std::move(rolls)),
        commits_(std::move(commits)) {}

  Result<void> recover();

  io::Task<Result<Kept>> put(Received event) override {
    co_return co_await queue_.put(std::move(event));
  }
  io::Task<void> keep() override;
  io::Task<Result<void>> close() override;
  Counts counts() const override { return {stored_, repeats_}; }

 private:
  std::vector<Result<Kept>> commit(std::vector<Received> const& events);  // on commits_
  Result<void> write(std::string const& lines);                           // on commits_
  bool due() const;                                                       // on commits_
  std::uint64_t end_segment();                                            // on commits_
  Result<void> roll(std::uint64_t end);                                   // on rolls_

  RollingParts parts_;
  RollingSettings settings_;
  std::unique_ptr<io::File> lock_;  // held, so that no other receiver works here

  Roller roller_;  // of rolls_

  SeenSet seen_;                        // of commits_, as what follows
  std::optional<SpoolWriter> segment_;  // the one that is written; none: nothing waits
  SteadyTime segment_since_{};
  std::uint64_t next_number_ = 1;
  std::optional<Error> broken_;

  std::atomic<std::uint64_t> stored_{0}, repeats_{0};
  std::atomic<bool> unfinished_{false};  // a roll has failed, and is tried again
  CommitQueue queue_;
  // Last: a worker ends its jobs before what they use goes. commits_ posts to rolls_, so it ends first.
  std::unique_ptr<io::Worker> rolls_, commits_;
};

Result<void> RollingStore::recover() {
  auto& files = parts_.files;
  auto const& spool = settings_.folders.spool;
  auto const segments = numbers_with(files, spool, ".spool");
  if (!segments) return pass(segments);
  auto const manifests = numbers_with(files, spool, ".manifest");
  if (!manifests) return pass(manifests);
  auto seen = numbers_with(files, spool, ".seen");
  if (!seen) return pass(seen);
  for (auto const& numbers : {*segments, *manifests, *seen})
    if (!numbers.empty()) next_number_ = std::max(next_number_, numbers.back() + 1);

  // Every segment that is found is closed: after this, its keys are in its .seen file.
  if (auto rolled = roller_.roll_before(next_number_); !rolled) return rolled;
  if (auto tidied = roller_.tidy(); !tidied) return tidied;
  if (auto forgotten = roller_.forget_beyond(settings_.remember); !forgotten) return forgotten;
  seen = numbers_with(files, spool, ".seen");
  if (!seen) return pass(seen);
  for (auto const number : *seen) {
    auto const keys =
        files.read_all(spool + '/' + numbered(number, ".seen"), std::uint64_t{1} << 30);
    if (!keys) return pass(keys);
    for (std::size_t at = 0; at + 16 <= keys->size(); at += 16)
      seen_.add(number, RepeatHash::from_bytes(std::string_view(*keys).substr(at, 16)));
  }
  return {};
}

std::vector<Result<Kept>> RollingStore::commit(std::vector<Received> const& events) {
  std::vector<Result<Kept>> results(events.size(), Result<Kept>(Kept::repeat));
  if (broken_) {
    std::ranges::fill(results, Result<Kept>(std::unexpected(*broken_)));
    return results;
  }
  struct Fresh {
    RepeatHash key;
    std::size_t index;
  };
  std::vector<Fresh> fresh;
  std::unordered_map<RepeatHash, std::size_t> first;  // in this batch
  std::vector<RepeatHash> keys(events.size());
  std::string lines;
  for (std::size_t i = 0; i < events.size(); ++i) {
    auto const& event = events[i];
    keys[i] = RepeatHash::of(event.key);
    if (seen_.has(keys[i]) || !first.emplace(keys[i], i).second) continue;
    fresh.push_back({keys[i], i});
    lines += spool_line(keys[i], date_of(event.event_at), path_part(event.name), event.json);
  }
  if (fresh.empty()) {
    repeats_ += events.size();
    return results;
  }
  auto const written = write(lines);
  for (auto const& event : fresh) {
    if (written) {
      results[event.index] = Kept::stored;
      seen_.add(segment_->number(), event.key);
    } else {
      results[event.index] = pass(written);
    }
  }
  if (written) {
    stored_ += fresh.size();
    repeats_ += events.size() - fresh.size();
    if (segment_->size() >= settings_.roll_bytes) {
      auto const end = end_segment();
      rolls_->post([this, end] { static_cast<void>(roll(end)); });
    }
  } else {
    // A repeat inside the batch is no safer than the first of its kind.
    for (std::size_t i = 0; i < events.size(); ++i)
      if (auto const it = first.find(keys[i]); it != first.end()) results[i] = pass(written);
  }
  return results;
}

Result<void> RollingStore::write(std::string const& lines) {
  if (!segment_) {
    auto made = SpoolWriter::create(parts_.files, settings_.folders.spool, next_number_);
    ++next_number_;  // also after a failure: the file may be there
    if (!made) return pass(made);
    segment_ = std::move(*made);
    segment_since_ = parts_.clock.now();
  }
  auto written = segment_->append(lines);
  if (!written && written.error().fault != Fault::busy) {
    broken_ = written.error();
    parts_.broken(*broken_);
  }
  return written;
}

bool RollingStore::due() const {
  return segment_ && segment_->size() > 0 &&
         parts_.clock.now() - segment_since_ >= settings_.roll_time;
}

std::uint64_t RollingStore::end_segment() {
  segment_.reset();
  return next_number_;
}

Result<void> RollingStore::roll(std::uint64_t end) {
  auto done = roller_.roll_before(end);
  if (done) done = roller_.forget_beyond(settings_.remember);
  if (!done)
    parts_.log.error("files not made yet, events are safe in the spool",
                     {{"why", done.error().what}, {"spool", settings_.folders.spool}});
  unfinished_ = !done;
  return done;
}

io::Task<void> RollingStore::keep() {
  int looks = 0;
  for (;;) {
    co_await parts_.clock.sleep_for(look_every);
    bool const again = unfinished_ && ++looks % 30 == 0;
    auto const end = co_await io::offload(*commits_, [this, again]() -> std::uint64_t {
      if (due()) return end_segment();
      if (!again) return 0;
      return segment_ ? segment_->number() : next_number_;
    });
    if (end == 0) continue;
    static_cast<void>(co_await io::offload(*rolls_, [this, end] { return roll(end); }));
  }
}

io::Task<Result<void>> RollingStore::close() {
  auto const end = co_await io::offload(*commits_, [this] { return end_segment(); });
  co_return co_await io::offload(*rolls_, [this, end] { return roll(end); });
}

}  // namespace

Result<std::unique_ptr<EventStore>> open_rolling(RollingParts parts, RollingSettings settings,
                                                 std::unique_ptr<io::Worker> commits,
                                                 std::unique_ptr<io::Worker> rolls) {
  auto const& folders = settings.folders;
  if (auto made = make_durable_folders(parts.files, folders.root, folders.permissions.folder());
      !made)
    return pass(made);
  if (auto made = make_durable_folders(parts.files, folders.spool); !made) return pass(made);
  auto lock = parts.files.open(settings.folders.spool + "/lock", io::OpenMode::create, 0600);
  if (!lock) return pass(lock);
  if (auto locked = (*lock)->lock(); !locked) {
    if (locked.error().fault != Fault::conflict) return pass(locked);
    return fail(Fault::conflict,
                settings.folders.spool +
                    ": another receiver works in this spool; give this one its own --spool");
  }
  auto store =
      std::make_unique<RollingStore>(std::move(parts), std::move(settings), std::move(*lock),
                                     std::move(commits), std::move(rolls));
  if (auto recovered = store->recover(); !recovered) return pass(recovered);
  return store;
}

}  // namespace millrace::receive
