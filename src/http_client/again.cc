#include "http_client/again.h"

#include <utility>

namespace millrace::http::client {
namespace {

constexpr int spoilt_in_a_row = 3;
constexpr int refused_at_most = 2, moved_at_most = 8;
constexpr auto without_http2_after_trouble = std::chrono::minutes(10);

}  // namespace

// Stays out of line: a coroutine keeps each temporary in its frame, and malloc is slow beyond a kilobyte.
[[gnu::noinline]] void begin_again(Answer& answer, bool sent) {
  bool const crowded = answer.crowded, resent = answer.resent;
  answer = Answer();
  answer.resent = resent || sent;
  answer.crowded = crowded;
}

void avoid_http2(Origin& origin, SteadyTime now, Duration span) {
  if (origin.http2_only) return;
  origin.http2_not_before = now + std::chrono::duration_cast<SteadyTime::duration>(span);
}

bool Again::after(Met const& met, Origin& origin, Answer& answer) {
  bool const answered = answer.status != 0;
  origin.answered_http1 = origin.answered_http1 || (answered && !met.http2);
  if (answered && origin.answered_http1) origin.http2_only = false;
  // A peer that spoils one answer after another may do better without.
  bool const spoilt = met.http2 && answer.trouble == Trouble::protocol;
  if (met.http2) origin.http2_spoilt = spoilt ? origin.http2_spoilt + 1 : 0;
  if (spoilt && origin.http2_spoilt >= spoilt_in_a_row)
    avoid_http2(origin, met.now, without_http2_after_trouble);

  switch (met.how) {
    case Exchanged::settled:
    case Exchanged::reusable:
      break;
    case Exchanged::silent:
      if ((met.http2 || met.kept) && !std::exchange(replaced_, true)) {
        begin_again(answer, true);
        fresh_ = true;
        http1_ = http1_ || !origin.http2_only;
        return true;
      }
      if (!met.http2 && !met.kept && !met.chose_protocol && answer.trouble == Trouble::broken &&
          !origin.answered_http1)
        return probe(origin, answer, met.now);
      break;
    case Exchanged::refused:
      if (++refused_ < refused_at_most) {
        begin_again(answer, answer.trouble != Trouble::none);
        return true;
      }
      avoid_http2(origin, met.now, without_http2_after_trouble);
      return over_http1(origin, answer);
    case Exchanged::untouched:
    case Exchanged::unsent:
      if (++moved_ >= moved_at_most) return over_http1(origin, answer);
      begin_again(answer, met.how == Exchanged::untouched);
      return true;
  }
  if (probing_ && !answered && met.served == 0) {
    origin.http2_only = false;
    avoid_http2(origin, met.now, without_http2_after_trouble);
  }
  return false;
}

// HTTP/1.1 has no refusals.
bool Again::over_http1(Origin& origin, Answer& answer) {
  if (origin.http2_only) {
    if (answer.trouble != Trouble::none) return false;
    answer.trouble = Trouble::broken;
    answer.reason = "the server ends its connections before a request is sent";
    return false;
  }
  begin_again(answer, answer.trouble != Trouble::none);
  http1_ = true;
  return true;
}

bool Again::after_other_protocol(Origin& origin, Answer& answer, SteadyTime now) {
  return probe(origin, answer, now);
}

bool Again::probe(Origin& origin, Answer& answer, SteadyTime now) {
  bool const may = may_http2_ && !http1_ && !probing_ && now >= origin.http2_not_before;
  if (!may) {
    if (answer.trouble == Trouble::broken)
      answer.reason += "; it chose no protocol by ALPN, and may speak HTTP/2 only";
    return false;
  }
  origin.http2_only = probing_ = true;
  trouble_ = answer.trouble;
  reason_ = std::move(answer.reason);
  begin_again(answer, trouble_ == Trouble::broken);
  return true;
}

void Again::give_up(Origin& origin, Answer& answer, SteadyTime now) {
  origin.http2_only = false;
  if (now >= origin.http2_not_before) avoid_http2(origin, now, without_http2_after_trouble);
  answer.trouble = trouble_;
  answer.reason = std::move(reason_);
  if (trouble_ == Trouble::broken)
    answer.reason += "; by ALPN it chose neither HTTP/1.1 nor HTTP/2";
}

}  // namespace millrace::http::client
