#include "http_server/http2_serving.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "http_server/http2_stream.h"

namespace millrace::http::server {
namespace {

constexpr std::uint32_t max_streams = 128;
constexpr std::size_t unsent_enough = 1 << 20;  // from here on no more handlers begin
constexpr std::size_t body_step = 512 * 1024;   // how a body's share of the memory grows
constexpr std::int32_t small_window = 65'535, wide_window = 256 * 1024;
constexpr std::size_t reserved = 1 << 20;  // of a body whose length is known, at most

// Bytes from which nothing came, and so many more for each request that is under way: much is dropped without that we hear of it.
constexpr std::size_t idle_bytes = 1 << 20, idle_bytes_a_stream = 64 * 1024;

// What a handler wrote may not end a field early, nor stand where HTTP/2 forbids it.
std::string clean(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  return out;
}

SteadyTime after(SteadyTime from, Duration span) {
  return from + std::chrono::duration_cast<SteadyTime::duration>(span);
}

}  // namespace

Http2Serving::Http2Serving(ServerCore& core, io::Endpoint peer)
    : core_(core),
      limits_(core.limits),
      clock_(core.clock),
      peer_(std::move(peer)),
      now_(core.clock.now()),
      since_(now_),
      idle_since_(now_),
      moved_at_(now_),
      patience_(most_patience),
      patience_at_(now_) {
  auto const options = http2_options();
  nghttp2_option_set_no_auto_window_update(options.get(), 1);
  nghttp2_session* session = nullptr;
  check(nghttp2_session_server_new2(&session, callbacks(), this, options.get()) == 0,
        "nghttp2 has memory");
  session_.reset(session);
  std::array<nghttp2_settings_entry, 3> const settings{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits_.header_bytes)},
       {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}}};
  submit_settings(session, settings);
}

Http2Serving::~Http2Serving() = default;

Http2Serving::Stream* Http2Serving::stream_of(StreamId id) const {
  return id == 0 ? nullptr
                 : static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_.get(), id));
}

bool Http2Serving::begin(StreamId id) {
  block_since_ = now_;
  if (streams_.size() >= max_streams) {  // handlers of streams that were reset count
    reset(id, NGHTTP2_REFUSED_STREAM);
    return false;
  }
  auto made = std::make_unique<Stream>();
  made->id = id;
  made->request.peer = peer_;
  nghttp2_session_set_stream_user_data(session_.get(), id, made.get());
  streams_.emplace(id, std::move(made));
  return true;
}

void Http2Serving::head_complete(Stream& stream, bool ends) {
  stream.stage = Stage::body;
  stream.deadline = after(now_, limits_.body_pace.first);
  auto const bad = stream.head.finish(stream.request, limits_);
  stream.head_only = stream.request.method == "HEAD";
  if (ends) stream.whole = true;
  if (bad) return refuse(stream, bad->status, bad->why);
  if (auto const& length = stream.head.length(); length && *length > limits_.body_bytes)
    return refuse(stream, 413, "the body is too large");
  if (ends) return whole(stream);
  stream.hold.emplace(core_.bodies, core_.admission(stream.request));
  if (auto const grant = stream.hold->grow(0); grant != BodyMemory::Grant::given)
    wait_for_room(stream, grant);
  if (stream.stage == Stage::body && stream.head.wants_continue()) {
    auto const field = http2_field(":status", "100");
    nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, stream.id, nullptr, &field, 1,
                           nullptr);
  }
}

void Http2Serving::take_body(Stream& stream, std::string_view bytes) {
  stream.came += bytes.size();
  wasted_ -= std::min(wasted_, bytes.size());
  stream.uncredited += bytes.size();
  if (stream.came > limits_.body_bytes) return refuse(stream, 413, "the body is too large");
  if (stream.request.body.empty())
    stream.request.body.reserve(
        std::min<std::uint64_t>(stream.head.length().value_or(bytes.size()), reserved));
  stream.request.body.append(bytes);
  stream.deadline = earned(limits_.body_pace, stream.deadline, now_, bytes.size());
  credit(stream);
}

// Windows open for what is held, and for what may be held ahead.
void Http2Serving::credit(Stream& stream) {
  auto const expected = std::min<std::uint64_t>(stream.head.length().value_or(limits_.body_bytes),
                                                limits_.body_bytes);
  bool const large = expected > static_cast<std::uint64_t>(small_window);
  auto const ahead = std::min<std::uint64_t>(
      expected, stream.came + static_cast<std::size_t>(large ? wide_window : small_window));
  if (stream.hold->bytes() < ahead) {
    auto const grant = stream.hold->grow(
        static_cast<std::size_t>(std::min<std::uint64_t>(expected, stream.came + body_step)));
    if (grant != BodyMemory::Grant::given) return wait_for_room(stream, grant);
  }
  if (stream.room_until != SteadyTime::max()) {
    stream.room_until = SteadyTime::max();
    stream.deadline = after(now_, limits_.body_pace.first);
  }
  if (large && !stream.wide) {
    stream.wide = true;
    for (StreamId const id : {0, stream.id})
      nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, id, wide_window);
  }
  nghttp2_session_consume(session_.get(), stream.id, stream.uncredited);
  stream.uncredited = 0;
}

