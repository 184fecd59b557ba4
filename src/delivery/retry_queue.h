// The events of one lane that wait for their next try: compact rows, the one that is due first on top.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/store.h"

namespace millrace::delivery {

// A store::Retry without strings of its own: about 100 bytes.
struct RetryRow {
  SteadyTime due{};  // a clock that is set does not move it
  store::Work work;
  EventId event{};
  std::int64_t due_ms = 0;          // Unix time, for the store
  std::int64_t first_tried_ms = 0;  // Unix time
  std::array<char, 8> payload_hash{};
  std::uint32_t kid = 0;  // in a KidTable
  std::uint16_t status = 0;
  std::uint8_t tried = 0;
  model::Run run_kind = model::Run::live;
  model::FailureClass failure = model::FailureClass::none;
};

class KidTable {  // few distinct ones exist: a key a month
 public:
  std::uint32_t number_of(std::string_view kid);
  std::string const& operator[](std::uint32_t number) const { return kids_[number]; }

 private:
  std::vector<std::string> kids_{""};
};

RetryRow row_of(store::Retry const& retry, KidTable& kids, SteadyTime now, WallTime wall);
store::Retry retry_of(RetryRow const& row, KidTable const& kids);

class RetryQueue {
 public:
  RetryQueue() = default;
  // `total`: counts the rows of all queues together; it outlives the queue.
  explicit RetryQueue(std::atomic<std::size_t>& total) : total_(&total) {}
  RetryQueue(RetryQueue const&) = delete;
  RetryQueue& operator=(RetryQueue const&) = delete;
  ~RetryQueue() { less(rows_.size()); }

  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }
  void push(RetryRow row);
  SteadyTime next_due() const { return rows_.front().due; }  // not when empty
  void clear() {
    less(rows_.size());
    rows_ = {};
  }
  RetryRow pop();  // the one that is due first; not when empty
  std::vector<RetryRow> const& rows() const { return rows_; }  // in no order
  // Takes out all of the live run that stand in batches before `batch`: other runs have copies of their own.
  std::vector<RetryRow> take_before(std::uint64_t batch);

 private:
  void less(std::size_t rows) {
    if (total_ != nullptr) total_->fetch_sub(rows, std::memory_order_relaxed);
  }

  std::vector<RetryRow> rows_;  // a heap
  std::atomic<std::size_t>* total_ = nullptr;
};

}  // namespace millrace::delivery
