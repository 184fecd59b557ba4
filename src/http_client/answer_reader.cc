#include "http_client/answer_reader.h"

#include <algorithm>
#include <utility>

namespace millrace::http::client {
namespace {

constexpr std::size_t max_head_bytes = 256 * 1024;
constexpr std::size_t max_kept_header_bytes = 16 * 1024;
constexpr std::size_t max_read_bytes = 64 * 1024;
constexpr int max_interims = 16;

}  // namespace

void note(Answer& answer, std::string_view odd) {
  if (!answer.reason.empty()) answer.reason += "; ";
  answer.reason += odd;
}

AnswerReader::State AnswerReader::bad(char const* why) {
  why_ = why;
  return state_ = State::bad;
}

AnswerReader::State AnswerReader::take(std::string_view bytes) {
  has_bytes_ = has_bytes_ || !bytes.empty();
  switch (state_) {
    case State::head:
      return take_heads(bytes);
    case State::body:
      return take_body(bytes);
    case State::done:
      reusable_ = reusable_ && bytes.empty();
      break;
    case State::bad:
      break;
  }
  return state_;
}

AnswerReader::State AnswerReader::take_heads(std::string_view bytes) {
  if (!partial_.empty()) {
    partial_ += bytes;
    bytes = partial_;
  }
  for (;;) {
    if (!may_begin_answer(bytes)) return bad("the answer is not HTTP/1.1");
    bool const found = end_.scan(bytes);
    auto const size = found ? end_.size() : bytes.size();
    if (head_bytes_ + size > max_head_bytes)
      return bad("the headers are larger than 64 KiB, and do not end within 256 KiB");
    if (!found) {
      if (partial_.empty())
        partial_ = bytes;
      else if (bytes.size() < partial_.size())
        partial_.erase(0, partial_.size() - bytes.size());
      return state_;
    }
    bool const final = take_head(bytes.substr(0, size));
    if (state_ == State::bad) return state_;
    bytes.remove_prefix(size);
    if (final) return take_body(bytes);
    head_bytes_ += size;
    end_ = AnswerEnd();
    if (bytes.empty()) {
      partial_.clear();
      return state_;
    }
  }
}

bool AnswerReader::take_head(std::string_view head) {
  auto const read = read_any_answer_head(head, fields_);
  auto const& framing = read.framing;
  if (read.bad != nullptr) {
    bad(read.bad);
    return false;
  }
  if (read.odd != nullptr && !std::exchange(odd_, true))
    note(answer_, std::string("odd headers: ") + read.odd);
  if (framing.status == 101) {
    bad("the answer is 101 Switching Protocols");
    return false;
  }
  if (framing.status < 200) {
    if (++interims_ > max_interims) bad("there are more than 16 interim answers");
    return false;
  }
  answer_.status = framing.status;
  keep_headers();
  bool const bodiless = to_head_ || framing.status == 204 || framing.status == 304;
  // A body where none may be would be taken for the next answer.
  bool const odd = !to_head_ && framing.status == 204 && (framing.chunked || framing.length > 0);
  reusable_ = framing.keep_alive && !odd && !odd_;
  if (bodiless)
    body_ = Body::none;
  else if (framing.chunked)
    body_ = Body::chunked;
  else if (framing.has_length)
    body_ = Body::counted;
  else
    body_ = Body::until_end;
  left_ = framing.length;
  state_ = State::body;
  return true;
}

void AnswerReader::keep_headers() {
  answer_.headers.clear();
  answer_.headers.reserve(fields_.size());
  std::size_t kept = 0;
  for (auto const& field : fields_) {
    kept += field.name.size() + field.value.size();
    if (kept > max_kept_header_bytes) break;
    answer_.headers.push_back({std::string(field.name), std::string(field.value)});
  }
}

AnswerReader::State AnswerReader::take_body(std::string_view bytes) {
  std::size_t used = 0;
  bool whole = false;
  switch (body_) {
    case Body::none:
      whole = true;
      break;
    case Body::chunked:
      used = chunks_.take(bytes, answer_.body, kept_);
      read_ = chunks_.decoded();
      if (chunks_.state() == ChunkReader::State::bad) {
        answer_.body_cut = true;
        return end_body(false, "bad framing: the chunks are malformed");
      }
      whole = chunks_.state() == ChunkReader::State::done;
      break;
    case Body::counted:
    case Body::until_end:
      used = body_ == Body::counted
                 ? static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()))
                 : bytes.size();
      if (answer_.body.size() < kept_)
        answer_.body.append(bytes.substr(0, std::min(used, kept_ - answer_.body.size())));
      read_ += used;
      left_ -= body_ == Body::counted ? used : 0;
      whole = body_ == Body::counted && left_ == 0;
      break;
  }
  answer_.body_cut = read_ > kept_;
  if (whole)
    return end_body(used == bytes.size(), used == bytes.size()
                                              ? nullptr
                                              : "bad framing: there are bytes behind the answer");
  if (read_ >= std::max(max_read_bytes, kept_)) {
    answer_.body_cut = true;
    return end_body(false, "large body");
  }
  return state_;
}

AnswerReader::State AnswerReader::end_body(bool clean, char const* odd) {
  reusable_ = reusable_ && clean;
  if (odd != nullptr) note(answer_, odd);
  return state_ = State::done;
}

void AnswerReader::ended() {
  if (state_ != State::body) return;
  bool const whole = body_ == Body::until_end;
  answer_.body_cut = answer_.body_cut || !whole;
  end_body(false, whole ? nullptr : "bad framing: the connection ended within the body");
}

}  // namespace millrace::http::client