// What came stays, within the windows; more comes when there is room, or the request is refused when its share's patience ends.
void Http2Serving::wait_for_room(Stream& stream, BodyMemory::Grant grant) {
  auto const& share = stream.hold->share();
  if (stream.room_until == SteadyTime::max()) stream.room_until = after(now_, share.patience);
  if (grant != BodyMemory::Grant::crowded && now_ < stream.room_until) return;
  bool const whole = grant == BodyMemory::Grant::memory_full;
  core_.refusals.request(whole ? "memory" : std::string(share.kind) + "_share");
  refuse(stream, 503,
         whole ? "there is no memory for the body now"
               : "there is no memory for the body now: others who show the same have it");
}

void Http2Serving::whole(Stream& stream) {
  stream.whole = true;
  if (stream.stage != Stage::body) return;
  stream.stage = Stage::ready;
  stream.deadline = SteadyTime::max();
  ready_.push_back(stream.id);
  wasted_ = 0;
  patience_ = std::min(most_patience, patience_ + worth_of_request * thousandth);
}

std::optional<Http2Serving::Ready> Http2Serving::next() {
  while (next_ready_ < ready_.size() && unsent_ < unsent_enough) {
    auto const found = streams_.find(ready_[next_ready_++]);
    if (next_ready_ == ready_.size()) {
      ready_.clear();
      next_ready_ = 0;
    }
    if (found == streams_.end() || found->second->stage != Stage::ready) continue;
    auto& stream = *found->second;
    stream.stage = Stage::handling;
    stream.busy = true;
    stream.deadline = SteadyTime::max();
    return Ready{stream.id, std::move(stream.request)};
  }
  return std::nullopt;
}

void Http2Serving::answer(StreamId id, ServerResponse response, bool more) {
  now_ = clock_.now();
  auto const found = streams_.find(id);
  if (found == streams_.end() || found->second->gone || over_) return;
  bool const closes = response.close;
  submit(*found->second, std::move(response), more);
  if (closes) drain();
}

Http2Serving::Appetite Http2Serving::appetite(StreamId id) const {
  auto const found = streams_.find(id);
  if (found == streams_.end() || found->second->gone || over_) return Appetite::gone;
  return found->second->hungry ? Appetite::hungry : Appetite::full;
}

void Http2Serving::more(StreamId id, std::string piece) {
  if (appetite(id) != Appetite::hungry) return;
  now_ = clock_.now();
  auto& stream = *streams_.find(id)->second;
  stream.more = !piece.empty();
  stream.hungry = false;
  stream.deadline = after(now_, limits_.write_pace.first);
  if (unsent_ == 0) moved_at_ = now_;
  unsent_ += piece.size();
  stream.response.body = std::move(piece);
  stream.sent = 0;
  nghttp2_session_resume_data(session_.get(), id);
}

void Http2Serving::cut(StreamId id) {
  if (appetite(id) != Appetite::gone) reset(id, NGHTTP2_INTERNAL_ERROR);
}

void Http2Serving::leave(StreamId id) {
  auto const found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second->busy = false;
  if (found->second->gone) forget(id);
}

void Http2Serving::refuse(Stream& stream, int status, std::string_view why) {
  ServerResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain"});
  response.body = fmt::format("{}\n", why);
  submit(stream, std::move(response), false);
}

void Http2Serving::submit(Stream& stream, ServerResponse response, bool more) {
  stream.stage = Stage::answering;
  stream.deadline = after(now_, limits_.write_pace.first);
  if (unsent_ == 0) moved_at_ = now_;
  stream.request = {};
  stream.hold.reset();
  auto const status = std::to_string(response.status);
  auto const length = std::to_string(response.body.size());
  std::vector<std::string> values;
  values.reserve(response.headers.size());
  std::string date;
  date_.append_to(date, clock_.wall());
  std::vector<nghttp2_nv> fields{http2_field(":status", status), http2_field("date", date)};
  for (auto const& [name, value] : response.headers) {
    values.push_back(clean(value));
    if (is_token(name)) fields.push_back(http2_field(name, values.back()));
  }
  bool const bodied = has_body(response.status);
  if (bodied && !more) fields.push_back(http2_field("content-length", length));
  if (!bodied || stream.head_only) response.body.clear();
  stream.more = more && bodied && !stream.head_only;
  stream.response = std::move(response);
  unsent_ += stream.response.body.size();
  auto const body = body_provider();
  if (nghttp2_submit_response(session_.get(), stream.id, fields.data(), fields.size(),
                              stream.response.body.empty() && !stream.more ? nullptr : &body) != 0)
    reset(stream.id, NGHTTP2_INTERNAL_ERROR);
}

// The answer is out. A request that is not whole by now is of no use (RFC 9113 section 8.1).
void Http2Serving::sent(Stream& stream) {
  if (!stream.whole)
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_NO_ERROR);
}

void Http2Serving::reset(StreamId id, std::uint32_t code) {
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code);
}

