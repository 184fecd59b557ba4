// The deadline of an ask under way, and what it waits for: so that one sweep of a Client serves all of them.
//   Threads  One loop's.
#pragma once
#include "base/time.h"
#include "io/net.h"
#include "io/task.h"

namespace millrace::http::client {

// A ring of them: entering and leaving cost nothing.
struct Watch {
  Watch() = default;
  Watch(Watch& ring, SteadyTime until) : deadline(until), before(ring.before), after(&ring) {
    before->after = after->before = this;
  }
  ~Watch() {
    before->after = after;
    after->before = before;
  }
  Watch(Watch const&) = delete;
  Watch& operator=(Watch const&) = delete;
  bool alone() const { return after == this; }

  SteadyTime deadline{};
  io::ByteStream* stream = nullptr;  // closed when the deadline has passed
  io::Signal* signal = nullptr;      // notified then, and at each tick
  bool late = false;
  Watch* before = this;
  Watch* after = this;
};

// Points a Watch at the signal that its ask waits for, for as long as it waits.
struct Waiting {
  Waiting(Watch& of, io::Signal& signal) : watch(of) { watch.signal = &signal; }
  ~Waiting() { watch.signal = nullptr; }
  Waiting(Waiting const&) = delete;
  Waiting& operator=(Waiting const&) = delete;
  Watch& watch;
};

// The same for a stream that it reads.
struct Reading {
  Reading(Watch& of, io::ByteStream& stream) : watch(of) { watch.stream = &stream; }
  ~Reading() { watch.stream = nullptr; }
  Reading(Reading const&) = delete;
  Reading& operator=(Reading const&) = delete;
  Watch& watch;
};

}  // namespace millrace::http::client
