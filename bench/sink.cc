// The receiving yardstick: an epoll HTTP/1.1 server that answers 204 to every POST, plain or TLS, and reconciles what came.
//   sink --port P [--tls --cert FILE --key FILE] [--reconcile]
// Prints "listening P". With --reconcile it reads `"n":N` and `"sent_us":T` from each body. SIGUSR1 prints a line and begins anew;
// SIGTERM prints the line and ends: requests, distinct n, p50/p99/p99.9 in us from T to arrival, CPU seconds.
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>

#include <memory>
#include <unordered_map>

#include "common.h"

namespace {

volatile sig_atomic_t wants_report = 0;
volatile sig_atomic_t wants_end = 0;

struct Connection {
  int fd;
  SSL* ssl = nullptr;
  std::string in;
};

struct Sink {
  bool reconcile = false;
  std::uint64_t requests = 0;
  std::vector<bool> seen;
  std::uint64_t distinct = 0;
  bench::Latencies latencies;
  double cpu = bench::cpu_seconds();

  void take(std::string_view body) {
    ++requests;
    if (!reconcile) return;
    auto const number = bench::number_after(body, R"("n":)");
    auto const sent = bench::number_after(body, R"("sent_us":)");
    if (number >= 0) {
      auto const at = static_cast<std::size_t>(number);
      if (at >= seen.size()) seen.resize(std::max(at + 1, seen.size() * 2));
      if (!seen[at]) ++distinct;
      seen[at] = true;
    }
    if (sent > 0) latencies.add(bench::now_us() - sent);
  }
  void report() {
    std::printf("requests %lu distinct %lu p50_us %.0f p99_us %.0f p999_us %.0f cpu_s %.3f\n",
                requests, distinct, latencies.percentile(0.5), latencies.percentile(0.99),
                latencies.percentile(0.999), bench::cpu_seconds() - cpu);
    std::fflush(stdout);
    requests = 0;
    latencies = {};
    cpu = bench::cpu_seconds();
  }
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
std::size_t take_requests(Connection& c, Sink& sink) {
  std::size_t used = 0, count = 0;
  std::string_view const all = c.in;
  for (;;) {
    auto const rest = all.substr(used);
    auto const head = rest.find("\r\n\r\n");
    if (head == rest.npos) break;
    auto const length = content_length(rest.substr(0, head + 2));
    if (rest.size() < head + 4 + length) break;
    sink.take(rest.substr(head + 4, length));
    used += head + 4 + length;
    ++count;
  }
  c.in.erase(0, used);
  return count;
}

// Reads what is there and answers it; false: the connection is over.
bool serve(Connection& c, Sink& sink, std::string& out) {
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
  for (auto left = take_requests(c, sink); left > 0; --left) out += answer;
  if (!out.empty()) {
    auto const n = c.ssl ? SSL_write(c.ssl, out.data(), static_cast<int>(out.size()))
                         : static_cast<int>(send(c.fd, out.data(), out.size(), MSG_NOSIGNAL));
    open = open && n == static_cast<int>(out.size());
  }
  return open;
}

}  // namespace

int main(int count, char** words) {
  bench::Flags const flags(count, words);
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action{};
  action.sa_handler = [](int) { wants_report = 1; };
  sigaction(SIGUSR1, &action, nullptr);
  action.sa_handler = [](int) { wants_end = 1; };
  sigaction(SIGTERM, &action, nullptr);

  SSL_CTX* tls = nullptr;
  if (flags.has("--tls")) {
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, flags.text("--cert", "cert.pem").c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, flags.text("--key", "key.pem").c_str(),
                                    SSL_FILETYPE_PEM) != 1)
      bench::die("certificate");
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls, 1);
  }
  int const listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int const one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(flags.count("--port", 0)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  std::memcpy(&generic, &address, sizeof address);
  if (bind(listener, &generic, sizeof address) != 0 || listen(listener, 4096) != 0)
    bench::die("listen");
  socklen_t size = sizeof generic;
  getsockname(listener, &generic, &size);
  std::memcpy(&address, &generic, sizeof address);
  std::printf("listening %d\n", ntohs(address.sin_port));
  std::fflush(stdout);

  int const poll = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::unordered_map<int, Connection> connections;
  Sink sink;
  sink.reconcile = flags.has("--reconcile");
  std::string out;
  std::array<epoll_event, 512> events{};
  while (!wants_end) {
    int const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 200);
    if (wants_report) {
      wants_report = 0;
      sink.report();
    }
    for (int i = 0; i < ready; ++i) {
      int const fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        for (int taken; (taken = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
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
        }
        continue;
      }
      auto& connection = connections[fd];
      if (serve(connection, sink, out)) continue;
      if (connection.ssl) SSL_free(connection.ssl);
      close(fd);
      connections.erase(fd);
    }
  }
  sink.report();
}
