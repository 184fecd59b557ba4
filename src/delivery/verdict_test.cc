#include "delivery/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delivery/retry_queue.h"
#include "delivery/window.h"

namespace millrace::delivery {
namespace {

using namespace std::chrono_literals;
using model::FailureClass;

constexpr WallTime start = WallTime(1'800'000'000s);

Outcome failed(FailureClass failure, std::uint16_t status = 0,
               std::optional<Duration> retry_after = std::nullopt) {
  Outcome outcome;
  outcome.failure = failure;
  outcome.status = status;
  outcome.reason = "no";
  outcome.retry_after = retry_after;
  return outcome;
}

// The wait that a failure leads to; nothing when the run is over.
std::optional<Duration> wait(Outcome const& outcome, int tried, double luck,
                             Duration since_start = 0s) {
  auto const now = start + since_start;
  auto const verdict = judge(outcome, {tried, start}, RetryPolicy::canvas(), luck, now);
  if (auto const* again = std::get_if<RetryAt>(&verdict)) return again->due - now;
  return std::nullopt;
}

TEST(RetryPolicyTest, waits_are_120_240_480_s_and_a_quarter_more_or_less) {
  auto const policy = RetryPolicy::canvas();

  struct Row {
    int tried;
    double luck;
    Duration wait;
  };
  for (auto const& [tried, luck, expected] :
       {Row{1, 0, 90s}, Row{1, 0.5, 120s}, Row{2, 0, 180s}, Row{2, 0.5, 240s}, Row{3, 0, 360s},
        Row{3, 0.5, 480s}}) {
    EXPECT_EQ(policy.wait_after(tried, luck), expected) << tried << " " << luck;
    EXPECT_LT(policy.wait_after(tried, 0.999), expected * 5 / 3);
  }
  EXPECT_EQ(policy.tries(), 4);
  EXPECT_EQ(policy.wait_after(4, 0.5), std::nullopt);
  EXPECT_EQ(policy.wait_after(0, 0.5), std::nullopt);
}

TEST(RetryPolicyTest, the_latest_starts_leave_time_for_what_follows) {
  auto const policy = RetryPolicy::canvas();

  EXPECT_EQ(policy.latest_after(3), 20min - 15s);
  EXPECT_EQ(policy.latest_after(2), 20min - 30s - 360s);
  EXPECT_EQ(policy.latest_after(1), 20min - 45s - 360s - 180s);
}

TEST(RetryPolicyTest, senseless_policies_are_refused) {
  EXPECT_TRUE(RetryPolicy::make({1s}, 0, 10s, 1s));
  EXPECT_FALSE(RetryPolicy::make({}, 0, 10s, 1s));
  EXPECT_FALSE(RetryPolicy::make({500ms}, 0, 10s, 1s));
  EXPECT_FALSE(RetryPolicy::make({25h}, 0, 48h, 1s));
  EXPECT_FALSE(RetryPolicy::make({1s}, 0.6, 10s, 1s));
  EXPECT_FALSE(RetryPolicy::make({1s}, -0.1, 10s, 1s));
  EXPECT_FALSE(RetryPolicy::make({9s}, 0, 10s, 1s));
  EXPECT_FALSE(RetryPolicy::make({1s}, 0, 10s, 0s));
}

TEST(VerdictTest, only_what_the_transport_calls_delivered_is_delivered) {
  Outcome ok;
  ok.delivered = true;
  EXPECT_EQ(judge(ok, {0, start}, RetryPolicy::canvas(), 0.5, start), Verdict(Delivered{}));
  EXPECT_EQ(judge(ok, {3, start}, RetryPolicy::canvas(), 0.5, start), Verdict(Delivered{}));
}

TEST(VerdictTest, a_failure_is_tried_again_three_times_then_given_up) {
  for (auto const failure : {FailureClass::timeout, FailureClass::http, FailureClass::tls,
                             FailureClass::connect, FailureClass::dns, FailureClass::protocol}) {
    EXPECT_EQ(wait(failed(failure), 0, 0.5), 120s);
    EXPECT_EQ(wait(failed(failure), 1, 0.5), 240s);
    EXPECT_EQ(wait(failed(failure), 2, 0.5), 480s);
    EXPECT_EQ(judge(failed(failure, 500), {3, start}, RetryPolicy::canvas(), 0.5, start),
              Verdict(GivenUp{failure, 500, "no"}));
  }
}

TEST(VerdictTest, trouble_of_our_own_side_never_ends_a_run) {
  for (int tried = 0; tried < 4; ++tried) {
    auto const verdict =
        judge(failed(FailureClass::own_side), {tried, start}, RetryPolicy::canvas(), 0.5, start);
    EXPECT_EQ(verdict, Verdict(RetryAt{start + 10s, false}));
  }
}

TEST(VerdictTest, retry_after_is_heard_of_429_and_503_only_and_only_when_later) {
  EXPECT_EQ(wait(failed(FailureClass::http, 503, 300s), 0, 0.5), 300s);
  EXPECT_EQ(wait(failed(FailureClass::http, 429, 300s), 0, 0.5), 300s);
  EXPECT_EQ(wait(failed(FailureClass::http, 500, 300s), 0, 0.5), 120s);
  EXPECT_EQ(wait(failed(FailureClass::http, 503, 10s), 0, 0.5), 120s);
  EXPECT_EQ(wait(failed(FailureClass::http, 503, 0s), 0, 0.5), 120s);
}

TEST(VerdictTest, all_tries_end_within_20_minutes_whatever_is_asked_for_and_drawn) {
  for (auto const asked : {0s, 100s, 400s, 700s, 3600s}) {
    for (double const luck : {0.0, 0.3, 0.5, 0.8, 0.999}) {
      Duration at = 0s;
      int tries = 0;
      for (std::optional<Duration> next = 0s; next;) {
        at += *next + 15s;
        next = wait(failed(FailureClass::http, 429, asked), tries++, luck, at);
      }
      EXPECT_EQ(tries, 4);
      EXPECT_LE(at, 20min) << asked.count() << " " << luck;
      EXPECT_GE(at, 10min);
    }
  }
}

TEST(VerdictTest, a_run_that_was_asleep_or_a_clock_that_was_set_keeps_the_least_wait) {
  EXPECT_EQ(wait(failed(FailureClass::http, 500), 1, 0.5, 10h), 180s);
  // The start seems to be in the future: no wait beyond what the schedule allows for the try.
  EXPECT_EQ(wait(failed(FailureClass::http, 503, 1h), 0, 0.5, -5h),
            RetryPolicy::canvas().latest_after(1));
}

TEST(WindowTest, grows_only_when_used_up_and_never_beyond_its_limit) {
  Window window(5);
  EXPECT_EQ(window.size(), 2);
  for (int i = 0; i < 100; ++i) window.succeeded(false);
  EXPECT_EQ(window.size(), 2);
  for (int i = 0; i < 100; ++i) window.succeeded(true);
  EXPECT_EQ(window.size(), 5);
}

TEST(WindowTest, after_an_overload_it_adds_one_for_each_window_of_successes) {
  Window window(256);
  for (int i = 0; i < 14; ++i) window.succeeded(true);
  ASSERT_EQ(window.size(), 16);

  window.overload(window.begin());
  EXPECT_EQ(window.size(), 8);
  for (int i = 0; i < 8; ++i) window.succeeded(true);
  EXPECT_EQ(window.size(), 9);
  for (int i = 0; i < 8; ++i) window.succeeded(true);
  EXPECT_EQ(window.size(), 9);
}

TEST(WindowTest, one_wave_of_overloads_halves_it_once) {
  Window window(256);
  for (int i = 0; i < 30; ++i) window.succeeded(true);
  std::vector<std::uint64_t> wave;
  for (int i = 0; i < 32; ++i) wave.push_back(window.begin());

  for (auto const number : wave) window.overload(number);

  EXPECT_EQ(window.size(), 16);
  for (int i = 0; i < 10; ++i) window.overload(window.begin());
  EXPECT_EQ(window.size(), 1);
}

TEST(RetryQueueTest, gives_what_is_due_first_and_forgets_what_is_gone) {
  RetryQueue queue;
  SteadyTime const now{};
  for (std::uint32_t i = 0; i < 100; ++i)
    queue.push(
        {.due = now + std::chrono::seconds((i * 37) % 100), .work = {.at = {i % 10 + 1, i}}});

  auto const gone = queue.take_before(6);

  EXPECT_EQ(gone.size(), 50);
  SteadyTime last = now;
  std::size_t count = 0;
  for (; !queue.empty(); ++count) {
    EXPECT_EQ(queue.next_due(), queue.rows().front().due);
    auto const row = queue.pop();
    EXPECT_GE(row.due, last);
    EXPECT_GE(row.work.at.batch, 6);
    last = row.due;
  }
  EXPECT_EQ(count, 50);
}

TEST(RetryQueueTest, what_is_sent_again_has_a_copy_and_stays_when_its_batch_is_gone) {
  RetryQueue queue;
  queue.push({.work = {store::Work::live, {3, 1}}});
  queue.push({.work = {7, {3, 1}}});

  auto const gone = queue.take_before(6);

  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].work.run, store::Work::live);
  EXPECT_EQ(queue.pop().work.run, 7U);
}

TEST(RetryQueueTest, all_queues_together_are_counted) {
  std::atomic<std::size_t> total{0};
  RetryQueue one(total);
  {
    RetryQueue other(total);
    RetryRow row;
    for (std::uint64_t batch = 1; batch <= 4; ++batch) {
      row.work.at = {batch, 0};
      one.push(row);
      other.push(row);
    }
    EXPECT_EQ(total, 8U);
    one.pop();
    one.take_before(3);
    EXPECT_EQ(total, 6U);
  }

  EXPECT_EQ(total, 2U) << "what is left in the queue that lives";
  one.clear();
  EXPECT_EQ(total, 0U);
}

TEST(RetryQueueTest, a_row_is_the_retry_that_it_was_made_of) {
  KidTable kids;
  store::Retry const retry{{4, {7, 3}},
                           {{1, 2}},
                           2,
                           model::Run::redelivery,
                           FailureClass::tls,
                           503,
                           start + 5min,
                           start - 1min,
                           "kid-1",
                           "8 bytes!"};

  auto const row = row_of(retry, kids, SteadyTime(100s), start);
  auto const again = retry_of(row, kids);

  EXPECT_EQ(row.due, SteadyTime(400s));
  EXPECT_EQ(again.work, retry.work);
  EXPECT_EQ(again.event, retry.event);
  EXPECT_EQ(again.tried, 2);
  EXPECT_EQ(again.run_kind, model::Run::redelivery);
  EXPECT_EQ(again.failure, FailureClass::tls);
  EXPECT_EQ(again.status, 503);
  EXPECT_EQ(again.due, retry.due);
  EXPECT_EQ(again.first_tried, retry.first_tried);
  EXPECT_EQ(again.kid, "kid-1");
  EXPECT_EQ(again.payload_hash, "8 bytes!");
}

TEST(VerdictTest, a_crowded_path_lowers_the_window_and_says_nothing_of_the_event) {
  Outcome outcome;
  outcome.delivered = true;
  outcome.status = 204;
  EXPECT_FALSE(is_overload(outcome));
  outcome.crowded = true;
  EXPECT_TRUE(is_overload(outcome));
  EXPECT_EQ(judge(outcome, {}, RetryPolicy::canvas(), 0.5, start), Verdict(Delivered{}));
}

TEST(RetryQueueTest, no_stored_time_makes_a_wait_longer_than_a_run) {
  KidTable kids;
  store::Retry retry;
  retry.due = start + 24h;
  EXPECT_EQ(row_of(retry, kids, SteadyTime(100s), start).due, SteadyTime(100s) + 20min);
  retry.due = start - 24h;
  EXPECT_EQ(row_of(retry, kids, SteadyTime(100s), start).due, SteadyTime(100s));
}

}  // namespace
}  // namespace millrace::delivery
