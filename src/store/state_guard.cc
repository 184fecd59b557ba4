#include "store/state_guard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace millrace::store {
namespace {

constexpr std::string_view acceptance = "accept-lost-state";

}  // namespace

Result<void> StateGuard::before_open() {
  auto const path = folder_.path("state.db");
  auto file = folder_.files.open(path, io::OpenMode::read);
  if (!file && file.error().fault != Fault::missing) return pass(file);
  if (!file) return needs_state(path + ": is missing");
  auto const size = (*file)->size();
  if (!size) return pass(size);
  return *size > 0 ? Result<void>() : needs_state(path + ": is empty");
}

Result<void> StateGuard::is_blank() {
  return needs_state(folder_.path("state.db") +
                     ": has nothing in it (was state.db-wal taken away?)");
}

Result<void> StateGuard::wal_is_damaged(std::uint64_t at, std::uint64_t commits) {
  return refuse(Fault::corrupt,
                fmt::format("{}: is damaged behind byte {}", folder_.path("state.db-wal"), at),
                fmt::format("{} commits that were stored behind it cannot be read", commits));
}

Result<StateMark> StateGuard::judge(StateMark const& found, LogMark const& log) {
  auto const path = folder_.path("state.db");
  auto const seen = witness_.open();
  if (!seen && seen.error().fault != Fault::corrupt) return pass(seen);
  said_ = seen ? *seen : std::nullopt;
  auto const said = said_.value_or(StateMark());
  Result<void> good;
  if (!seen) {
    good =
        refuse(Fault::corrupt, seen.error().what, "whether state.db is the newest cannot be told");
  } else if (!said_ && found.commits > 0) {
    good = refuse(Fault::missing, folder_.path("state.witness") + ": is missing",
                  "whether state.db is the newest cannot be told");
  } else if (said_ && found.folder != said.folder) {
    good = refuse(Fault::conflict,
                  path + (found.folder == 0 ? ": is older than this folder's state"
                                            : ": is not the one that belongs to this folder"),
                  "state.witness knows another one");
  } else if (said.commits > found.commits || said.changes > found.changes) {
    good = refuse(Fault::conflict,
                  fmt::format("{}: is older than it was: it ends at commit {}, and commit {} was "
                              "stored",
                              path, found.commits, said.commits),
                  fmt::format("{} changes of tokens, data streams or keys and the progress of "
                              "{} commits are missing",
                              said.changes - std::min(said.changes, found.changes),
                              said.commits - std::min(said.commits, found.commits)));
  } else if (log.commits > found.commits || log.changes > found.changes) {
    good = refuse(Fault::conflict,
                  fmt::format("{}: is older than the event log: it ends at commit {}, and the log "
                              "was written after commit {}",
                              path, found.commits, log.commits),
                  fmt::format("{} changes of tokens, data streams or keys and the progress of "
                              "{} commits are missing",
                              log.changes - std::min(log.changes, found.changes),
                              log.commits - std::min(log.commits, found.commits)));
  } else {
    auto mark = found;
    while (mark.folder == 0) mark.folder = folder_.random.bits() >> 1;  // SQLite's are signed
    return mark;
  }
  if (!good) return pass(good);
  // Accepted: state.db is the newest from now on.
  StateMark mark{said.folder != 0 ? said.folder : found.folder,
                 std::max({found.commits, said.commits, log.commits}) + 1,
                 std::max({found.changes, said.changes, log.changes}) + 1};
  while (mark.folder == 0) mark.folder = folder_.random.bits() >> 1;
  said_.reset();  // and the witness is made anew
  return mark;
}

Result<void> StateGuard::begin(StateMark const& mark) {
  if (!said_) {
    if (auto done = witness_.make(mark); !done) return done;
  } else if (*said_ != mark) {
    if (auto done = witness_.note(mark, true); !done) return done;
  }
  if (!is_accepted()) return {};
  if (auto done = folder_.files.remove(folder_.path(acceptance)); !done) return done;
  return folder_.files.sync_folder(folder_.settings.folder);
}

void StateGuard::committed(StateMark const& mark, bool durable) {
  auto const done = witness_.note(mark, durable);
  if (done) {
    told_ = false;
  } else if (!std::exchange(told_, true)) {
    folder_.log.error(
        "the witness of state.db cannot be written: an older state.db would not be told from this "
        "one",
        {{"file", folder_.path("state.witness")}, {"why", done.error().what}});
  }
}

Error StateGuard::unreadable(Error error) const {
  if (error.fault != Fault::corrupt) return error;
  error.what += fmt::format(
      ": state.db is damaged; put state.db, state.db-wal and state.witness back from a backup of "
      "one moment, or, to go on without the tokens, data streams and keys that it held, move it "
      "and state.db-wal away, make the file {} and start again",
      folder_.path(acceptance));
  return error;
}

Result<void> StateGuard::needs_state(std::string const& found) {
  auto const there = remains();
  if (there.empty()) return {};
  return refuse(Fault::missing, found, "the folder holds " + there + ", which belong to one");
}

Result<void> StateGuard::refuse(Fault fault, std::string const& found, std::string const& known) {
  if (!is_accepted())
    return fail(fault, fmt::format("{}; {}: put state.db, state.db-wal and state.witness back from "
                                   "a backup of one moment, or, to go on without what is missing, "
                                   "make the file {} and start again",
                                   found, known, folder_.path(acceptance)));
  if (!std::exchange(accepted_, true))
    folder_.log.warning(
        "lost state is accepted by the operator: the node goes on with what is there",
        {{"found", found}, {"known", known}, {"file", folder_.path(acceptance)}});
  return {};
}

// What a node has left in the folder after its first state.db was safe; "" in a folder that is new.
std::string StateGuard::remains() const {
  auto const names = folder_.files.list(folder_.settings.folder);
  if (!names) return "what cannot be listed";
  std::vector<std::string> found;
  std::size_t segments = 0;
  std::size_t attempts = 0;
  for (std::string_view const name : *names) {
    if (name == "master.key" || name == "admin.token" || name == "state.witness")
      found.emplace_back(name);
    if (name.starts_with("log-") && (name.ends_with(".seg") || name.ends_with(".db"))) ++segments;
    if (name.starts_with("attempts-") && name.ends_with(".db")) ++attempts;
  }
  if (segments > 0) found.push_back(fmt::format("{} files of the event log", segments));
  if (attempts > 0) found.push_back(fmt::format("{} files of attempts", attempts));
  return fmt::format("{}", fmt::join(found, ", "));
}

bool StateGuard::is_accepted() const {
  return folder_.files.exists(folder_.path(acceptance)).value_or(false);
}

}  // namespace millrace::store
