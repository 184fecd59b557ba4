// HTTP/2 (RFC 9113), answering side, of one connection: bytes in, requests out; answers in, bytes out. nghttp2 does the framing; the
// bounds are ours. No waiting, no socket.
//   Use     take() what came; hand each request that next() gives to the handler; answer() it, in pieces if need be, and then leave() it;
//           send what give() appends. sweep() now and then keeps the deadlines of ServerLimits.
//   Bounds  128 streams, those for which a handler works still though the client has gone included. A header list: ServerLimits. Bodies
//           are held in BodyMemory, each in its share, and windows opened only for what is held; 64 KiB of a connection come unasked.
//           Handlers wait while 1 MiB of answers is unsent. What brings no stream further costs, and is earned back slowly: see annoy().
//   Order   Answers go out as the peer's windows let them, all streams in turn.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/date.h"
#include "http/http2_frames.h"
#include "http_server/http2_head.h"
#include "http_server/serving.h"

namespace millrace::http::server {

class Http2Serving {
 public:
  using StreamId = std::int32_t;
  struct Ready {
    StreamId stream;
    ServerRequest request;
  };

  // `core` outlives it. `peer`: what each request says of who asks.
  Http2Serving(ServerCore& core, io::Endpoint peer);
  Http2Serving(Http2Serving const&) = delete;
  Http2Serving& operator=(Http2Serving const&) = delete;
  ~Http2Serving();

  void take(std::string_view bytes);
  // A whole request, once; each wants an answer(). None while too much of earlier answers is unsent.
  std::optional<Ready> next();
  // For a stream that has gone meanwhile nothing is sent. `more`: pieces of the body follow.
  void answer(StreamId stream, ServerResponse response, bool more = false);
  enum class Appetite : std::uint8_t { full, hungry, gone };
  // hungry: all that there is of the body has been given to the connection, and more() is due. gone: nobody reads any more.
  Appetite appetite(StreamId stream) const;
  void more(StreamId stream, std::string piece);  // an empty one is the end
  void cut(StreamId stream);  // there is no end: the peer must not take it for whole
  // Whoever works for the stream has ended. Until then it has its place, and its memory, though it be gone.
  void leave(StreamId stream);
  // Appends what is to be sent until `out` has about 32 KiB; whole frames.
  void give(std::string& out);
  // Ends what is late: bodies (408), answers that the peer does not take, connections that do nothing.
  void sweep();

  // No further request is taken; those under way are answered. A second time it tells the peer the last one that counts.
  void drain();
  // Nothing can come of this connection any more: send what give() has, and close.
  bool is_over() const;
  bool is_idle() const { return streams_.empty(); }  // no request is under way
  std::size_t streams() const { return streams_.size(); }
  std::size_t unsent() const { return unsent_; }  // bytes of answers that wait
  std::string const& objection() const {
    return objection_;
  }  // why the connection was ended, for people; empty: it was not

 private:
  enum class Stage : std::uint8_t { head, body, ready, handling, answering };
  struct Stream;
  struct Callbacks;
  friend struct Callbacks;
  static nghttp2_session_callbacks const* callbacks();  // http2_callbacks.cc
  static nghttp2_data_provider body_provider();         // of the stream's response
  Stream* stream_of(StreamId id) const;
  bool begin(StreamId id);
  void head_complete(Stream& stream, bool ends);
  void take_body(Stream& stream, std::string_view bytes);
  void whole(Stream& stream);
  void credit(Stream& stream);
  void wait_for_room(Stream& stream, BodyMemory::Grant grant);
  void refuse(Stream& stream, int status, std::string_view why);
  void submit(Stream& stream, ServerResponse response, bool more);
  void sent(Stream& stream);
  void late(Stream& stream);
  void closed(StreamId id);
  void forget(StreamId id);
  void reset(StreamId id, std::uint32_t code);
  void frame_came(std::uint8_t type, std::size_t length, std::uint8_t flags, StreamId id);
  void annoy(unsigned cost);
  void end(std::string why, std::uint32_t code);

  ServerCore& core_;
  ServerLimits const& limits_;
  io::Clock& clock_;
  io::Endpoint peer_;
  HttpDate date_;
  Http2Session session_;
  std::unordered_map<StreamId, std::unique_ptr<Stream>> streams_;
  std::vector<StreamId> ready_;  // in the order in which they became whole
  std::size_t next_ready_ = 0;   // of ready_
  std::size_t unsent_ = 0;
  std::size_t wasted_ = 0;      // bytes that came since something came of them
  std::string* out_ = nullptr;  // where give() writes
  SteadyTime now_, since_, idle_since_, moved_at_;
  std::optional<SteadyTime> block_since_;  // a header block has begun
  std::uint64_t patience_;                 // thousandths
  SteadyTime patience_at_;
  int drains_ = 0;
  bool spoke_ = false;  // the peer's preface and SETTINGS have come
  bool over_ = false;
  std::string objection_;
};

}  // namespace millrace::http::server
