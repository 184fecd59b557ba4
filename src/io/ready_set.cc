#include "io/ready_set.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace millrace::io {
namespace {

constexpr std::size_t events_at_once = 128;

Executor executor_of(asio::execution_context& loop) {
  return static_cast<asio::io_context&>(loop).get_executor();
}

}  // namespace

asio::execution_context::id ReadySet::id;

ReadySet::ReadySet(asio::execution_context& loop)
    : asio::execution_context::service(loop), loop_(executor_of(loop)), set_(loop_) {
  int const set = ::epoll_create1(EPOLL_CLOEXEC);
  check(set >= 0, "the kernel has an epoll set for each loop");
  set_.assign(set);
}

ReadySet::~ReadySet() = default;

ReadySet::Member* ReadySet::add(int descriptor) {
  auto member = std::unique_ptr<Member>(new Member(*this));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.ptr = member.get();
  if (::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) != 0) return nullptr;
  member->descriptor_ = descriptor;
  member->number_ = members_.size();
  members_.push_back(std::move(member));
  return members_.back().get();
}

void ReadySet::remove(Member* member) {
  // A child process may hold a copy of the socket: closing it would not end the registration.
  ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, member->descriptor_, nullptr);
  member->descriptor_ = -1;
  for (auto const direction : {reading, writing})
    while (!member->waiters_[direction].empty())
      member->give_up(direction, member->waiters_[direction].front().number);
  auto const number = member->number_;
  std::swap(members_[number], members_.back());
  members_[number]->number_ = number;
  // The kernel's list, and the cancellation of a wait that is given up, may still lead to it.
  asio::post(loop_, [kept = std::move(members_.back())] {});
  members_.pop_back();
}

void ReadySet::begin_wait() {
  ++waiting_;
  if (!telling_) arm();
}

// Without a wait the loop may end.
void ReadySet::end_wait() {
  if (--waiting_ == 0 && armed_) set_.cancel();
}

void ReadySet::arm() {
  if (std::exchange(armed_, true)) return;
  set_.async_wait(asio::posix::descriptor_base::wait_read, [this](boost::system::error_code error) {
    armed_ = false;
    if (!error) tell();
    if (waiting_ > 0) arm();
  });
}

void ReadySet::tell() {
  std::array<epoll_event, events_at_once> events;
  int const count =
      ::epoll_wait(set_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
  telling_ = true;
  for (int i = 0; i < count; ++i) {
    auto const& event = events[static_cast<std::size_t>(i)];
    auto& member = *static_cast<Member*>(event.data.ptr);
    if (member.descriptor_ >= 0) member.happened(event.events);
  }
  telling_ = false;
}

void ReadySet::Member::happened(std::uint32_t events) {
  ended_ = ended_ || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0;
  if (ended_ || (events & EPOLLIN) != 0) ready_[reading] = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) ready_[writing] = true;
  wake(reading);
  wake(writing);  // `this` is kept until all is told
}

// All that wait, though the first may use it up: what one of them reads may be what another needed. Who begins to wait meanwhile waits
// for what comes next.
void ReadySet::Member::wake(Direction direction) {
  auto& waiters = waiters_[direction];
  for (auto count = ready_[direction] ? waiters.size() : 0; count > 0 && !waiters.empty(); --count)
    take(direction, 0)(Woken::ready);
}

void ReadySet::Member::give_up(Direction direction, std::uint64_t number) {
  auto const& waiters = waiters_[direction];
  auto const at = std::ranges::find(waiters, number, &Waiter::number);
  if (at == waiters.end()) return;
  asio::post(set_.loop_,
             [handler = take(direction, static_cast<std::size_t>(at - waiters.begin()))]() mutable {
               handler(Woken::given_up);
             });
}

std::move_only_function<void(ReadySet::Woken)> ReadySet::Member::take(Direction direction,
                                                                      std::size_t index) {
  auto& waiters = waiters_[direction];
  auto handler = std::move(waiters[index].handler);
  waiters.erase(waiters.begin() + static_cast<std::ptrdiff_t>(index));
  set_.end_wait();
  return handler;
}

// The waits own what they wait in; ending them removes members, which may be those of others.
void ReadySet::shutdown() {
  std::vector<std::vector<Member::Waiter>> waiters;
  for (auto const& member : members_)
    for (auto& some : member->waiters_) waiters.push_back(std::exchange(some, {}));
  waiting_ = 0;
  waiters.clear();
}

}  // namespace millrace::io
