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
constexpr std::int32_t connection_window = 4 << 20;
constexpr std::uint32_t last_stream = 1U << 30;  // far below where the numbers end

}  // namespace

Http2Engine::Http2Engine(std::size_t streams) : streams_(streams) {
  nghttp2_session* session = nullptr;
  check(nghttp2_session_client_new2(&session, callbacks(), this, http2_options().get()) == 0,
        "nghttp2 has memory");
  session_.reset(session);
  static constexpr std::array<nghttp2_settings_entry, 3> settings{
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
       {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, usual_header_bytes}}};
  submit_settings(session, settings);
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
    fields_.push_back(http2_field(name, value, flags));
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
  auto const body = body_provider();
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
                     nghttp2_http2_strerror(code)));
    return end(*stream, State::done, {});
  }
  if (code == NGHTTP2_HTTP_1_1_REQUIRED) objection_ = "it asks for HTTP/1.1";
  bool const refused = code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_HTTP_1_1_REQUIRED;
  end(*stream, refused && !stream->has_bytes() ? State::refused : State::broken,
      fmt::format("the stream was reset before the end of the header block ({})",
                  nghttp2_http2_strerror(code)));
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
  auto const taken = take_http2(session_.get(), bytes);
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
