// HTTP/2 (RFC 9113), asking side, of one connection: bytes in, bytes out. nghttp2 does the framing; the bounds are ours. Pure: no waiting,
// no clock, no socket.
//   Bounds  An answer: 16 interim heads, 256 KiB of headers, 64 KiB of body (more only where the caller keeps more). A connection: 1,000
//           frames that no stream gets anything from, 1 MiB and 256 KiB a stream of bytes, between one finished stream and the next.
//   Push    Is switched off; a peer that pushes has broken the protocol.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/http2_frames.h"
#include "http_client/client.h"

namespace millrace::http::client {

// A request, and its answer as it comes. The caller's: it stays where it is from begin() until it is over() or abandoned.
class Http2Stream {
 public:
  enum class State : std::uint8_t {
    none,     // not begun
    waiting,  // for the end of the header block of the final answer
    body,     // that is complete
    done,     // the answer is whole, or as whole as it gets: Answer::reason says what was odd
    bad,      // against the protocol or the bounds; why()
    broken,   // reset by the peer, or the connection ended; why()
    silent,  // as broken, but nothing at all came on this connection, which had served before, since it was begun
    refused,      // the peer says that it has done nothing with it, and takes others; why()
    unprocessed,  // the connection ends, and the peer has surely done nothing with it; why()
  };

  // `answer` (status, headers, body, reason are written) and what `ask` points to live as long as this.
  Http2Stream(Ask const& ask, Answer& answer) : ask_(ask), answer_(answer) {}
  virtual ~Http2Stream() = default;
  Http2Stream(Http2Stream const&) = delete;
  Http2Stream& operator=(Http2Stream const&) = delete;

  State state() const { return state_; }
  bool over() const { return state_ >= State::done; }
  bool has_bytes() const { return first_byte_at_ != SteadyTime{}; }
  bool was_sent() const { return was_sent_; }  // of one that is over: in part, at least
  std::string const& why() const { return why_; }
  SteadyTime first_byte_at() const { return first_byte_at_; }
  SteadyTime head_at() const { return head_at_; }  // when the header block was complete
  SteadyTime over_at() const { return over_at_; }

 protected:
  virtual void became_over() {
  }  // called within Http2Engine::take() and ended(): only notes or notifies

 private:
  friend class Http2Engine;
  static constexpr auto not_given = std::numeric_limits<std::uint64_t>::max();
  Ask const& ask_;
  Answer& answer_;
  State state_ = State::none;
  std::string why_;
  SteadyTime first_byte_at_{}, head_at_{}, over_at_{};
  std::int32_t id_ = 0;
  std::size_t place_ = 0;                // in Http2Engine::live_
  std::size_t sent_ = 0;                 // of the request's body
  std::uint64_t begins_at_ = not_given;  // among the bytes that the connection gave
  bool was_sent_ = false;
  std::size_t header_bytes_ = 0, kept_header_bytes_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t received_before_ = 0;  // on the connection, when it was begun
  int status_ = 0, interims_ = 0;
};

class Http2Engine {
 public:
  // `streams`: at a time, at most.
  explicit Http2Engine(std::size_t streams);
  Http2Engine(Http2Engine const&) = delete;
  Http2Engine& operator=(Http2Engine const&) = delete;
  ~Http2Engine();  // streams that live are abandoned

  // How many more streams may be begun now.
  std::size_t room() const;
  std::size_t live() const { return live_.size(); }
  // False: there is no room, and nothing has happened.
  bool begin(Http2Stream& stream);
  // Whoever waits for it has gone, or has no more time: the peer is told to stop, and nothing is written to it or its Answer any more.
  void abandon(Http2Stream& stream);
  // `now` is what the streams' times are taken from. After it, give() may have something.
  void take(std::string_view bytes, SteadyTime now);
  // Appends what is to be sent until `out` has about 32 KiB; whole frames, whole requests first.
  void give(std::string& out);
  // So many of the bytes that give() gave have left for the peer. Asks of which none has are unprocessed when the connection ends.
  void note_sent(std::size_t bytes) { sent_ += bytes; }
  // No more bytes come, or go. `why` for people. Ends every stream.
  void ended(std::string const& why, SteadyTime now);
  // Nothing can come of this connection any more: send what give() has, and close. Every stream is over.
  bool is_over() const { return over_; }
  void retire() { retired_ = true; }  // begins no more streams
  bool is_retired() const { return retired_; }
  bool is_ending() const { return over_ || retired_ || going_away_ || !objection_.empty(); }
  void say_goodbye();  // GOAWAY, by the next give()
  // Why this origin is better asked by HTTP/1.1 from now on; empty: it is not.
  std::string const& objection() const { return objection_; }
  SteadyTime last_frame_at() const { return last_frame_at_; }  // when the newest whole one had come
  std::uint64_t served() const { return served_; }             // streams that ended with a status

 private:
  using State = Http2Stream::State;
  struct Callbacks;
  friend struct Callbacks;
  static nghttp2_session_callbacks const* callbacks();  // http2_callbacks.cc
  static nghttp2_data_provider body_provider();         // of the stream's request
  Http2Stream* stream_of(std::int32_t id) const;
  void end(Http2Stream& stream, State state, std::string why);
  void end_all(State as, std::string const& why);
  void end_above(std::int32_t last);
  bool has_left(Http2Stream const& stream) const { return stream.begins_at_ < sent_; }
  void refuse(Http2Stream& stream, char const* why);  // resets it
  void head_complete(Http2Stream& stream);
  void stream_closed(std::int32_t id, std::uint32_t code);
  bool take_field(Http2Stream& stream, std::string_view name, std::string_view value);
  void take_body(Http2Stream& stream, std::string_view bytes);
  void whole(Http2Stream& stream);
  void count_frame(std::uint8_t type, std::size_t length, std::uint8_t flags, std::int32_t id);
  void look_whether_over();

  Http2Session session_;
  std::size_t streams_;
  std::vector<Http2Stream*> live_;
  std::vector<nghttp2_nv> fields_;  // memory to work in
  std::string numbers_;
  std::string* out_ = nullptr;  // where give() writes
  SteadyTime now_{}, last_frame_at_{};
  std::uint64_t received_ = 0, served_ = 0, received_at_last_end_ = 0;
  std::uint64_t given_ = 0, sent_ = 0;
  std::size_t useless_frames_ = 0;
  bool settings_came_ = false, over_ = false, retired_ = false, going_away_ = false;
  std::string objection_, library_says_;
  std::string peer_says_;  // of its GOAWAY
};

}  // namespace millrace::http::client
