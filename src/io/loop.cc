#include "io/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <exception>

namespace millrace::io {
namespace {

// A loop takes three: of epoll, of its timers, and the one that wakes it. Whether they are there is asked first, as Asio's own way of
// saying no goes through tables of errors that a checked build cannot look at without a descriptor.
Result<void> find_descriptors() {
  std::array<int, 3> found;
  std::size_t count = 0;
  int error = 0;
  while (count < found.size() && error == 0) {
    found[count] = ::eventfd(0, EFD_CLOEXEC);
    if (found[count] < 0)
      error = errno;
    else
      ++count;
  }
  while (count > 0) ::close(found[--count]);
  if (error != 0) return fail(Fault::io, std::string("a loop: ") + std::strerror(error));
  return {};
}

}  // namespace

Result<std::unique_ptr<boost::asio::io_context>> make_loop() {
  if (auto found = find_descriptors(); !found) return pass(found);
  try {
    auto loop = std::make_unique<boost::asio::io_context>(1);
    boost::asio::steady_timer const first(
        *loop);  // which takes them now, and not on another thread
    return loop;
  } catch (std::exception const& error) {
    return fail(Fault::io, std::string("a loop: ") + error.what());
  }
}

}  // namespace millrace::io
