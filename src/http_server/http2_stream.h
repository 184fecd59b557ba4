// A request over HTTP/2 and its answer, while it is under way; and what a peer may cost. Only http2_serving.cc and http2_callbacks.cc include
// this.
#pragma once
#include <algorithm>
#include <optional>

#include "http/http2_frames.h"
#include "http_server/http2_serving.h"

namespace millrace::http::server {

// What a peer may cost. A thousand at once, and a hundred a second.
inline constexpr std::uint64_t thousandth = 1000;
inline constexpr std::uint64_t most_patience = 1000 * thousandth;
inline constexpr std::uint64_t patience_a_millisecond = 100 * thousandth / 1000;
inline constexpr unsigned cost_of_reset = 5, cost_of_settings = 5, cost_of_trifle = 1;
inline constexpr unsigned worth_of_request = 3, worth_of_data = 2;
inline constexpr std::size_t window_step =
    2048;  // some open theirs for each so many bytes, of stream and connection
inline constexpr std::size_t data_of_worth =
    256;  // whoever opens a window by less has not earned anything

struct Http2Serving::Stream {
  StreamId id = 0;
  Stage stage = Stage::head;
  Http2Head head;
  ServerRequest request;
  ServerResponse response;
  std::size_t sent = 0;  // of the response's body
  std::optional<BodyMemory::Hold> hold;
  std::size_t came = 0;                       // of the body
  std::size_t uncredited = 0;                 // of it, for which no window was given back
  SteadyTime room_until = SteadyTime::max();  // while it waits for memory: how long
  bool whole = false;                         // END_STREAM came
  bool busy = false;                          // somebody works for it, from next() to leave()
  bool gone = false;  // the peer, or a deadline, has ended it; somebody works for it still
  bool head_only = false;
  bool wide = false;    // its window is the larger one
  bool more = false;    // pieces of the response's body follow
  bool hungry = false;  // for the next of them
  SteadyTime deadline = SteadyTime::max();
};

}  // namespace millrace::http::server
