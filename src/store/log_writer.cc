#include "store/log_writer.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "store/batch_format.h"
#include "store/old_segment.h"

namespace millrace::store {
namespace {

constexpr std::size_t most_events = 60'000;  // an id has 16 bits for the index
constexpr auto try_again_after = std::chrono::seconds(1);
constexpr auto longest_keep = std::chrono::hours(24);
constexpr std::size_t most_key = 512, most_answer = 64 * 1024;

}  // namespace

struct LogWriter::Staged {
  struct Part {  // what one call will be answered
    Result<Appended> answer;
    io::Resolver<Result<Appended>> done;
  };
  std::vector<Part> parts;
  std::vector<std::shared_ptr<RecordBatch>> batches;
  std::vector<SharedRepeat> repeats;
  std::unordered_map<std::string_view, SharedRepeat> fresh;  // repeat keys of this commit
  model::EventBlock open;
  std::uint64_t next = 1;
  WallTime accepted_at{};
  std::uint64_t changes = 0, commits = 0;  // that state.db has stored
};

LogWriter::LogWriter(Folder& folder, Segments& segments, BatchMemory& memory, DiskSpace& space)
    : folder_(folder),
      segments_(segments),
      memory_(memory),
      space_(space),
      disk_{folder.files, folder.settings.folder, folder.settings.durable,
            [&folder](std::string const& line) { folder.settings.fatal(line); }},
      repeats_(folder.settings.repeat_bytes) {
  sealer_ = folder.settings.worker("store-seal", 5);
  // At the process's own niceness: beside busy cores its wake-up decides how long every producer waits.
  committer_ = folder.settings.worker("store-commit", 0);
}

LogWriter::~LogWriter() {
  committer_.reset();
  sealer_.reset();
}

// ---- queue ------------------------------------------------------------------------------------------------------------------

void LogWriter::submit(Job job) {
  if (job.repeat && (job.repeat->key.size() > most_key || job.repeat->answer.size() > most_answer ||
                     job.repeat->body_hash.size() > 64)) {
    job.done(fail(Fault::invalid, "repeat key: is too long"));
    return;
  }
  job.bytes = job.events.payload_bytes() + job.events.size() * 16 +
              (job.repeat ? job.repeat->answer.size() + 1024 : 0);
  bool const low = space_.is_low();
  bool begin = false;
  bool const taken = !low && queue_.with([&](Queue& queue) {
    auto const& settings = folder_.settings;
    // One call is taken whatever its size, or it could never be.
    if (!queue.jobs.empty() && (queue.bytes + job.bytes > settings.queued_bytes ||
                                queue.jobs.size() >= settings.queued_calls))
      return false;
    queue.bytes += job.bytes;
    queue.jobs.push_back(std::move(job));
    begin = !std::exchange(queue.running, true);
    return true;
  });
  if (begin) committer_->post([this] { rounds(); });
  if (taken) return;
  folder_.meters().appends_refused.add();
  job.done(fail(Fault::busy, low ? "event log: the disk is nearly full"
                                 : "event log: too much waits to be written"));
}

void LogWriter::rounds() {
  for (;;) {
    auto jobs = take();
    if (jobs.empty()) return;
    commit(std::move(jobs));
  }
}

std::vector<LogWriter::Job> LogWriter::take() {
  return queue_.with([&](Queue& queue) {
    std::vector<Job> jobs;
    std::size_t bytes = 0;
    while (!queue.jobs.empty() &&
           (jobs.empty() || bytes + queue.jobs.front().bytes <= folder_.settings.commit_bytes)) {
      bytes += queue.jobs.front().bytes;
      jobs.push_back(std::move(queue.jobs.front()));
      queue.jobs.pop_front();
    }
    queue.bytes -= bytes;
    if (jobs.empty()) queue.running = false;
    return jobs;
  });
}

// ---- one commit -------------------------------------------------------------------------------------------------------------

void LogWriter::commit(std::vector<Job> jobs) {
  auto const began = folder_.clock.now();
  Staged staged;
  stage(staged, jobs);
  Result<void> done;
  if (!staged.batches.empty() || !staged.repeats.empty()) {
    done = write(staged);
    note_outcome(done);
  }
  if (done) {
    publish(staged);
    folder_.meters().commits.add();
    folder_.meters().commit_time.add(folder_.clock.now() - began);
  }
  for (auto& part : staged.parts)
    part.done(done ? std::move(part.answer) : Result<Appended>(pass(done)));
  if (done) after_commit();
}

void LogWriter::stage(Staged& staged, std::vector<Job>& jobs) {
  staged.next = next_.load();
  staged.changes = folder_.changes;
  staged.commits = folder_.commits;
  staged.accepted_at = accepted_now();
  auto const now_ms = unix_ms(folder_.time.earliest());
  auto const from_ms = unix_ms(folder_.time.latest());
  for (auto& job : jobs) {
    if (job.repeat) {
      auto const fresh = staged.fresh.find(job.repeat->key);
      auto const seen =
          fresh != staged.fresh.end() ? fresh->second : repeats_.find(job.repeat->key, now_ms);
      if (seen) {
        folder_.meters().repeats.add();
        if (seen->body_hash == job.repeat->body_hash)
          staged.parts.push_back({Appended{seen->first, true, seen->answer}, std::move(job.done)});
        else
          staged.parts.push_back(
              {fail(Fault::conflict, "this key was used before, for something else"),
               std::move(job.done)});
        continue;
      }
    }
    auto const limit = folder_.settings.batch_bytes;
    // Small blocks are gathered; what would burst the open batch begins the next one.
    if (!staged.open.empty() && (staged.open.payload_bytes() + job.events.payload_bytes() > limit ||
                                 staged.open.size() + job.events.size() > most_events))
      close_batch(staged);
    Position const first{staged.next, static_cast<std::uint32_t>(staged.open.size())};
    auto answer = job.repeat ? job.repeat->answer : std::string();
    if (staged.open.empty() && job.events.payload_bytes() <= limit &&
        job.events.size() <= most_events) {
      staged.open = std::move(job.events);
    } else {
      auto left = job.events.payload_bytes();
      for (std::size_t i = 0; i < job.events.size(); ++i) {
        auto const event = job.events[i];
        if (!staged.open.empty() && (staged.open.payload_bytes() + event.payload.size() > limit ||
                                     staged.open.size() >= most_events))
          close_batch(staged);
        if (staged.open.empty()) staged.open.reserve(std::min(left, limit), job.events.size() - i);
        left -= event.payload.size();
        staged.open.add(job.events.kinds()[event.kind].kind, event.payload, event.metadata_bytes);
      }
    }
    if (job.repeat) {
      auto repeat = std::make_shared<Repeat>();
      repeat->key = std::move(job.repeat->key);
      repeat->body_hash = std::move(job.repeat->body_hash);
      repeat->answer = std::move(job.repeat->answer);
      repeat->expires_ms = from_ms + whole_ms(std::min<Duration>(job.repeat->keep, longest_keep));
      repeat->first = first;
      staged.fresh.emplace(repeat->key, repeat);
      staged.repeats.push_back(std::move(repeat));
    }
    staged.parts.push_back({Appended{first, false, std::move(answer)}, std::move(job.done)});
  }
  close_batch(staged);
}

void LogWriter::close_batch(Staged& staged) {
  if (staged.open.empty()) return;
  auto batch = std::make_shared<RecordBatch>();
  batch->number = staged.next++;
  batch->accepted_at = staged.accepted_at;
  batch->changes = staged.changes;
  batch->first_id = Uuid::v7(staged.accepted_at, folder_.random.bits(), folder_.random.bits());
  batch->first_id.low &= ~std::uint64_t{0xFFFF};
  batch->events = std::exchange(staged.open, {});
  staged.batches.push_back(std::move(batch));
}

Result<void> LogWriter::write(Staged const& staged) {
  if (roll_wanted_ && folder_.clock.now() >= roll_again_) roll();
  return append(commit_of(staged));
}

log::Commit LogWriter::commit_of(Staged const& staged) const {
  log::Commit commit;
  commit.change = staged.changes;
  commit.checkpoint = staged.commits;
  for (auto const& batch : staged.batches) {
    auto stored = encode_batch(*batch);
    commit.frames.push_back({.kind = log::FrameKind::batch,
                             .number = batch->number,
                             .accepted_ms = unix_ms(batch->accepted_at),
                             .first_id = batch->first_id,
                             .events = static_cast<std::uint32_t>(batch->events.size()),
                             .head = std::move(stored.header),
                             .body = std::move(stored.body)});
  }
  if (!staged.repeats.empty())
    commit.frames.push_back({.kind = log::FrameKind::keys,
                             .number = staged.next,
                             .accepted_ms = unix_ms(staged.accepted_at),
                             .first_id = {},
                             .events = 0,
                             .head = {},
                             .body = encode_repeats(staged.repeats)});
  return commit;
}

Result<void> LogWriter::append(log::Commit const& commit) {
  // One that cannot be put back to what it was is left, and recovered when it is read.
  if (active_ && active_->is_spent()) leave_active();
  if (auto done = ensure_active(); !done) return done;
  auto const frames = active_->append(commit);
  if (!frames) return pass(frames);
  segments_.appended(active_first_, *frames);
  return {};
}

void LogWriter::note_outcome(Result<void> const& written) {
  failing_.with([&](auto& failing) {
    if (written)
      failing.reset();
    else
      failing = Failing{written.error().what, folder_.clock.now()};
  });
}

// A commit of nothing, to see whether one is possible again.
Result<void> LogWriter::write_nothing() {
  Staged nothing;
  nothing.next = next_.load();
  nothing.changes = folder_.changes;
  nothing.commits = folder_.commits;
  auto commit = commit_of(nothing);
  commit.frames.push_back({.kind = log::FrameKind::keys,
                           .number = nothing.next,
                           .accepted_ms = unix_ms(last_accepted_),
                           .first_id = {},
                           .events = 0,
                           .head = {},
                           .body = encode_repeats({})});
  return append(commit);
}

std::string LogWriter::refuses() {
  if (space_.is_low()) return "the disk is nearly full: no events are taken until there is space";
  bool const full = queue_.with([&](Queue const& queue) {
    return queue.bytes >= folder_.settings.queued_bytes ||
           queue.jobs.size() >= folder_.settings.queued_calls;
  });
  if (full) return "too much waits to be written: no events are taken until some of it is";
  bool again = false;
  auto const why = failing_.with([&](auto& failing) -> std::string {
    if (!failing) return {};
    again = folder_.clock.now() - failing->tried >= try_again_after;
    if (again) failing->tried = folder_.clock.now();
    return "the event log cannot be written: " + failing->why;
  });
  if (again) committer_->post([this] { note_outcome(write_nothing()); });
  return why;
}

void LogWriter::publish(Staged& staged) {
  for (auto const& repeat : staged.repeats) remember(repeat);
  if (staged.batches.empty()) return;
  last_accepted_ = staged.accepted_at;
  if (active_rows_ == 0) active_since_ = staged.accepted_at;
  active_rows_ += staged.batches.size();
  std::uint64_t events = 0;
  for (auto const& batch : staged.batches) {
    events += batch->events.size();
    memory_.add_newest(batch);
  }
  next_ = staged.next;
  folder_.meters().events_stored.add(events);
  folder_.meters().batches_stored.add(staged.batches.size());
  auto const followers = followers_.with([](auto& all) {
    std::erase_if(all, [](auto const& weak) { return weak.expired(); });
    return all;
  });
  for (auto const& weak : followers) {
    auto const follower = weak.lock();
    if (!follower) continue;
    for (auto const& batch : staged.batches)
      io::asio::post(follower->loop, [weak, shared = SharedBatch(batch)] {
        if (auto const still = weak.lock()) still->batch(shared);
      });
  }
}

WallTime LogWriter::accepted_now() {
  auto const now = from_unix_ms(unix_ms(folder_.clock.wall()));
  if (now >= last_accepted_) return now;
  if (last_accepted_ - now < io::TrustedTime::tolerance) return last_accepted_;
  // A clock that was far ahead and was put right is believed. Within a segment times of acceptance do not fall, so that a time finds
  // its batch: another one begins, and until it can the time stands still.
  if (folder_.clock.now() >= roll_again_) roll();
  return active_ && active_rows_ > 0 ? last_accepted_ : now;
}

// ---- segments ---------------------------------------------------------------------------------------------------------------

Result<void> LogWriter::ensure_active() {
  if (active_) return {};
  auto before = segments_.of(next_.load());
  if (before && before->first != next_.load()) before.reset();
  if (before && before->form == SegmentForm::frames && holds_frames(before->first)) {
    // It has repeat keys and no batch: its name is not to be had again, so one number is stepped over.
    if (never_from_ == 0) never_from_ = next_;
    ++next_;
    before.reset();
  }
  auto const first = next_.load();
  auto const path = segments_.path_of(first);
  auto const header = next_header();
  auto made = log::SegmentWriter::create(disk_, path, header);
  if (!made) return pass(made);
  active_ = std::move(*made);
  active_first_ = first;
  active_rows_ = 0;
  gap_from_ = 0;
  never_from_ = 0;
  if (before && before->form == SegmentForm::sqlite) remove_old(*before);
  Segment segment;
  segment.first = first;
  segment.path = path;
  segment.bytes = active_->end();
  segments_.keep_contents(first, log::Contents::empty(header));
  segments_.add(std::move(segment));
  return {};
}

bool LogWriter::holds_frames(std::uint64_t first) const {
  return segments_.with_contents(first, [](log::Contents const& contents) {
    return contents.summary.end > log::header_bytes;
  });
}

log::FileHeader LogWriter::next_header() const {
  log::FileHeader header;
  header.salt = log::Salt::of(folder_.random.bytes(16));
  header.first = next_;
  // A time that is doubted says nothing of the age of what stands before it.
  if (!folder_.time.doubt()) header.began_ms = unix_ms(folder_.time.earliest());
  header.never_from = gap_from_ != 0 ? gap_from_.load() : never_from_;
  header.commit = last_commit_;
  header.previous = previous_;
  return header;
}

void LogWriter::after_commit() {
  if (!active_) return;
  segments_.grew(active_first_, active_->end());
  bool const old =
      active_rows_ > 0 && folder_.clock.wall() - active_since_ >= folder_.settings.segment_age;
  roll_wanted_ = roll_wanted_ || old || active_->end() >= folder_.settings.segment_bytes;
}

// For the header of the next segment.
void LogWriter::note_end_of(std::uint64_t first) {
  segments_.with_contents(first, [&](log::Contents const& contents) {
    previous_ = {first, contents.summary.end, contents.header.salt};
    last_commit_ = contents.summary.commit;
  });
}

// The active segment takes no more.
void LogWriter::leave_active() {
  auto old = std::exchange(active_, nullptr);
  note_end_of(active_first_);
  if (auto const segment = segments_.of(active_first_); segment && !old->is_spent())
    seal_later(*segment, std::move(old));
}

void LogWriter::roll() {
  roll_wanted_ = false;
  if (active_ && active_rows_ == 0) return;
  auto old = std::exchange(active_, nullptr);
  auto const old_first = active_first_;
  auto const old_rows = active_rows_;
  auto const old_previous = previous_;
  auto const old_commit = last_commit_;
  if (old) note_end_of(old_first);
  if (auto done = ensure_active(); !done) {
    // The old one goes on, larger than it should be.
    folder_.log.warning(
        "log segment cannot be made: the old one goes on",
        {{"file", old ? old->path() : folder_.settings.folder}, {"why", done.error().what}});
    active_ = std::move(old);
    active_first_ = old_first;
    active_rows_ = old_rows;
    previous_ = old_previous;
    last_commit_ = old_commit;
    roll_again_ = folder_.clock.now() + std::chrono::seconds(10);
    return;
  }
  if (!old) return;
  if (auto const segment = segments_.of(old_first)) seal_later(*segment, std::move(old));
}

void LogWriter::roll_soon() {
  committer_->post([this] { roll(); });
}

void LogWriter::seal_later(Segment const& segment, std::unique_ptr<log::SegmentWriter> writer) {
  sealer_->post([this, segment, writer = std::move(writer)] { seal(segment, writer.get()); });
}

// A footer is a short cut for whoever opens the segment: without one it is as good.
void LogWriter::seal(Segment const& segment, log::SegmentWriter* writer) {
  if (!segments_.of(segment.first) || segments_.of(segment.first)->first != segment.first)
    return;  // retention was quicker
  if (segment.form == SegmentForm::sqlite) {
    if (seal_old(folder_, segment.path)) segments_.seal(segment.first);
    return;
  }
  auto const contents =
      segments_.with_contents(segment.first, [](log::Contents const& known) { return known; });
  auto const done =
      writer ? writer->seal(contents) : log::seal_recovered(disk_, segment.path, contents, false);
  if (!done) {
    folder_.log.warning("log segment cannot be sealed now",
                        {{"file", segment.path}, {"why", done.error().what}});
    return;
  }
  segments_.seal(segment.first);
}

void LogWriter::close(io::Resolver<Result<void>> done) {
  committer_->post([this, done = std::move(done)]() mutable {
    rounds();
    if (active_ && active_rows_ > 0 && !active_->is_spent())
      if (auto const segment = segments_.of(active_first_)) seal(*segment, active_.get());
    active_.reset();
    done(Result<void>());
  });
}

// ---- followers, range, repeats ----------------------------------------------------------------------------------------------

std::shared_ptr<void> LogWriter::follow(io::Executor loop, std::function<void(SharedBatch)> batch) {
  auto follower = std::make_shared<Follower const>(Follower{std::move(loop), std::move(batch)});
  followers_.with([&](auto& all) { all.push_back(follower); });
  return std::const_pointer_cast<Follower>(follower);
}

LogRange LogWriter::range() const {
  auto const oldest = oldest_.load();
  return {oldest, std::max(oldest, next_.load()), segments_.bytes()};
}

void LogWriter::remember(SharedRepeat repeat) {
  auto const now = unix_ms(folder_.time.earliest());
  if (auto const let_go = repeats_.remember(std::move(repeat), now); let_go > 0)
    folder_.meters().repeats_dropped.add(let_go);
}

}  // namespace millrace::store
