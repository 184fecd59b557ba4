#include "cli/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace millrace::cli {
namespace {

std::unexpected<Error> system_failure(std::string_view doing) {
  return fail(Fault::io, fmt::format("{}: {}", doing, std::generic_category().message(errno)));
}

// In the child, between fork and exec: only calls that are safe beside the threads that are not here any more.
[[noreturn]] void become(char* const* arguments, int output) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::dup2(output, STDOUT_FILENO);
  ::execv("/proc/self/exe", arguments);
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<Child>> Child::start_self(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "millrace");
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return system_failure("pipe");
  pid_t const pid = ::fork();
  if (pid == 0) become(pointers.data(), pipe[1]);
  ::close(pipe[1]);
  if (pid > 0) return std::make_unique<Child>(pid, pipe[0]);
  ::close(pipe[0]);
  return system_failure("fork");
}

Child::~Child() {
  stop();
  ::close(output_);
}

Result<std::string> Child::read_line(io::Clock const& clock, Duration patience) {
  auto const deadline = clock.now() + patience;
  for (;;) {
    if (auto const end = read_.find('\n'); end != std::string::npos) {
      auto line = read_.substr(0, end);
      read_.erase(0, end + 1);
      return line;
    }
    auto const left = whole_ms(deadline - clock.now());
    if (left <= 0)
      return fail(Fault::io,
                  fmt::format("process {}: said nothing for {}", pid_, format_duration(patience)));
    pollfd waiting{.fd = output_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(left)) <= 0) continue;
    std::array<char, 4096> bytes{};
    auto const got = ::read(output_, bytes.data(), bytes.size());
    if (got <= 0)
      return fail(Fault::io, fmt::format("process {}: ended before it was ready", pid_));
    read_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

void Child::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace millrace::cli
