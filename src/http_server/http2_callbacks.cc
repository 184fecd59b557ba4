// What nghttp2 tells a connection that serves HTTP/2.
#include <algorithm>

#include "http_server/http2_stream.h"

namespace millrace::http::server {
namespace {

constexpr std::size_t bomb = 4;  // times the limit of a header list: no mistake any more

}  // namespace

// What nghttp2 calls. None may call it back but to submit frames.
struct Http2Serving::Callbacks {
  static Http2Serving& self(void* user) { return *static_cast<Http2Serving*>(user); }

  static int begin_frame(nghttp2_session*, nghttp2_frame_hd const* head, void* user) {
    self(user).frame_came(head->type, head->length, head->flags, head->stream_id);
    return self(user).over_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int begin_headers(nghttp2_session*, nghttp2_frame const* frame, void* user) {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) self(user).begin(frame->hd.stream_id);
    return 0;
  }

  static int header(nghttp2_session*, nghttp2_frame const* frame, std::uint8_t const* name,
                    std::size_t name_size, std::uint8_t const* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    auto* const stream = self(user).stream_of(frame->hd.stream_id);
    if (stream == nullptr || stream->stage != Stage::head) return 0;  // trailers are dropped
    stream->head.take(text_of(name, name_size), text_of(value, value_size), self(user).limits_);
    if (stream->head.bytes() <= bomb * self(user).limits_.header_bytes) return 0;
    self(user).end("its headers are a bomb", NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int invalid_header(nghttp2_session*, nghttp2_frame const*, std::uint8_t const*,
                            std::size_t, std::uint8_t const*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // resets the stream
  }

  static int frame(nghttp2_session*, nghttp2_frame const* frame, void* user) {
    auto& serving = self(user);
    bool const ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_SETTINGS) serving.spoke_ = true;
    if (frame->hd.type == NGHTTP2_HEADERS) serving.block_since_.reset();
    auto* const stream = serving.stream_of(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && stream->stage == Stage::head)
      serving.head_complete(*stream, ends);
    else if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && ends)
      serving.whole(*stream);
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                  std::uint8_t const* bytes, std::size_t size, void* user) {
    if (auto* const stream = self(user).stream_of(id);
        stream != nullptr && stream->stage == Stage::body)
      self(user).take_body(*stream, text_of(bytes, size));
    else
      nghttp2_session_consume(session, id, size);
    return 0;
  }

  static int closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    self(user).closed(id);
    return 0;
  }

  // A reset that nghttp2 decided upon costs the peer what its own does.
  static int frame_sent(nghttp2_session*, nghttp2_frame const* frame, void* user) {
    auto& serving = self(user);
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR) {
      serving.block_since_.reset();
      serving.annoy(cost_of_reset);
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      if (auto* const stream = serving.stream_of(frame->hd.stream_id)) serving.sent(*stream);
    return 0;
  }

  static ssize_t send(nghttp2_session*, std::uint8_t const* bytes, std::size_t size, int,
                      void* user) {
    auto& out = *self(user).out_;
    if (out.size() >= http2_given_at_once) return NGHTTP2_ERR_WOULDBLOCK;
    out.append(text_of(bytes, size));
    return static_cast<ssize_t>(size);
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t size,
                           std::uint32_t* flags, nghttp2_data_source*, void* user) {
    auto& serving = self(user);
    if (serving.out_->size() >= http2_given_at_once) return NGHTTP2_ERR_PAUSE;
    auto* const stream = serving.stream_of(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    auto const length = std::min(size, stream->response.body.size() - stream->sent);
    if (length == 0 && stream->more) {
      stream->hungry = true;
      stream->deadline = SteadyTime::max();  // ours to do
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->sent + length == stream->response.body.size() && !stream->more)
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(length);
  }

  static int send_body(nghttp2_session*, nghttp2_frame* frame, std::uint8_t const* head,
                       std::size_t size, nghttp2_data_source*, void* user) {
    auto& serving = self(user);
    auto* const stream = serving.stream_of(frame->hd.stream_id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    serving.out_->append(text_of(head, 9));
    serving.out_->append(std::string_view(stream->response.body).substr(stream->sent, size));
    stream->sent += size;
    serving.unsent_ -= size;
    stream->deadline = earned(serving.limits_.write_pace, stream->deadline, serving.now_, size);
    serving.moved_at_ = serving.now_;
    if (size >= data_of_worth)
      serving.patience_ = std::min(
          most_patience, serving.patience_ + (worth_of_data + size / window_step) * thousandth);
    return 0;
  }
};

nghttp2_session_callbacks const* Http2Serving::callbacks() {
  static nghttp2_session_callbacks* const made = [] {
    auto* const to = new_http2_callbacks();
    nghttp2_session_callbacks_set_on_begin_frame_callback(to, Callbacks::begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(to, Callbacks::begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(to, Callbacks::header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(to, Callbacks::invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, Callbacks::frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, Callbacks::data);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, Callbacks::closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(to, Callbacks::frame_sent);
    nghttp2_session_callbacks_set_send_callback(to, Callbacks::send);
    nghttp2_session_callbacks_set_send_data_callback(to, Callbacks::send_body);
    return to;
  }();
  return made;
}

nghttp2_data_provider Http2Serving::body_provider() {
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_body;
  return body;
}

}  // namespace millrace::http::server
