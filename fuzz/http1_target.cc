#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "http_client/answer_reader.h"
#include "targets.h"

namespace millrace::fuzz {
namespace {

using http::client::Answer;
using http::client::AnswerReader;

constexpr std::size_t max_text = 384 * 1024;
constexpr std::size_t max_read = 64 * 1024;

// What AnswerReader makes of an answer, and of the peer's end behind it.
struct Reading {
  Answer answer;
  AnswerReader::State state{};
  bool head_complete = false, may_reuse = false;
  std::string why;
};

// Small inputs are to reach bounds of 256 KiB: 0x1a, a length and a count repeat what stands before.
std::string expanded(std::string_view input) {
  std::string text;
  while (!input.empty() && text.size() < max_text) {
    if (input.size() < 3 || input[0] != '\x1a') {
      text += input[0];
      input.remove_prefix(1);
      continue;
    }
    auto const length =
        std::min<std::size_t>(text.size(), 1U + static_cast<unsigned char>(input[1]));
    auto const again = text.substr(text.size() - length);
    for (unsigned i = 0; i < 8U * static_cast<unsigned char>(input[2]); ++i) {
      if (text.size() + length > max_text) break;
      text += again;
    }
    input.remove_prefix(3);
  }
  return text;
}

// `piece(i)`: the size of the i-th piece.
template <class Piece>
Reading read(std::string_view text, bool to_head, std::size_t kept, Piece piece) {
  Reading reading;
  std::vector<http::Field> fields;
  AnswerReader reader(reading.answer, fields, to_head, kept);
  for (std::size_t i = 0; !text.empty(); ++i) {
    auto const size = std::min<std::size_t>(text.size(), piece(i));
    // A copy of its own size: what reads beyond it, or keeps a view of it, is seen by the sanitizer.
    std::vector<char> const bytes(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    bool const was_over = reader.is_done() || reader.is_bad();
    auto const state = reader.take({bytes.data(), bytes.size()});
    check(!was_over || reader.is_done() || reader.is_bad(), "what is over stays over");
    check((state == AnswerReader::State::bad) == reader.is_bad(), "a state has one name");
    check(reader.has_bytes(), "bytes came");
    text.remove_prefix(size);
  }
  reader.ended();
  reading.state = reader.is_bad()          ? AnswerReader::State::bad
                  : reader.is_done()       ? AnswerReader::State::done
                  : reader.head_complete() ? AnswerReader::State::body
                                           : AnswerReader::State::head;
  reading.head_complete = reader.head_complete();
  reading.may_reuse = reader.may_reuse();
  reading.why = reader.why_bad();
  return reading;
}

bool is_status_line(std::string_view line) {
  auto const at = line.find_first_not_of(" \t");
  return at != line.npos && line.size() - at >= 5 && http::same_name(line.substr(at, 5), "http/");
}

// What says two things at once is none, however odd the heads may be that are read: an own, simple look at the lines.
void says_one_thing(Reading const& reading, std::string_view text) {
  if (!reading.head_complete) return;
  check(reading.answer.status != 0, "a complete head has a status");
  for (int status = 0;
       status != reading.answer.status;) {  // the final one, behind the interim ones
    std::size_t lines = 0;
    for (bool empty = false; !empty; ++lines) {
      check(!text.empty(), "the final status stands in a head with an end");
      auto const line = text.substr(0, text.find('\n'));
      text.remove_prefix(line.size() + 1);
      empty = line.empty() || line == "\r";
      check(lines == 0 || !is_status_line(line), "there is one status line in a head");
      check(!line.contains('\0'), "there is no NUL in a head");
      if (lines == 0) status = std::atoi(std::string(line.substr(9, 3)).c_str());
    }
    check(status == reading.answer.status || status < 200, "the first final status counts");
  }
}

void keeps_bounds(Reading const& reading, std::size_t kept) {
  auto const& answer = reading.answer;
  std::size_t headers = 0;
  for (auto const& [name, value] : answer.headers) {
    headers += name.size() + value.size();
    check(http::is_token(name), "a kept header's name is a token");
    check(!value.contains('\0') && !value.contains('\n') && !value.contains('\r'),
          "a kept header's value is one line");
  }
  check(headers <= 16 * 1024, "16 KiB of headers are kept");
  check(answer.body.size() <= kept, "no more of the body is kept than was asked for");
  check(reading.state != AnswerReader::State::body, "a body ends with its connection");
  check(reading.head_complete == (answer.status != 0), "a final status comes with a whole head");
  check(answer.status == 0 || (answer.status >= 200 && answer.status <= 999),
        "a final status has three digits and is not interim");
  check(reading.head_complete || (answer.body.empty() && answer.headers.empty()),
        "nothing is kept of an answer without a head");
  check(!reading.may_reuse || !answer.reason.contains("odd headers"),
        "a connection is not used again behind an odd head");
  check(!reading.may_reuse || !answer.body_cut || answer.body.size() == kept,
        "a connection is used again behind a body that was cut only because less was to be kept");
}

void agree(Reading const& a, Reading const& b, std::size_t text_size) {
  check(a.state == b.state && a.head_complete == b.head_complete, "the end is the same");
  check(a.answer.status == b.answer.status, "the status is the same");
  check(std::ranges::equal(
            a.answer.headers, b.answer.headers,
            [](auto const& x, auto const& y) { return x.name == y.name && x.value == y.value; }),
        "the headers are the same");
  check(a.answer.body == b.answer.body, "the body is the same");
  // Where a bound is passed, the pieces say which trouble behind it is seen.
  if (text_size >= max_read) return;
  check(a.why == b.why, "the trouble is the same");
  check(a.may_reuse == b.may_reuse, "the connection is used again or not");
  check(a.answer.body_cut == b.answer.body_cut, "the body is cut or not");
  // Bytes behind an answer are told only when they came with it.
  static constexpr std::string_view behind = "bad framing: there are bytes behind the answer";
  auto const without = [](std::string_view reason) {
    if (reason.ends_with(behind)) reason.remove_suffix(behind.size());
    if (reason.ends_with("; ")) reason.remove_suffix(2);
    return reason;
  };
  check(without(a.answer.reason) == without(b.answer.reason), "what is odd is the same");
}

}  // namespace

// Byte 0: the method (1) and how much of the body is kept (2, 4, 8); byte 1: how the text is cut.
void http1_answer(std::string_view input) {
  if (input.size() < 2) return;
  auto const flags = static_cast<unsigned char>(input[0]);
  std::uint32_t const seed = static_cast<unsigned char>(input[1]);
  bool const to_head = (flags & 1) != 0;
  constexpr std::size_t kept_sizes[] = {max_read, 0, 7, 1000, 100'000, max_read, 1, max_read};
  auto const kept = kept_sizes[(flags >> 1) & 7];
  auto const text = expanded(input.substr(2));

  auto const whole = read(text, to_head, kept, [&](std::size_t) { return text.size(); });
  keeps_bounds(whole, kept);
  says_one_thing(whole, text);
  // As the client reads: 16 KiB at most.
  auto const usual = read(text, to_head, kept, [](std::size_t) { return 16U * 1024; });
  keeps_bounds(usual, kept);
  agree(whole, usual, text.size());
  std::uint32_t chance = seed * 2654435761U + 1;
  auto const some = read(text, to_head, kept, [&](std::size_t) {
    chance = chance * 1664525U + 1013904223U;
    return 1 + (chance >> 8) % (1 + seed + (1 + seed) * text.size() / 2048);
  });
  keeps_bounds(some, kept);
  agree(whole, some, text.size());
}

}  // namespace millrace::fuzz
