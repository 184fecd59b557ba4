// Whose fault a failure of the network is, by its errno. Names and TLS have theirs in http/blame.h. What is ours when connecting comes out
// of a Network as Fault::busy.
#pragma once
#include <cstdint>

namespace millrace::io {

enum class Blame : std::uint8_t {
  ours,      // no try is burnt, and the endpoint is not charged: later our side may be well again
  endpoint,  // charged
  ambiguous  // one failure alone does not tell; charged, unless more is known
};

// Of connecting, reading and writing; 0 (the peer has closed) is the endpoint's.
Blame blame_of_errno(int code);

}  // namespace millrace::io