void Http2Serving::closed(StreamId id) {
  auto const found = streams_.find(id);
  if (found == streams_.end()) return;
  if (!found->second->busy) return forget(id);
  found->second->gone = true;
  nghttp2_session_set_stream_user_data(session_.get(), id, nullptr);
}

void Http2Serving::forget(StreamId id) {
  auto const found = streams_.find(id);
  auto& stream = *found->second;
  if (stream.uncredited > 0) nghttp2_session_consume_connection(session_.get(), stream.uncredited);
  unsent_ -= stream.response.body.size() - stream.sent;
  if (!stream.gone) nghttp2_session_set_stream_user_data(session_.get(), id, nullptr);
  streams_.erase(found);
  if (streams_.empty()) idle_since_ = now_;
}

void Http2Serving::frame_came(std::uint8_t type, std::size_t length, std::uint8_t flags,
                              StreamId id) {
  bool const ends = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (type != NGHTTP2_CONTINUATION) block_since_.reset();
  switch (type) {
    case NGHTTP2_DATA:
      if ((length == 0 && !ends) || stream_of(id) == nullptr) annoy(cost_of_trifle);
      break;
    case NGHTTP2_HEADERS:
      if (stream_of(id) != nullptr) annoy(cost_of_trifle);
      break;
    case NGHTTP2_CONTINUATION:  // so many are let through
      break;
    case NGHTTP2_RST_STREAM:
      annoy(cost_of_reset);
      break;
    case NGHTTP2_SETTINGS:
      if ((flags & NGHTTP2_FLAG_ACK) == 0) annoy(cost_of_settings);
      break;
    default:
      annoy(cost_of_trifle);
  }
}

void Http2Serving::annoy(unsigned cost) {
  auto const price = cost * thousandth;
  if (patience_ < price) return end("it floods the connection", NGHTTP2_ENHANCE_YOUR_CALM);
  patience_ -= price;
}

void Http2Serving::take(std::string_view bytes) {
  now_ = clock_.now();
  if (over_) return;
  auto const passed = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - patience_at_);
  if (passed.count() > 0) {
    patience_at_ = now_;
    patience_ = std::min(most_patience, patience_ + static_cast<std::uint64_t>(passed.count()) *
                                                        patience_a_millisecond);
  }
  wasted_ += bytes.size();
  auto const taken = take_http2(session_.get(), bytes);
  if (taken < 0)
    end(fmt::format("it does not keep to HTTP/2 ({})", nghttp2_strerror(static_cast<int>(taken))),
        NGHTTP2_PROTOCOL_ERROR);
  else if (wasted_ > idle_bytes + idle_bytes_a_stream * streams_.size())
    end("it sends what is for nobody", NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Serving::give(std::string& out) {
  now_ = clock_.now();
  out_ = &out;
  int const failed = nghttp2_session_send(session_.get());
  out_ = nullptr;
  if (failed != 0) end(nghttp2_strerror(failed), NGHTTP2_INTERNAL_ERROR);
}

void Http2Serving::sweep() {
  now_ = clock_.now();
  if (over_) return;
  if (block_since_ && now_ >= after(*block_since_, limits_.head_time))
    return end("its headers do not end", NGHTTP2_ENHANCE_YOUR_CALM);
  if (!spoke_ && now_ >= after(since_, limits_.head_time))
    return end("it does not speak", NGHTTP2_SETTINGS_TIMEOUT);
  if (unsent_ > 0 && now_ >= after(moved_at_, limits_.write_pace.most))
    return end("it does not take what it asked for", NGHTTP2_ENHANCE_YOUR_CALM);
  for (auto const& [id, stream] : streams_) {
    if (stream->gone) continue;
    if (stream->stage == Stage::body && stream->room_until != SteadyTime::max())
      credit(*stream);  // what has no window cannot be late
    else if (now_ < stream->deadline)
      continue;
    else if (stream->stage != Stage::body)
      reset(id, NGHTTP2_CANCEL);
    else
      late(*stream);
  }
  if (drains_ == 1) drain();
  if (streams_.empty() && now_ >= after(idle_since_, limits_.idle_time)) end("", NGHTTP2_NO_ERROR);
}

void Http2Serving::late(Stream& stream) {
  core_.refusals.request("slow_body");
  refuse(stream, 408, "the request did not come in time");
}

// First that no more shall come, then, when what is on its way is here, which was the last (RFC 9113 section 6.8).
void Http2Serving::drain() {
  if (over_ || drains_ == 2) return;
  ++drains_;
  if (drains_ == 1 && !streams_.empty()) {
    nghttp2_submit_shutdown_notice(session_.get());
    return;
  }
  drains_ = 2;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void Http2Serving::end(std::string why, std::uint32_t code) {
  if (std::exchange(over_, true)) return;
  objection_ = std::move(why);
  if (!objection_.empty()) core_.refusals.connection("http2_misuse");
  nghttp2_session_terminate_session(session_.get(), code);
}

bool Http2Serving::is_over() const {
  return over_ || nghttp2_session_want_read(session_.get()) == 0;
}

}  // namespace millrace::http::server
