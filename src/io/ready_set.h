// The sockets of one loop that somebody waits for, in an epoll set of their own inside the loop's: each is registered once, where a wait
// of Asio's asks the kernel (epoll_ctl) each time.
//   Threads  The loop's.
//   Work     The loop has work while somebody waits.
#pragma once
#include <array>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/query.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "io/task.h"

namespace millrace::io {

class ReadySet final : public asio::execution_context::service {
 public:
  using key_type = ReadySet;
  static asio::execution_context::id id;
  static ReadySet& of(Executor const& loop) {
    return asio::use_service<ReadySet>(asio::query(loop, asio::execution::context));
  }
  explicit ReadySet(asio::execution_context& loop);
  ~ReadySet() override;

  enum Direction : std::uint8_t { reading, writing };
  enum class Woken : std::uint8_t { ready, given_up };  // given up: left, or cancelled

  // A socket in the set. The kernel tells of each change once: what it told stays true until it is taken back.
  class Member {
   public:
    bool is_ready(Direction direction) const { return ready_[direction]; }
    // The socket said that it would block.
    void blocks(Direction direction) { ready_[direction] = false; }
    // A read gave less than it had room for. Behind the last bytes may be the end, of which the kernel has told already.
    void is_short() { ready_[reading] = ended_; }

    // Only while it is not ready. Several may wait at a time: over TLS a writer may have to wait until it can read.
    auto wait(Direction direction) {
      return asio::async_initiate<asio::deferred_t const, void(Woken)>(
          [this, direction](auto handler) {
            auto const number = set_.next_++;
            if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected())
              slot.assign([this, direction, number](asio::cancellation_type) {
                give_up(direction, number);
              });
            waiters_[direction].push_back({number, std::move(handler)});
            set_.begin_wait();
          },
          asio::deferred);
    }

   private:
    friend class ReadySet;
    explicit Member(ReadySet& set) : set_(set) {}
    void happened(std::uint32_t events);
    void wake(Direction direction);
    void give_up(Direction direction, std::uint64_t number);
    std::move_only_function<void(Woken)> take(Direction direction, std::size_t index);
    struct Waiter {
      std::uint64_t number;
      std::move_only_function<void(Woken)> handler;
    };

    ReadySet& set_;
    int descriptor_ = -1;
    std::size_t number_ = 0;  // in members_
    std::array<bool, 2> ready_{};
    bool ended_ = false;  // what was told once is true for good
    std::array<std::vector<Waiter>, 2> waiters_;
  };

  // Null: the kernel takes no more.
  Member* add(int descriptor);
  // Before the socket is closed. Who waits is told, at the loop's next turn. `member` is gone.
  void remove(Member* member);

 private:
  void shutdown() override;
  void begin_wait();
  void end_wait();
  void arm();
  void tell();

  Executor loop_;
  asio::posix::basic_stream_descriptor<Executor> set_;
  std::vector<std::unique_ptr<Member>> members_;
  std::size_t waiting_ = 0;
  std::uint64_t next_ = 0;
  bool armed_ = false, telling_ = false;
};

}  // namespace millrace::io
