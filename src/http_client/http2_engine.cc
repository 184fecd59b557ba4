#include "http_client/http2_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/encoding.h"
#include "http_client/answer_reader.h"

namespace millrace::http::client {
namespace {

constexpr std::size_t usual_header_bytes = 64 * 1024, max_header_bytes = 256 * 1024;
constexpr std::size_t max_kept_header_bytes = 16 * 1024;
constexpr std::size_t max_read_bytes = 64 * 1024;
constexpr int max_interims = 16;
constexpr std::size_t max_useless_frames = 1000;
constexpr std::size_t free_bytes = 1 << 20, free_bytes_a_stream = 256 * 1024;
// RFC 9113 section 6.5.2 recommends that a peer takes as many.
constexpr std::size_t room_before_settings = 100;
constexpr std::size_t unique_bytes = 32;  // of a header's value; an id, say
constexpr std::size_t given_at_once = 32 * 1024;
constexpr std::int32_t connection_window = 4 << 20;
constexpr std::uint32_t last_stream = 1U << 30;  // far below where the numbers end

std::string_view text_of(std::uint8_t const* bytes, std::size_t size) {
  return {reinterpret_cast<char const*>(bytes), size};
}

std::string name_of_code(std::uint32_t code) { return nghttp2_http2_strerror(code); }

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
              "the server ended the connection: {}{}{}", name_of_code(frame->goaway.error_code),
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
    if (out.size() >= given_at_once) return NGHTTP2_ERR_WOULDBLOCK;
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
    if (self.out_->size() >= given_at_once) return NGHTTP2_ERR_PAUSE;
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

  static nghttp2_session_callbacks const* all() {
    static nghttp2_session_callbacks* const made = [] {
      nghttp2_session_callbacks* to = nullptr;
      check(nghttp2_session_callbacks_new(&to) == 0, "nghttp2 has memory");
      nghttp2_session_callbacks_set_on_begin_frame_callback(to, begin_frame);
      nghttp2_session_callbacks_set_on_header_callback(to, header);
      nghttp2_session_callbacks_set_on_invalid_header_callback(to, invalid_header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(to, frame);
      nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(to, invalid_frame);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, data);
      nghttp2_session_callbacks_set_on_stream_close_callback(to, closed);
      nghttp2_session_callbacks_set_error_callback2(to, says);
      nghttp2_session_callbacks_set_before_frame_send_callback(to, before_send);
      nghttp2_session_callbacks_set_send_callback(to, send);
      nghttp2_session_callbacks_set_send_data_callback(to, send_body);
      return to;
    }();
    return made;
  }
};

Http2Engine::Http2Engine(std::size_t streams) : streams_(streams) {
  nghttp2_option* options = nullptr;
  check(nghttp2_option_new(&options) == 0, "nghttp2 has memory");
  nghttp2_option_set_max_outbound_ack(options, 100);
  nghttp2_option_set_max_settings(options, 32);
  nghttp2_option_set_max_continuations(options, 8);
  nghttp2_option_set_no_closed_streams(options, 1);
  nghttp2_session* session = nullptr;
  int const made = nghttp2_session_client_new2(&session, Callbacks::all(), this, options);
  nghttp2_option_del(options);
  check(made == 0, "nghttp2 has memory");
  session_.reset(session);
  static constexpr std::array<nghttp2_settings_entry, 3> settings{
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
       {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, usual_header_bytes}}};
  check(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0,
        "nghttp2 has memory");
  check(
      nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, connection_window) == 0,
      "nghttp2 has memory");
}

Http2Engine::~Http2Engine() {
  for (auto* const stream : live_)
    nghttp2_session_set_stream_user_data(session_.get(), stream->id_, nullptr);
}

Http2Stream* Http2Engine::stream_of(std::int32_t id) const {
  return id == 0
             ? nullptr
             : static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_.get(), id));
}

