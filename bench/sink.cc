// The receiving yardstick: an epoll HTTP/1.1 server that answers 204 to every POST, plain or TLS, and reconciles what came.
//   sink [--port P] [--address A] [--tls --cert FILE --key FILE [--no-tickets]] [--reconcile]
// Prints "listening P". With --reconcile it reads `"n":N` and `"sent_us":T` from each body. SIGUSR1 prints a line and begins anew;
// SIGTERM prints the line and ends: requests, distinct n, connections taken, p50/p99/p99.9 in us from T to arrival, CPU seconds.
// SIGUSR2 closes all connections.
#include <sys/epoll.h>

#include <unordered_map>

#include "receiving.h"

namespace {

struct Connection {
  int fd;
  SSL* ssl = nullptr;
  std::string in;
};

constexpr std::string_view answer = "HTTP/1.1 204 No Content\r\nServer: sink\r\n\r\n";

std::size_t content_length(std::string_view head) {
  constexpr std::string_view name = "content-length:";
  for (std::size_t at = 0; (at = head.find("\r\n", at)) != head.npos;) {
    at += 2;
    if (head.size() - at > name.size() &&
        strncasecmp(head.data() + at, name.data(), name.size()) == 0)
      return std::strtoul(head.data() + at + name.size(), nullptr, 10);
  }
  return 0;
}

// Takes whole requests off the front; answers how many there were.
std::size_t take_requests(Connection& c, bench::Count& came) {
  std::size_t used = 0, count = 0;
  std::string_view const all = c.in;
  for (;;) {
    auto const rest = all.substr(used);
    auto const head = rest.find("\r\n\r\n");
    if (head == rest.npos) break;
    auto const length = content_length(rest.substr(0, head + 2));
    if (rest.size() < head + 4 + length) break;
    came.take(rest.substr(head + 4, length));
    used += head + 4 + length;
    ++count;
  }
  c.in.erase(0, used);
  return count;
}

// Reads what is there and answers it; false: the connection is over.
bool serve(Connection& c, bench::Count& came, std::string& out) {
  static char buffer[65536];
  bool open = true;
  out.clear();
  for (;;) {
    ssize_t const n =
        c.ssl ? SSL_read(c.ssl, buffer, sizeof buffer) : read(c.fd, buffer, sizeof buffer);
    if (n > 0) {
      c.in.append(buffer, static_cast<std::size_t>(n));
      continue;
    }
    if (c.ssl) {
      auto const why = SSL_get_error(c.ssl, static_cast<int>(n));
      open = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    } else {
      open = n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    break;
  }
  for (auto left = take_requests(c, came); left > 0; --left) out += answer;
  if (!out.empty()) {
    auto const n = c.ssl ? SSL_write(c.ssl, out.data(), static_cast<int>(out.size()))
                         : static_cast<int>(send(c.fd, out.data(), out.size(), MSG_NOSIGNAL));
    open = open && n == static_cast<int>(out.size());
  }
  return open;
}

void end(Connection const& connection) {
  if (connection.ssl) SSL_free(connection.ssl);
  close(connection.fd);
}

}  // namespace

int main(int count, char** words) {
  bench::Flags const flags(count, words);
  bench::take_signals();
  SSL_CTX* const tls = flags.has("--tls") ? bench::server_tls(flags) : nullptr;
  int const listener = bench::listen_and_tell(flags);
  int const poll = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::unordered_map<int, Connection> connections;
  bench::Count came;
  came.reconcile = flags.has("--reconcile");
  std::string out;
  std::array<epoll_event, 512> events{};
  while (!bench::wants_end) {
    int const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 200);
    if (bench::was_asked(bench::wants_report)) came.report();
    for (int i = 0; i < ready; ++i) {
      int const fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        for (int taken; (taken = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          int const one = 1;
          setsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          Connection fresh{taken, nullptr, {}};
          if (tls) {
            fresh.ssl = SSL_new(tls);
            SSL_set_fd(fresh.ssl, taken);
            SSL_set_accept_state(fresh.ssl);
          }
          event.data.fd = taken;
          epoll_ctl(poll, EPOLL_CTL_ADD, taken, &event);
          connections[taken] = std::move(fresh);
          ++came.connections;
        }
        continue;
      }
      auto& connection = connections[fd];
      if (serve(connection, came, out)) continue;
      end(connection);
      connections.erase(fd);
    }
    if (bench::was_asked(bench::wants_close)) {
      for (auto const& [fd, connection] : connections) end(connection);
      connections.clear();
    }
  }
  came.report();
}
