#include "delivery/retry_queue.h"

#include <algorithm>
#include <cstring>

namespace millrace::delivery {
namespace {

using namespace std::chrono_literals;

bool is_later(RetryRow const& a, RetryRow const& b) {
  return a.due != b.due ? a.due > b.due : a.work > b.work;
}

}  // namespace

std::uint32_t KidTable::number_of(std::string_view kid) {
  auto const found = std::ranges::find(kids_, kid);
  if (found != kids_.end()) return static_cast<std::uint32_t>(found - kids_.begin());
  kids_.emplace_back(kid);
  return static_cast<std::uint32_t>(kids_.size() - 1);
}

RetryRow row_of(store::Retry const& retry, KidTable& kids, SteadyTime now, WallTime wall) {
  RetryRow row;
  // No wait of a run is longer; a clock that was set back must not make it so.
  auto const left = std::clamp<Duration>(retry.due - wall, 0s, 20min);
  row.due = now + std::chrono::duration_cast<SteadyTime::duration>(left);
  row.work = retry.work;
  row.event = retry.event;
  row.due_ms = unix_ms(retry.due);
  row.first_tried_ms = unix_ms(retry.first_tried);
  std::memcpy(row.payload_hash.data(), retry.payload_hash.data(),
              std::min(retry.payload_hash.size(), row.payload_hash.size()));
  row.kid = kids.number_of(retry.kid);
  row.status = retry.status;
  row.tried = retry.tried;
  row.run_kind = retry.run_kind;
  row.failure = retry.failure;
  return row;
}

store::Retry retry_of(RetryRow const& row, KidTable const& kids) {
  store::Retry retry;
  retry.work = row.work;
  retry.event = row.event;
  retry.tried = row.tried;
  retry.run_kind = row.run_kind;
  retry.failure = row.failure;
  retry.status = row.status;
  retry.due = from_unix_ms(row.due_ms);
  retry.first_tried = from_unix_ms(row.first_tried_ms);
  retry.kid = kids[row.kid];
  retry.payload_hash.assign(row.payload_hash.data(), row.payload_hash.size());
  return retry;
}

void RetryQueue::push(RetryRow row) {
  rows_.push_back(row);
  if (total_ != nullptr) total_->fetch_add(1, std::memory_order_relaxed);
  std::ranges::push_heap(rows_, is_later);
}

RetryRow RetryQueue::pop() {
  std::ranges::pop_heap(rows_, is_later);
  RetryRow const row = rows_.back();
  rows_.pop_back();
  less(1);
  return row;
}

std::vector<RetryRow> RetryQueue::take_before(std::uint64_t batch) {
  auto const kept = std::ranges::partition(rows_, [&](RetryRow const& row) {
    return row.work.run != store::Work::live || row.work.at.batch >= batch;
  });
  std::vector<RetryRow> taken(kept.begin(), kept.end());
  rows_.erase(kept.begin(), kept.end());
  less(taken.size());
  std::ranges::make_heap(rows_, is_later);
  return taken;
}

}  // namespace millrace::delivery
