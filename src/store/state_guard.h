// Refuses a start that finds less state than there must have been, in one sentence that says what is found, what is missing, and what
// to do. The operator accepts the loss with a file `accept-lost-state` in the folder, which one start uses up.
//   Threads  The state worker's.
#pragma once
#include <optional>
#include <string>

#include "store/witness.h"

namespace millrace::store {

class StateGuard {
 public:
  explicit StateGuard(Folder& folder) : folder_(folder), witness_(folder) {}

  // Before state.db is opened, which would make it. Fails with: missing (it is absent or empty, beside what a node has left), io.
  Result<void> before_open();
  // Fails with: missing, as before_open(): state.db is a database without anything in it.
  Result<void> is_blank();
  // What was stored behind a damaged place of state.db-wal is lost. Fails with: corrupt.
  Result<void> wal_is_damaged(std::uint64_t at, std::uint64_t commits);
  // Compares what state.db says of itself with its witness. Answers what state.db is to say from now on: store it, then call begin().
  // Fails with: missing (there is no witness, though there was one), conflict (state.db is older than it was, or another folder's),
  // corrupt (the witness cannot be read), io.
  // `log`: what the event log says that state.db had stored; it is refused as a witness's word is.
  Result<StateMark> judge(StateMark const& found, LogMark const& log);
  // The mark is stored in state.db: the witness follows, and an acceptance is used up.
  Result<void> begin(StateMark const& mark);
  // state.db has committed `mark`. Never fails: state.db holds what counts, so a witness that cannot follow is logged once, and a
  // rollback to a moment since then is not seen. A failed sync is fatal.
  void committed(StateMark const& mark, bool durable);
  // Adds to the reason why state.db cannot be read what to do about it.
  Error unreadable(Error error) const;

 private:
  Result<void> needs_state(std::string const& found);
  Result<void> refuse(Fault fault, std::string const& found, std::string const& known);
  std::string remains() const;
  bool is_accepted() const;

  Folder& folder_;
  Witness witness_;
  std::optional<StateMark> said_;  // by the witness at the start
  bool accepted_ = false;          // and logged
  bool told_ = false;              // that the witness cannot follow
};

}  // namespace millrace::store
