#include "io/ready_set.h"

#include <sys/epoll.h>
#include <unistd.h>

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
  member->give_up(reading);
  member->give_up(writing);
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
  auto& set = set_;
  auto const wake = [&](Direction direction) {
    if (!ready_[direction] || !waiters_[direction]) return;
    auto waiter = std::exchange(waiters_[direction], nullptr);
    set.end_wait();
    waiter(Woken::ready);
  };
  wake(reading);
  if (descriptor_ >= 0) wake(writing);  // `this` is kept until all is told
}

void ReadySet::Member::give_up(Direction direction) {
  if (!waiters_[direction]) return;
  set_.end_wait();
  asio::post(set_.loop_, [waiter = std::exchange(waiters_[direction], nullptr)]() mutable {
    waiter(Woken::given_up);
  });
}

// The waits own what they wait in; ending them removes members, which may be those of others.
void ReadySet::shutdown() {
  std::vector<std::move_only_function<void(Woken)>> waiters;
  for (auto const& member : members_)
    for (auto& waiter : member->waiters_)
      if (waiter) waiters.push_back(std::exchange(waiter, nullptr));
  waiting_ = 0;
  waiters.clear();
}

}  // namespace millrace::io
