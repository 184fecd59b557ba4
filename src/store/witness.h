// The witness of state.db: a small file beside it that says how far it had come, so that an older one is never taken for the newest.
//   Order    state.db commits first, then the witness is written. So state.db ahead of it is a crash in between; the witness ahead of
//            state.db is a state.db that was rolled back, in whatever way.
//   Threads  The state worker's.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "store/folder.h"

namespace millrace::store {

struct LogMark {  // what each commit of the event log says that state.db had stored before it
  std::uint64_t changes = 0, commits = 0;
};

struct StateMark {            // of state.db, in it and in the witness
  std::uint64_t folder = 0;   // drawn once for each folder; 0: none yet
  std::uint64_t commits = 0;  // that anybody was answered: of records, progress, dead letters
  std::uint64_t changes = 0;  // those of records: tokens, data streams, keys, the audit log
  friend bool operator==(StateMark const&, StateMark const&) = default;
};

class Witness {
 public:
  explicit Witness(Folder& folder) : folder_(folder) {}

  // What it says; nullopt: there is no such file. Fails with: corrupt (no part of it can be read), io.
  Result<std::optional<StateMark>> open();
  // Makes it anew, durably. Fails with: busy (no space), io.
  Result<void> make(StateMark const& mark);
  // Writes in place, which needs no space. `durable`: synced before it returns; a failed sync is fatal. Else a crash of the machine
  // may lose it, and only it: what a durable one said stays. Fails with: busy, io.
  Result<void> note(StateMark const& mark, bool durable);

 private:
  Result<void> write(std::size_t slot, StateMark const& mark);

  Folder& folder_;
  std::unique_ptr<io::File> file_;
  std::size_t turn_ = 0;  // of the two durable slots, which is written next
};

}  // namespace millrace::store
