// Where a receiver puts events, and the promise that an answer of 200 rests on.
//   Promise  put() answers once the event is safe: a crash at any moment afterwards loses nothing, and
//            each key is stored once.
//   Threads  One loop calls; the disk is worked on elsewhere.
#pragma once
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "io/task.h"

namespace millrace::receive {

// One event, checked and decoded, as it will be stored.
struct Received {
  std::string id;           // of the event, which names its file in layout per-event; any text
  std::string replay = {};  // id of the replay that it is of; empty: none
  std::string key;          // what makes it a repeat: the id, with the replay's id when it is one
  std::string name;         // event type; any text
  std::string json;         // one JSON object
  WallTime
      accepted_at{};  // when the event was accepted by the sender, else when it came: its folder in layout per-event
  WallTime event_at{};  // when it happened, else when it came: its folder in layout rolling
  bool dated = true;    // accepted_at is the sender's: a repeat has the same
};

enum class Kept : std::uint8_t { stored, repeat };

class EventStore {
 public:
  virtual ~EventStore() = default;
  // Fails with: busy (too much is under way, or the disk is full: the sender tries again), io.
  virtual io::Task<Result<Kept>> put(Received event) = 0;
  // What has to be done from time to time; runs until cancelled.
  virtual io::Task<void> keep() = 0;
  // Makes everything visible that is still on its way. Call it after the last put(). What cannot be
  // finished is safe, and finished by the next start.
  virtual io::Task<Result<void>> close() = 0;
  // How many events were stored and dropped as repeats since the start. Any thread.
  struct Counts {
    std::uint64_t stored = 0, repeats = 0;
  };
  virtual Counts counts() const = 0;
};

}  // namespace millrace::receive
