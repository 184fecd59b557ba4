#include "commands/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace millrace::commands {
namespace {

std::optional<long> number_in(char const* name) {
  char const* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  std::string_view const view(text);
  long value = 0;
  auto const [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size()) return std::nullopt;
  return value;
}

}  // namespace

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

std::size_t connections_within(std::size_t wanted, std::uint64_t descriptors) {
  if (descriptors == 0) return wanted;
  auto const kept = std::max<std::uint64_t>(descriptors / 4, 64);
  auto const room = descriptors > kept ? descriptors - kept : 1;
  return static_cast<std::size_t>(std::min<std::uint64_t>(wanted, room));
}

void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

std::optional<int> take_handed_socket() {
  constexpr int first = 3;  // systemd's sd_listen_fds(3)
  auto const pid = number_in("LISTEN_PID");
  auto const count = number_in("LISTEN_FDS");
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_FDNAMES");
  if (!pid || *pid != ::getpid() || !count || *count < 1) return std::nullopt;
  ::fcntl(first, F_SETFD, FD_CLOEXEC);
  return first;
}

std::map<std::string, std::string> environment_with(std::string const& prefix) {
  std::map<std::string, std::string> found;
  for (char** at = ::environ; at != nullptr && *at != nullptr; ++at) {
    std::string_view const entry(*at);
    auto const equals = entry.find('=');
    if (equals != std::string_view::npos && entry.starts_with(prefix))
      found.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return found;
}

std::string program_word() {
  std::string called;
  std::ifstream words("/proc/self/cmdline", std::ios::binary);
  std::getline(words, called, '\0');
  if (!called.contains('/')) return "millrace";
  std::error_code error;
  auto const whole = std::filesystem::absolute(called, error).lexically_normal();
  return shell_word(error ? called : whole.string());
}

std::string shell_word(std::string_view text) {
  auto const is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./:=@%+,").contains(c);
  };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string quoted = "'";
  for (char const c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + '\'';
}

}  // namespace millrace::commands
