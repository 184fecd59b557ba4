// The receiving yardstick: an epoll HTTP/1.1 server that answers 204 to every POST, plain or TLS, and reconciles what came.
//   sink [--port P | --ports N] [--address A] [--tls --cert FILE --key FILE [--no-tickets]] [--reconcile]
// Prints "listening P...". With --reconcile it reads `"n":N` and `"sent_us":T` from each body. SIGUSR1 prints a line and begins anew;
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
  bench::take_requests(c.in, came, out);
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
  auto const listeners = bench::listen_and_tell(flags);
  int const poll = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  for (int const listener : listeners) {
    event.data.fd = listener;
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  }
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
      if (fd <= listeners.back() && std::ranges::binary_search(listeners, fd)) {
        for (int taken; (taken = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
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
