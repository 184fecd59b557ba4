// One immutable value that many loops read and one place replaces: settings, credentials, keys. Mutexes stand only in this room.
#pragma once
#include <memory>
#include <mutex>
#include <utility>

namespace millrace::io {

template <class T>
class Shared {
 public:
  explicit Shared(T value) : value_(std::make_shared<T const>(std::move(value))) {}
  // What is current now; it stays whole for as long as the caller holds it. Any thread.
  std::shared_ptr<T const> get() const {
    std::lock_guard const lock(mutex_);
    return value_;
  }
  void set(T value) {
    auto fresh = std::make_shared<T const>(std::move(value));
    std::lock_guard const lock(mutex_);
    value_.swap(fresh);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<T const> value_;
};

// A value with its lock, for what several threads change: `queue.with([&](auto& q) { q.push_back(x); });` Keep the work inside short.
template <class T>
class Locked {
 public:
  Locked() = default;
  explicit Locked(T value) : value_(std::move(value)) {}
  template <class Work>
  decltype(auto) with(Work&& work) {
    std::lock_guard const lock(mutex_);
    return std::forward<Work>(work)(value_);
  }
  template <class Work>
  decltype(auto) with(Work&& work) const {
    std::lock_guard const lock(mutex_);
    return std::forward<Work>(work)(std::as_const(value_));
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace millrace::io