std::size_t Http2Engine::room() const {
  if (is_ending() || nghttp2_session_get_next_stream_id(session_.get()) >= last_stream) return 0;
  std::size_t const theirs = settings_came_
                                 ? nghttp2_session_get_remote_settings(
                                       session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                                 : room_before_settings;
  auto const most = std::min(streams_, theirs);
  return most - std::min(most, live_.size());
}

bool Http2Engine::begin(Http2Stream& stream) {
  if (room() == 0) return false;
  auto const& ask = stream.ask_;
  auto const& url = *ask.url;
  fields_.clear();
  auto const add = [this](std::string_view name, std::string_view value, std::uint8_t flags) {
    // nghttp2 copies both, and makes the name small.
    auto* const at = const_cast<char*>(name.data());
    auto* const to = const_cast<char*>(value.data());
    fields_.push_back({reinterpret_cast<std::uint8_t*>(at), reinterpret_cast<std::uint8_t*>(to),
                       name.size(), value.size(), flags});
  };
  auto const add_lines = [&](std::string_view lines, bool fresh) {
    while (!lines.empty()) {
      auto const end = lines.find("\r\n");
      auto const line = lines.substr(0, end);
      lines.remove_prefix(end + 2);
      auto const colon = line.find(':');
      if (colon == line.npos) continue;
      auto value = line.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      while (value.ends_with(' ')) value.remove_suffix(1);
      // A long value that is not the caller's usual one comes once: it would only push others out of the table. Its name is let in
      // with the first.
      bool const once = fresh && value.size() >= unique_bytes && served_ > 0;
      add(line.substr(0, colon), value, once ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
    }
  };
  auto const authority = url.host_header();
  add(":method", ask.method, NGHTTP2_NV_FLAG_NONE);
  add(":scheme", url.scheme, NGHTTP2_NV_FLAG_NONE);
  add(":authority", authority, NGHTTP2_NV_FLAG_NONE);
  add(":path", url.target, NGHTTP2_NV_FLAG_NONE);
  add_lines(ask.head, false);
  add_lines(ask.fresh, true);
  char digits[24];
  std::string_view const length(
      digits, static_cast<std::size_t>(
                  std::to_chars(digits, digits + sizeof digits, ask.body.size()).ptr - digits));
  if (!ask.body.empty() || (ask.method != "GET" && ask.method != "HEAD" && ask.method != "DELETE"))
    add("content-length", length, NGHTTP2_NV_FLAG_NONE);
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_body;
  auto const id = nghttp2_submit_request(session_.get(), nullptr, fields_.data(), fields_.size(),
                                         ask.body.empty() ? nullptr : &body, &stream);
  if (id < 0) {
    retired_ = true;
    return false;
  }
  stream.id_ = id;
  stream.state_ = State::waiting;
  stream.received_before_ = received_;
  stream.place_ = live_.size();
  live_.push_back(&stream);
  return true;
}

void Http2Engine::abandon(Http2Stream& stream) {
  if (stream.state_ == State::none || stream.over()) return;
  end(stream, State::broken, "abandoned");
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id_, NGHTTP2_CANCEL);
}

// From here on nghttp2 does not know the stream's object any more.
void Http2Engine::end(Http2Stream& stream, State state, std::string why) {
  if (stream.over()) return;
  stream.state_ = state;
  stream.why_ = std::move(why);
  stream.was_sent_ = has_left(stream);
  stream.over_at_ = now_;
  nghttp2_session_set_stream_user_data(session_.get(), stream.id_, nullptr);
  live_[stream.place_] = live_.back();
  live_[stream.place_]->place_ = stream.place_;
  live_.pop_back();
  if (state == State::done) {
    ++served_;
    useless_frames_ = 0;
    received_at_last_end_ = received_;
  }
  stream.became_over();
}

void Http2Engine::refuse(Http2Stream& stream, char const* why) {
  auto const id = stream.id_;
  end(stream, State::bad, why);
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

bool Http2Engine::take_field(Http2Stream& stream, std::string_view name, std::string_view value) {
  if (!stream.has_bytes()) stream.first_byte_at_ = now_;
  stream.header_bytes_ += name.size() + value.size() + 4;
  if (stream.header_bytes_ > max_header_bytes) {
    end(stream, State::bad, "the headers are larger than 64 KiB, and do not end within 256 KiB");
    return false;
  }
  if (name == ":status") {
    stream.status_ = 0;
    std::from_chars(value.data(), value.data() + value.size(), stream.status_);
    return true;
  }
  stream.kept_header_bytes_ += name.size() + value.size();
  if (stream.kept_header_bytes_ <= max_kept_header_bytes)
    stream.answer_.headers.push_back({std::string(name), std::string(value)});
  return true;
}

void Http2Engine::head_complete(Http2Stream& stream) {
  if (!stream.has_bytes()) stream.first_byte_at_ = now_;
  if (stream.status_ < 100) return refuse(stream, "the status is not three digits from 100 on");
  if (stream.status_ < 200) {
    if (++stream.interims_ > max_interims)
      return refuse(stream, "there are more than 16 interim answers");
    stream.answer_.headers.clear();
    stream.kept_header_bytes_ = 0;
    return;
  }
  stream.answer_.status = stream.status_;
  if (stream.header_bytes_ > usual_header_bytes)
    note(stream.answer_, "odd headers: the headers are larger than 64 KiB");
  stream.head_at_ = now_;
  stream.state_ = State::body;
}

void Http2Engine::take_body(Http2Stream& stream, std::string_view bytes) {
  auto& answer = stream.answer_;
  auto const kept = stream.ask_.kept_body;
  if (answer.body.size() < kept) answer.body.append(bytes.substr(0, kept - answer.body.size()));
  stream.body_bytes_ += bytes.size();
  answer.body_cut = stream.body_bytes_ > kept;
  if (stream.body_bytes_ < std::max(max_read_bytes, kept)) return;
  answer.body_cut = true;
  note(answer, "large body");
  auto const id = stream.id_;
  end(stream, State::done, {});
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

// The answer is whole. A request that is not, by now, is of no use.
void Http2Engine::whole(Http2Stream& stream) {
  if (stream.state() != State::body) return;
  auto const id = stream.id_;
  bool const sending = stream.sent_ < stream.ask_.body.size();
  end(stream, State::done, {});
  if (sending) nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
}

void Http2Engine::stream_closed(std::int32_t id, std::uint32_t code) {
  auto* const stream = stream_of(id);
  if (stream == nullptr || stream->over()) return;
  if (stream->state() == State::body) {
    stream->answer_.body_cut = true;
    note(stream->answer_,
         fmt::format("bad framing: the server reset the stream within the body ({})",
                     name_of_code(code)));
    return end(*stream, State::done, {});
  }
  if (code == NGHTTP2_HTTP_1_1_REQUIRED) objection_ = "it asks for HTTP/1.1";
  bool const refused = code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_HTTP_1_1_REQUIRED;
  end(*stream, refused && !stream->has_bytes() ? State::refused : State::broken,
      fmt::format("the stream was reset before the end of the header block ({})",
                  name_of_code(code)));
}

// Frames that bring no stream further cost the peer little and us some: there is an end to them.
void Http2Engine::count_frame(std::uint8_t type, std::size_t length, std::uint8_t flags,
                              std::int32_t id) {
  bool const carries = (type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) &&
                       (length > 0 || (flags & NGHTTP2_FLAG_END_STREAM) != 0) &&
                       stream_of(id) != nullptr;
  if (!carries) ++useless_frames_;
}

void Http2Engine::take(std::string_view bytes, SteadyTime now) {
  now_ = now;
  received_ += bytes.size();
  if (over_) return;
  auto const taken = nghttp2_session_mem_recv(
      session_.get(), reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size());
  if (taken < 0) {
    objection_ =
        fmt::format("it does not keep to HTTP/2 ({})", nghttp2_strerror(static_cast<int>(taken)));
  } else if (useless_frames_ > max_useless_frames ||
             received_ - received_at_last_end_ >
                 free_bytes + free_bytes_a_stream * (live_.size() + 1)) {
    objection_ = "it floods the connection";
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
  } else {
    return;
  }
  end_all(State::bad, "the server's HTTP/2: " + objection_);
}

void Http2Engine::give(std::string& out) {
  out_ = &out;
  int const sent = nghttp2_session_send(session_.get());
  out_ = nullptr;
  if (sent != 0)
    objection_ = fmt::format("it does not keep to HTTP/2 ({})", nghttp2_strerror(sent));
  look_whether_over();
}

// nghttp2 ends a connection by itself (with GOAWAY) when the peer breaks the protocol, and when a peer's GOAWAY has nothing left.
void Http2Engine::look_whether_over() {
  if (over_ || (objection_.empty() && nghttp2_session_want_read(session_.get()) != 0)) return;
  if (nghttp2_session_want_read(session_.get()) != 0 && !live_.empty()) return;
  if ((!live_.empty() || !going_away_) && objection_.empty() && peer_says_.empty())
    objection_ = "it does not keep to HTTP/2" + (library_says_.empty() ? "" : ": " + library_says_);
  if (objection_.empty())
    end_all(State::broken, peer_says_);
  else
    end_all(State::bad, "the server's HTTP/2: " + objection_);
}

void Http2Engine::ended(std::string const& why, SteadyTime now) {
  now_ = now;
  end_all(State::broken, peer_says_.empty() ? why : peer_says_);
}

// What a GOAWAY does not count. nghttp2 itself knows of no stream that it has not begun to give, and begins none behind a GOAWAY.
void Http2Engine::end_above(std::int32_t last) {
  for (auto* const stream : std::vector(live_)) {
    bool const counts = stream->id_ <= last && stream->begins_at_ != Http2Stream::not_given;
    if (stream->state() == State::waiting && !stream->has_bytes() && !counts)
      end(*stream, State::unprocessed,
          peer_says_.empty() ? "the server closes the connection" : peer_says_);
  }
}

// `as`: how those end whose header block is not complete, and of which the peer may have seen something.
void Http2Engine::end_all(State as, std::string const& why) {
  over_ = true;
  while (!live_.empty()) {
    auto& stream = *live_.back();
    if (!has_left(stream) && !stream.has_bytes()) {
      end(stream, State::unprocessed, why);
    } else if (stream.state() == State::body) {
      note(stream.answer_, "bad framing: the connection ended within the body");
      stream.answer_.body_cut = true;
      end(stream, State::done, {});
    } else {
      bool const silent =
          as == State::broken && served_ > 0 && received_ == stream.received_before_;
      end(stream, silent ? State::silent : as, why);
    }
  }
}

void Http2Engine::say_goodbye() {
  going_away_ = true;
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
}

}  // namespace millrace::http::client
