// What nghttp2 tells a connection that asks over HTTP/2.
#include <fmt/format.h>

#include <algorithm>

#include "http/http2_frames.h"
#include "http_client/answer_reader.h"
#include "http_client/http2_engine.h"

namespace millrace::http::client {
namespace {

// For people, of a stranger's bytes.
std::string printable(std::string_view text) {
  std::string out;
  for (char const c : text.substr(0, 100)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

}  // namespace

// What nghttp2 calls. None may call it back but to submit frames.
struct Http2Engine::Callbacks {
  static Http2Engine& engine(void* user) { return *static_cast<Http2Engine*>(user); }

  static int begin_frame(nghttp2_session*, nghttp2_frame_hd const* head, void* user) {
    engine(user).count_frame(head->type, head->length, head->flags, head->stream_id);
    return 0;
  }

  static int header(nghttp2_session*, nghttp2_frame const* frame, std::uint8_t const* name,
                    std::size_t name_size, std::uint8_t const* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    auto* const stream = engine(user).stream_of(frame->hd.stream_id);
    if (stream == nullptr || stream->state() != State::waiting) return 0;  // trailers are dropped
    return engine(user).take_field(*stream, text_of(name, name_size), text_of(value, value_size))
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int invalid_header(nghttp2_session*, nghttp2_frame const* frame, std::uint8_t const*,
                            std::size_t, std::uint8_t const*, std::size_t, std::uint8_t,
                            void* user) {
    auto* const stream = engine(user).stream_of(frame->hd.stream_id);
    if (stream == nullptr || stream->state() != State::waiting) return 0;
    engine(user).end(*stream, State::bad, "a header has characters that may not stand there");
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int frame(nghttp2_session*, nghttp2_frame const* frame, void* user) {
    auto& self = engine(user);
    self.last_frame_at_ = self.now_;
    auto* const stream = self.stream_of(frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (stream == nullptr) break;
        if (stream->state() == State::waiting) self.head_complete(*stream);
        if (!stream->over() && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
          self.whole(*stream);
        break;
      case NGHTTP2_DATA:
        if (stream != nullptr && !stream->over() &&
            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
          self.whole(*stream);
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
        self.settings_came_ = true;
        if (nghttp2_session_get_remote_settings(self.session_.get(),
                                                NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 0)
          self.objection_ = "it takes no streams";
        break;
      case NGHTTP2_GOAWAY:
        self.going_away_ = true;
        if (frame->goaway.error_code == NGHTTP2_HTTP_1_1_REQUIRED)
          self.objection_ = "it asks for HTTP/1.1";
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR)
          self.peer_says_ = fmt::format(
              "the server ended the connection: {}{}{}",
              nghttp2_http2_strerror(frame->goaway.error_code),
              frame->goaway.opaque_data_len > 0 ? ": " : "",
              printable(text_of(frame->goaway.opaque_data, frame->goaway.opaque_data_len)));
        self.end_above(frame->goaway.last_stream_id);
        break;
      default:
        break;
    }
    return 0;
  }

  static int invalid_frame(nghttp2_session*, nghttp2_frame const* frame, int code, void* user) {
    auto& self = engine(user);
    if (auto* const stream = self.stream_of(frame->hd.stream_id);
        stream != nullptr && !stream->over()) {
      auto const why = fmt::format("what came is not proper HTTP/2: {}", nghttp2_strerror(code));
      if (stream->state() == State::waiting) {
        self.end(*stream, State::bad, why);
      } else {
        note(stream->answer_, "bad framing: " + why);
        stream->answer_.body_cut = true;
        self.end(*stream, State::done, {});
      }
    }
    return 0;
  }

  static int data(nghttp2_session*, std::uint8_t, std::int32_t id, std::uint8_t const* bytes,
                  std::size_t size, void* user) {
    if (auto* const stream = engine(user).stream_of(id); stream != nullptr && !stream->over())
      engine(user).take_body(*stream, text_of(bytes, size));
    return 0;
  }

  static int closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    engine(user).stream_closed(id, code);
    return 0;
  }

  static int says(nghttp2_session*, int, char const* message, std::size_t size, void* user) {
    engine(user).library_says_ = printable({message, size});
    return 0;
  }

  static ssize_t send(nghttp2_session*, std::uint8_t const* bytes, std::size_t size, int,
                      void* user) {
    auto& out = *engine(user).out_;
    if (out.size() >= http2_given_at_once) return NGHTTP2_ERR_WOULDBLOCK;
    out.append(text_of(bytes, size));
    engine(user).given_ += size;
    return static_cast<ssize_t>(size);
  }

  // All frames before it have been given whole.
  static int before_send(nghttp2_session*, nghttp2_frame const* frame, void* user) {
    auto& self = engine(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (auto* const stream = self.stream_of(frame->hd.stream_id)) stream->begins_at_ = self.given_;
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t size,
                           std::uint32_t* flags, nghttp2_data_source*, void* user) {
    auto& self = engine(user);
    if (self.out_->size() >= http2_given_at_once) return NGHTTP2_ERR_PAUSE;
    auto* const stream = self.stream_of(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    auto const length = std::min(size, stream->ask_.body.size() - stream->sent_);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->sent_ + length == stream->ask_.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(length);
  }

  static int send_body(nghttp2_session*, nghttp2_frame* frame, std::uint8_t const* head,
                       std::size_t size, nghttp2_data_source*, void* user) {
    auto& self = engine(user);
    auto* const stream = self.stream_of(frame->hd.stream_id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    self.out_->append(text_of(head, 9));
    self.out_->append(stream->ask_.body.substr(stream->sent_, size));
    stream->sent_ += size;
    self.given_ += 9 + size;
    // Whoever takes what we send may open its windows for it, twice a frame.
    self.useless_frames_ -= std::min<std::size_t>(self.useless_frames_, 2);
    return 0;
  }
};

nghttp2_session_callbacks const* Http2Engine::callbacks() {
  static nghttp2_session_callbacks* const made = [] {
    auto* const to = new_http2_callbacks();
    nghttp2_session_callbacks_set_on_begin_frame_callback(to, Callbacks::begin_frame);
    nghttp2_session_callbacks_set_on_header_callback(to, Callbacks::header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(to, Callbacks::invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, Callbacks::frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(to, Callbacks::invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, Callbacks::data);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, Callbacks::closed);
    nghttp2_session_callbacks_set_error_callback2(to, Callbacks::says);
    nghttp2_session_callbacks_set_before_frame_send_callback(to, Callbacks::before_send);
    nghttp2_session_callbacks_set_send_callback(to, Callbacks::send);
    nghttp2_session_callbacks_set_send_data_callback(to, Callbacks::send_body);
    return to;
  }();
  return made;
}

nghttp2_data_provider Http2Engine::body_provider() {
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_body;
  return body;
}

}  // namespace millrace::http::client
