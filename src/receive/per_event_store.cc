#include "receive/per_event_store.h"

#include <set>
#include <utility>

#include "base/encoding.h"
#include "receive/paths.h"

namespace millrace::receive {
namespace {

constexpr std::size_t queue_bytes = 64 * 1024 * 1024;

// New folders are durable only when each folder above them is synced too.
void add_with_parents(std::set<std::string>& folders, std::string const& root, std::string folder) {
  while (folders.insert(folder).second && folder.size() > root.size()) folder = folder_of(folder);
}

std::string per_event_path(WallTime at, Received const& event) {
  return receive::per_event_path(at, event.id, event.replay);
}

Result<void> write_beside(io::Files& files, std::string const& path, std::string_view json,
                          unsigned permissions) {
  auto file = files.open(path, io::OpenMode::create, permissions);
  if (!file) return pass(file);
  if (auto cut = (*file)->truncate(0); !cut) return cut;
  if (auto written = (*file)->write(0, as_bytes(json)); !written) return written;
  if (auto ended = (*file)->write(json.size(), as_bytes("\n")); !ended) return ended;
  return (*file)->sync();
}

}  // namespace

Result<bool> PerEventWriter::there(Received const& event, std::string const& path) {
  auto found = files_.exists(root_ + '/' + path);
  if (!found || *found || event.dated) return found;
  // Dated by its arrival, a repeat may belong to the hour before: all tries end within 20 minutes.
  return files_.exists(root_ + '/' +
                       per_event_path(event.accepted_at - std::chrono::hours(1), event));
}

std::vector<Result<Kept>> PerEventWriter::commit(std::vector<Received> const& events) {
  struct Fresh {
    std::size_t index;
    std::string path, beside;
  };
  std::vector<Result<Kept>> results(events.size(), Result<Kept>(Kept::repeat));
  std::vector<Fresh> fresh;
  std::set<std::string> taken, folders;

  for (std::size_t i = 0; i < events.size(); ++i) {
    auto const path = per_event_path(events[i].accepted_at, events[i]);
    if (taken.contains(path)) continue;  // answered like the one before it, below
    auto const found = there(events[i], path);
    if (!found) {
      results[i] = pass(found);
      continue;
    }
    if (*found) {
      // It may have been renamed by a commit whose last sync failed: synced again before it is believed.
      if (files_.exists(root_ + '/' + path).value_or(false))
        add_with_parents(folders, root_, folder_of(root_ + '/' + path));
      continue;
    }
    auto const whole = root_ + '/' + path;
    auto const folder = folder_of(whole);
    auto const beside = folder + "/." + whole.substr(folder.size() + 1) + ".tmp";
    auto written = files_.make_folders(folder, permissions_.folder());
    if (written) written = write_beside(files_, beside, events[i].json, permissions_.file);
    if (!written) {
      static_cast<void>(
          files_.remove(beside));  // best effort: a rest is overwritten by the next try
      results[i] = pass(written);
      continue;
    }
    taken.insert(path);
    fresh.push_back({i, whole, beside});
  }
  for (auto const& file : fresh) {
    if (auto renamed = files_.rename(file.beside, file.path); !renamed)
      results[file.index] = pass(renamed);
    else
      results[file.index] = Kept::stored;
    add_with_parents(folders, root_, folder_of(file.path));
  }
  Result<void> synced;
  for (auto const& folder : folders)
    if (auto done = files_.sync_folder(folder); !done) synced = std::move(done);
  if (!synced)
    for (auto& result : results)
      if (result) result = pass(synced);
  // A repeat inside the batch is as safe as the first of its kind.
  for (auto const& file : fresh) {
    if (results[file.index]) continue;
    for (std::size_t i = file.index + 1; i < events.size(); ++i)
      if (events[i].key == events[file.index].key) results[i] = results[file.index];
  }
  return results;
}

namespace {

class PerEventStore final : public EventStore {
 public:
  PerEventStore(io::Files& files, std::unique_ptr<io::Worker> worker, std::string root,
                Permissions permissions)
      : writer_(files, std::move(root), permissions),
        queue_(*worker, queue_bytes, [this](auto const& events) { return writer_.commit(events); }),
        worker_(std::move(worker)) {}

  io::Task<Result<Kept>> put(Received event) override {
    auto const kept = co_await queue_.put(std::move(event));
    if (kept) ++(*kept == Kept::stored ? stored_ : repeats_);
    co_return kept;
  }
  io::Task<void> keep() override { co_return; }
  io::Task<Result<void>> close() override { co_return Result<void>(); }
  Counts counts() const override { return {stored_, repeats_}; }

 private:
  PerEventWriter writer_;
  CommitQueue queue_;
  std::atomic<std::uint64_t> stored_{0}, repeats_{0};
  std::unique_ptr<io::Worker> worker_;  // last: it ends before what its jobs use
};

}  // namespace

Result<std::unique_ptr<EventStore>> open_per_event(io::Files& files,
                                                   std::unique_ptr<io::Worker> worker,
                                                   std::string root, Permissions permissions) {
  if (auto made = make_durable_folders(files, root, permissions.folder()); !made) return pass(made);
  return std::make_unique<PerEventStore>(files, std::move(worker), std::move(root), permissions);
}

}  // namespace millrace::receive
