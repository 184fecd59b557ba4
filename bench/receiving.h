// What the receiving yardsticks share: the count that a signal asks for, a listener, the TLS context.
#pragma once
#include <openssl/ssl.h>
#include <signal.h>

#include "common.h"

namespace bench {

inline volatile sig_atomic_t wants_report = 0, wants_end = 0, wants_close = 0;

// SIGUSR1: print a line and begin anew. SIGUSR2: close all connections. SIGTERM: print the line and end.
inline void take_signals() {
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action{};
  action.sa_handler = [](int) { wants_report = 1; };
  sigaction(SIGUSR1, &action, nullptr);
  action.sa_handler = [](int) { wants_close = 1; };
  sigaction(SIGUSR2, &action, nullptr);
  action.sa_handler = [](int) { wants_end = 1; };
  sigaction(SIGTERM, &action, nullptr);
}

inline bool was_asked(volatile sig_atomic_t& flag) {
  bool const asked = flag != 0;
  flag = 0;
  return asked;
}

// What came. With `reconcile` it reads `"n":N` and `"sent_us":T` from each body.
struct Count {
  bool reconcile = false;
  std::uint64_t requests = 0, connections = 0;
  std::vector<bool> seen;
  std::uint64_t distinct = 0;
  Latencies latencies;
  double cpu = cpu_seconds();

  void take(std::string_view body) {
    ++requests;
    if (!reconcile) return;
    auto const number = number_after(body, R"("n":)");
    auto const sent = number_after(body, R"("sent_us":)");
    if (number >= 0) {
      auto const at = static_cast<std::size_t>(number);
      if (at >= seen.size()) seen.resize(std::max(at + 1, seen.size() * 2));
      if (!seen[at]) ++distinct;
      seen[at] = true;
    }
    if (sent > 0) latencies.add(now_us() - sent);
  }
  void report() {
    std::printf(
        "requests %lu distinct %lu connections %lu p50_us %.0f p99_us %.0f p999_us %.0f cpu_s "
        "%.3f\n",
        requests, distinct, connections, latencies.percentile(0.5), latencies.percentile(0.99),
        latencies.percentile(0.999), cpu_seconds() - cpu);
    std::fflush(stdout);
    requests = connections = 0;
    latencies = {};
    cpu = cpu_seconds();
  }
};

// HTTP/1.1: takes whole requests off the front of `in`, and adds the answer of each to `out`.
inline void take_requests(std::string& in, Count& came, std::string& out) {
  constexpr std::string_view name = "content-length:";
  auto const content_length = [&](std::string_view head) -> std::size_t {
    for (std::size_t at = 0; (at = head.find("\r\n", at)) != head.npos;) {
      at += 2;
      if (head.size() - at > name.size() &&
          strncasecmp(head.data() + at, name.data(), name.size()) == 0)
        return std::strtoul(head.data() + at + name.size(), nullptr, 10);
    }
    return 0;
  };
  std::size_t used = 0;
  std::string_view const all = in;
  for (;;) {
    auto const rest = all.substr(used);
    auto const head = rest.find("\r\n\r\n");
    if (head == rest.npos) break;
    auto const length = content_length(rest.substr(0, head + 2));
    if (rest.size() < head + 4 + length) break;
    came.take(rest.substr(head + 4, length));
    used += head + 4 + length;
    out += "HTTP/1.1 204 No Content\r\nServer: sink\r\n\r\n";
  }
  in.erase(0, used);
}

inline SSL_CTX* server_tls(Flags const& flags) {
  SSL_CTX* const tls = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(tls, flags.text("--cert", "cert.pem").c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls, flags.text("--key", "key.pem").c_str(), SSL_FILETYPE_PEM) !=
          1)
    die("certificate");
  SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(tls, 1);
  // Without tickets every handshake is a full one.
  if (flags.has("--no-tickets")) SSL_CTX_set_num_tickets(tls, 0);
  return tls;
}

// Listens on --port of --address (127.0.0.1), or on --ports N free ones, and prints "listening PORT...".
inline std::vector<int> listen_and_tell(Flags const& flags) {
  std::vector<int> listeners;
  std::string ports;
  for (int left = flags.count("--ports", 1); left > 0; --left) {
    int const listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int const one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(flags.count("--port", 0)));
    if (inet_pton(AF_INET, flags.text("--address", "127.0.0.1").c_str(), &address.sin_addr) != 1)
      die("address");
    sockaddr generic{};
    std::memcpy(&generic, &address, sizeof address);
    if (bind(listener, &generic, sizeof address) != 0 || listen(listener, 4096) != 0) die("listen");
    socklen_t size = sizeof generic;
    getsockname(listener, &generic, &size);
    std::memcpy(&address, &generic, sizeof address);
    ports += " " + std::to_string(ntohs(address.sin_port));
    listeners.push_back(listener);
  }
  std::printf("listening%s\n", ports.c_str());
  std::fflush(stdout);
  return listeners;
}

}  // namespace bench
