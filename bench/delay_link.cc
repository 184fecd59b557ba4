// A network link with a delay: two tun devices, and each IP packet that enters one leaves the other after a while.
//   delay_link --ms DELAY          (needs root and /dev/net/tun; for kernels without netem)
// Prints "devices A B". Whoever starts it puts one of them into another network namespace, gives both addresses and sets them up.
// Nothing is lost or reordered, and there is no limit of speed. Ends on SIGTERM; the devices go with it.
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <deque>

#include "common.h"

namespace {

struct Packet {
  double due;
  int to;
  std::string bytes;
};

int open_device(std::array<char, IFNAMSIZ>& name) {
  int const fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq asked{};
  std::strncpy(asked.ifr_name, "delay%d", IFNAMSIZ - 1);
  asked.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (fd < 0 || ioctl(fd, TUNSETIFF, &asked) != 0) bench::die("/dev/net/tun");
  std::memcpy(name.data(), asked.ifr_name, IFNAMSIZ);
  return fd;
}

}  // namespace

int main(int count, char** words) {
  bench::Flags const flags(count, words);
  double const delay = flags.number("--ms", 25) / 1000;
  std::array<std::array<char, IFNAMSIZ>, 2> names{};
  std::array<pollfd, 2> ends{};
  for (std::size_t i = 0; i < 2; ++i)
    ends[i] = {.fd = open_device(names[i]), .events = POLLIN, .revents = 0};
  std::printf("devices %s %s\n", names[0].data(), names[1].data());
  std::fflush(stdout);

  std::deque<Packet> under_way;  // the delay is the same for all: in order of time
  static char buffer[65536];
  for (;;) {
    double const now = bench::steady_seconds();
    while (!under_way.empty() && under_way.front().due <= now) {
      auto const& packet = under_way.front();
      // A device that is down or full loses the packet, as a link does.
      if (write(packet.to, packet.bytes.data(), packet.bytes.size()) < 0 && errno == EBADF)
        bench::die("write");
      under_way.pop_front();
    }
    double const rest = under_way.empty() ? 1.0 : std::max(under_way.front().due - now, 0.0);
    timespec const wait{
        static_cast<time_t>(rest),
        static_cast<long>((rest - static_cast<double>(static_cast<time_t>(rest))) * 1e9)};
    if (ppoll(ends.data(), ends.size(), &wait, nullptr) <= 0) continue;
    for (std::size_t i = 0; i < 2; ++i) {
      double const due = bench::steady_seconds() + delay;
      for (ssize_t n; (n = read(ends[i].fd, buffer, sizeof buffer)) > 0;)
        under_way.push_back({due, ends[1 - i].fd, {buffer, static_cast<std::size_t>(n)}});
    }
  }
}
