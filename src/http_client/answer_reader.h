// An answer, read as its bytes come. Pure: no waiting, no clock.
//   Bounds  16 interim answers, 256 KiB of heads together, 64 KiB of body (more only where the caller keeps more).
//   Odd     What is wrong with an answer that counts all the same stands in Answer::reason; its connection is not used again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/chunks.h"
#include "http_client/answer_head.h"
#include "http_client/client.h"

namespace millrace::http::client {

// Adds to what is odd about an answer.
void note(Answer& answer, std::string_view odd);

class AnswerReader {
 public:
  enum class State : std::uint8_t { head, body, done, bad };

  // `fields` is memory to work in. Status, headers, body and what is odd go into `answer`. All outlive the reader.
  AnswerReader(Answer& answer, std::vector<Field>& fields, bool to_head, std::size_t kept_body)
      : answer_(answer), fields_(fields), to_head_(to_head), kept_(kept_body) {}

  State take(std::string_view bytes);
  // The peer sends no more. Only a body without a length ends so.
  void ended();
  bool has_bytes() const { return has_bytes_; }  // anything at all came
  bool head_complete() const { return state_ == State::body || state_ == State::done; }
  bool is_done() const { return state_ == State::done; }
  bool is_bad() const { return state_ == State::bad; }
  bool may_reuse() const { return state_ == State::done && reusable_; }
  char const* why_bad() const { return why_; }

 private:
  enum class Body : std::uint8_t { none, counted, chunked, until_end };
  State bad(char const* why);
  State take_heads(std::string_view bytes);
  // One head. False: it is an interim one, or bad.
  bool take_head(std::string_view head);
  void keep_headers();
  State take_body(std::string_view bytes);
  State end_body(bool whole, char const* odd);

  Answer& answer_;
  std::vector<Field>& fields_;
  bool to_head_;
  std::size_t kept_;
  State state_ = State::head;
  Body body_ = Body::none;
  bool has_bytes_ = false, reusable_ = false, odd_ = false;
  int interims_ = 0;
  std::size_t head_bytes_ = 0;
  AnswerEnd end_;
  std::string partial_;  // of a head that did not come at once
  std::uint64_t left_ = 0, read_ = 0;
  ChunkReader chunks_;
  char const* why_ = "";
};

}  // namespace millrace::http::client
