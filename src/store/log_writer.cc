#include "store/log_writer.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "store/batch_format.h"

namespace millrace::store {
namespace {

constexpr std::size_t most_events = 60'000;  // an id has 16 bits for the index
// Left free after a damaged end of the log: no position that somebody may remember is given out twice.
constexpr std::uint64_t jump = 10'000;
constexpr auto try_again_after = std::chrono::seconds(1);
constexpr auto longest_keep = std::chrono::hours(24);
constexpr std::size_t most_key = 512, most_answer = 64 * 1024;

constexpr std::string_view gap_mark =
    "never_from";  // numbers from it to the segment's first never were
constexpr std::string_view began_mark = "began_ms";

bool stands_behind_a_gap(Database& segment) {
  auto const mark = Segments::mark_of(segment, gap_mark);
  return mark && *mark;
}

constexpr std::string_view insert_batch =
    "INSERT INTO batches(number, accepted_ms, header, body) VALUES(?1, ?2, ?3, ?4)";
constexpr std::string_view insert_repeat =
    "INSERT INTO repeats(key, expires_ms, batch, event, body_hash, answer) VALUES(?1, ?2, ?3, ?4, "
    "?5, ?6)";

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
};

LogWriter::LogWriter(Folder& folder, Segments& segments, BatchMemory& memory, DiskSpace& space)
    : folder_(folder),
      segments_(segments),
      memory_(memory),
      space_(space),
      repeats_(folder.settings.repeat_bytes) {
  checkpointer_ = folder.settings.worker("store-move", 5);
  // At the process's own niceness: beside busy cores its wake-up decides how long every producer waits.
  committer_ = folder.settings.worker("store-commit", 0);
}

LogWriter::~LogWriter() {
  committer_.reset();
  checkpointer_.reset();
}

// ---- start ------------------------------------------------------------------------------------------------------------------

Result<void> LogWriter::open(std::uint64_t known_next) {
  if (auto done = open_newest(known_next); !done) return done;
  auto const all = segments_.all();
  oldest_ = all.empty() ? next_.load() : all.front().first;
  if (last_accepted_ != WallTime()) folder_.time.begin(last_accepted_);
  if (auto done = load_repeats(); !done) return done;
  for (auto const& segment : all)
    if (!segment.sealed && segment.first != active_first_) checkpoint_later(segment.first, nullptr);
  return {};
}

Result<void> LogWriter::open_newest(std::uint64_t known_next) {
  std::uint64_t next = 1;
  bool damaged = false;
  auto segments = segments_.all();
  while (!segments.empty()) {
    auto const segment = segments.back();
    segments.pop_back();
    auto database = segments_.open_writer(segment.path);
    Result<bool> found = false;
    if (database) {
      auto newest = (*database)->query(
          "SELECT number, accepted_ms FROM batches ORDER BY number DESC LIMIT 1");
      found = newest.step();
      if (found && *found) {
        next = newest.count(0) + 1;
        last_accepted_ = from_unix_ms(newest.number(1));
      }
    } else {
      found = pass(database);
    }
    if (!found && found.error().fault != Fault::corrupt) return pass(found);
    if (!found) {
      folder_.log.error(
          "log segment cannot be read: its events are lost, the file is left as it is",
          {{"file", segment.path}, {"why", found.error().what}});
      damaged = true;
      next = std::max(next, segment.first + 1);
      break;
    }
    if (!*found && segment.first < known_next) damaged = true;
    bool const steps = !*found && database && stands_behind_a_gap(**database);
    if (!*found && !segments.empty() && !steps) {
      // Made, but never written: a crash came between. The one before it may go on.
      database->reset();
      static_cast<void>(folder_.files.remove(segment.path + "-wal"));
      if (auto done = folder_.files.remove(segment.path); !done) return done;
      segments_.drop(segment.first);
      continue;
    }
    if (!*found) next = std::max(next, segment.first);
    if (next < known_next || damaged) break;
    auto first = (*database)->query("SELECT accepted_ms FROM batches ORDER BY number LIMIT 1");
    auto const row = first.step();
    if (!row) return pass(row);
    if (*row) active_since_ = from_unix_ms(first.number(0));
    active_ = std::move(*database);
    active_first_ = segment.first;
    active_rows_ = *found ? next - segment.first : 0;
    break;
  }
  if (next < known_next) damaged = true;
  if (damaged) {
    folder_.log.error(
        "the event log ends too early: what followed is lost",
        {{"from_batch", next}, {"known_to_batch", known_next == 0 ? 0 : known_next - 1}});
    gap_from_ = std::max(next, known_next);
    next_ = gap_from_ + jump;
    // Said in a file at once; if the disk is full, with the first batch.
    static_cast<void>(ensure_active());
    return {};
  }
  next_ = next;
  return {};
}

Result<void> LogWriter::load_repeats() {
  Loaded loaded{RepeatHarvest(folder_.settings.repeat_bytes)};
  auto const segments = segments_.all();
  for (auto at = segments.rbegin(); at != segments.rend() && !loaded.enough; ++at) {
    auto const done = load_repeats_of(*at, loaded);
    if (done) continue;
    // Descriptors or memory are short: the next start may have them. What cannot be read will not come back, and the node goes on.
    if (done.error().fault == Fault::busy) return done;
    folder_.log.error(
        "repeat keys cannot be read: a request of the last day that is sent again may be stored "
        "twice",
        {{"file", at->path}, {"why", done.error().what}});
  }
  for (auto& repeat : std::move(loaded.harvest).take()) remember(std::move(repeat));
  return {};
}

Result<void> LogWriter::load_repeats_of(Segment const& segment, Loaded& loaded) {
  auto const now = unix_ms(folder_.time.earliest());
  std::unique_ptr<Database> own;
  auto* database = active_.get();
  if (segment.first != active_first_ || !active_) {
    auto opened = Database::open(folder_.vfs, segment.path,
                                 {.use = segment.sealed ? DatabaseUse::sealed : DatabaseUse::read});
    if (!opened) return pass(opened);
    own = std::move(*opened);
    database = own.get();
  }
  auto rows = database->query(
      "SELECT key, expires_ms, batch, event, body_hash, answer FROM repeats ORDER BY id DESC");
  auto row = rows.step();
  for (; row && *row; row = rows.step()) {
    if (rows.number(1) <= now || !loaded.harvest.wants(rows.bytes(0))) continue;
    auto repeat = std::make_shared<Repeat>();
    repeat->key = rows.bytes(0);
    repeat->expires_ms = rows.number(1);
    repeat->first = {rows.count(2), static_cast<std::uint32_t>(rows.number(3))};
    repeat->body_hash = rows.bytes(4);
    repeat->answer = rows.bytes(5);
    loaded.harvest.add(std::move(repeat));
  }
  if (!row) return pass(row);
  // What older segments hold has expired.
  auto first = database->query("SELECT accepted_ms FROM batches ORDER BY number LIMIT 1");
  auto const oldest = first.step();
  if (!oldest) return pass(oldest);
  loaded.enough = *oldest && first.number(0) < now - whole_ms(longest_keep);
  return {};
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
  batch->changes = folder_.changes;
  batch->first_id = Uuid::v7(staged.accepted_at, folder_.random.bits(), folder_.random.bits());
  batch->first_id.low &= ~std::uint64_t{0xFFFF};
  batch->events = std::exchange(staged.open, {});
  staged.batches.push_back(std::move(batch));
}

Result<void> LogWriter::write(Staged const& staged) {
  if (roll_wanted_ && folder_.clock.now() >= roll_again_) roll();
  if (auto done = ensure_active(); !done) return done;
  Transaction transaction(*active_);
  if (auto done = transaction.begin(); !done) return done;
  for (auto const& batch : staged.batches) {
    auto const stored = encode_batch(*batch);
    auto row = active_->query(insert_batch);
    row.bind(1, batch->number)
        .bind(2, unix_ms(batch->accepted_at))
        .blob(3, stored.header)
        .blob(4, stored.body);
    if (auto done = row.run(); !done) return done;
  }
  for (auto const& repeat : staged.repeats) {
    auto row = active_->query(insert_repeat);
    row.blob(1, repeat->key)
        .bind(2, repeat->expires_ms)
        .bind(3, repeat->first.batch)
        .bind(4, repeat->first.index);
    row.blob(5, repeat->body_hash).blob(6, repeat->answer);
    if (auto done = row.run(); !done) return done;
  }
  return transaction.commit();
}

void LogWriter::note_outcome(Result<void> const& written) {
  failing_.with([&](auto& failing) {
    if (written)
      failing.reset();
    else
      failing = Failing{written.error().what, folder_.clock.now()};
  });
}

// A commit that leaves nothing behind, to see whether one is possible again.
Result<void> LogWriter::write_nothing() {
  if (auto done = ensure_active(); !done) return done;
  Transaction transaction(*active_);
  if (auto done = transaction.begin(); !done) return done;
  auto row = active_->query(insert_repeat);
  row.blob(1, "").bind(2, std::int64_t{0}).bind(3, std::int64_t{0}).bind(4, std::int64_t{0});
  row.blob(5, "").blob(6, "");
  if (auto done = row.run(); !done) return done;
  if (auto done = active_->run("DELETE FROM repeats WHERE id = last_insert_rowid()"); !done)
    return done;
  return transaction.commit();
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
  auto const first = next_.load();
  auto const path = segments_.path_of(first);
  auto database = segments_.open_writer(path);
  if (database)
    if (auto begun = begin_segment(**database); !begun) {
      database->reset();
      database = pass(begun);
    }
  if (!database) {
    // Half a file would be taken for the log's end by the next start.
    static_cast<void>(folder_.files.remove(path + "-wal"));
    static_cast<void>(folder_.files.remove(path));
    return pass(database);
  }
  active_ = std::move(*database);
  active_first_ = first;
  active_rows_ = 0;
  gap_from_ = 0;
  Segment made;
  made.first = first;
  made.path = path;
  segments_.add(std::move(made));
  return {};
}

Result<void> LogWriter::begin_segment(Database& segment) {
  Transaction transaction(segment);
  if (auto done = transaction.begin(); !done) return done;
  Result<void> done;
  // A time that is doubted says nothing of the age of what stands before it.
  if (!folder_.time.doubt())
    done = Segments::set_mark(segment, began_mark, unix_ms(folder_.time.earliest()));
  if (done && gap_from_ != 0)
    done = Segments::set_mark(segment, gap_mark, static_cast<std::int64_t>(gap_from_.load()));
  return done ? transaction.commit() : done;
}

void LogWriter::after_commit() {
  if (!active_) return;
  std::uint64_t bytes = 0;
  {
    // Its own block: a statement under way would keep the checkpoint below from its work.
    auto pages = active_->query("PRAGMA page_count");
    auto const row = pages.step();
    if (row && *row) bytes = pages.count(0) * Database::page_bytes;
  }
  auto const wal_bytes = static_cast<std::uint64_t>(active_->wal_pages()) * Database::page_bytes;
  segments_.grew(active_first_, std::max(bytes, wal_bytes));
  auto const limit = folder_.settings.segment_bytes;
  bool const old =
      active_rows_ > 0 && folder_.clock.wall() - active_since_ >= folder_.settings.segment_age;
  roll_wanted_ =
      roll_wanted_ || old || bytes >= limit || (wal_bytes >= limit && bytes >= limit / 2);
  // Many small commits write the same pages again and again: the WAL grows, the log hardly. Here, between two commits, it is
  // emptied at once and without a rival.
  if (!roll_wanted_ && wal_bytes >= limit) {
    if (auto const done = active_->checkpoint(false); !done)
      folder_.log.warning("log segment cannot be checkpointed now",
                          {{"file", active_->path()}, {"why", done.error().what}});
  }
}

void LogWriter::roll() {
  roll_wanted_ = false;
  if (!active_ || active_rows_ == 0) return;
  auto old = std::exchange(active_, nullptr);
  auto const old_first = active_first_;
  auto const old_rows = active_rows_;
  if (auto done = ensure_active(); !done) {
    // The old one goes on, larger than it should be.
    folder_.log.warning("log segment cannot be made: the old one goes on",
                        {{"file", old->path()}, {"why", done.error().what}});
    active_ = std::move(old);
    active_first_ = old_first;
    active_rows_ = old_rows;
    roll_again_ = folder_.clock.now() + std::chrono::seconds(10);
    return;
  }
  checkpoint_later(old_first, std::move(old));
}

void LogWriter::roll_soon() {
  committer_->post([this] { roll(); });
}

void LogWriter::checkpoint_later(std::uint64_t first, std::unique_ptr<Database> database) {
  checkpointer_->post([this, first, database = std::move(database)]() mutable {
    segments_.checkpoint(first, std::move(database));
  });
}

void LogWriter::close(io::Resolver<Result<void>> done) {
  committer_->post([this, done = std::move(done)]() mutable {
    rounds();
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
