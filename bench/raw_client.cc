// The sending yardstick: a raw epoll client that POSTs one body over N kept connections, one request in flight on each.
//   raw_client --port P --body FILE [--connections N] [--seconds S] [--tls] [--delivery-head]
// --delivery-head sends the header lines of a delivery. Prints "posts N per_s R cpu_us U user_us V" after half a second of warming up.
#include <http_parser.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

#include <memory>

#include "sending.h"

namespace {

struct Connection {
  int fd;
  SSL* ssl = nullptr;
  http_parser parser{};
  bool done = false;
};

}  // namespace

int main(int count, char** words) {
  bench::Flags const flags(count, words);
  auto const text = bench::read_file(flags.text("--body", "event.json"));
  std::string const lines =
      flags.has("--delivery-head") ? bench::delivery_head(0) : "Content-Type: application/json\r\n";
  std::string const request = "POST /events HTTP/1.1\r\nHost: localhost\r\n" + lines +
                              "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;

  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_message_complete = [](http_parser* parser) {
    static_cast<Connection*>(parser->data)->done = true;
    return 0;
  };
  SSL_CTX* tls = flags.has("--tls") ? SSL_CTX_new(TLS_client_method()) : nullptr;
  if (tls) {
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls, 1);
  }
  int const poll = epoll_create1(0);
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = flags.count("--connections", 128); i > 0; --i) {
    auto c = std::make_unique<Connection>();
    c->fd = bench::connect_to(flags.count("--port", 0));
    if (tls) {
      c->ssl = SSL_new(tls);
      SSL_set_fd(c->ssl, c->fd);
      if (SSL_connect(c->ssl) != 1) bench::die("handshake");
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = c.get();
    epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event);
    connections.push_back(std::move(c));
  }
  auto const ask = [&](Connection& c) {
    c.done = false;
    http_parser_init(&c.parser, HTTP_RESPONSE);
    c.parser.data = &c;
    auto const n = c.ssl
                       ? SSL_write(c.ssl, request.data(), static_cast<int>(request.size()))
                       : static_cast<int>(send(c.fd, request.data(), request.size(), MSG_NOSIGNAL));
    if (n != static_cast<int>(request.size())) bench::die("send");
  };
  for (auto const& c : connections) ask(*c);

  std::uint64_t posts = 0;
  bench::Measured measured(posts, flags.number("--seconds", 5));
  std::array<epoll_event, 512> events{};
  static char buffer[16384];
  while (!measured.is_over()) {
    int const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < ready; ++i) {
      auto& c = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      auto const n = c.ssl ? SSL_read(c.ssl, buffer, sizeof buffer)
                           : static_cast<int>(read(c.fd, buffer, sizeof buffer));
      if (n <= 0) continue;
      http_parser_execute(&c.parser, &settings, buffer, static_cast<std::size_t>(n));
      if (!c.done) continue;
      ++posts;
      ask(c);
    }
  }
  measured.print();
  _exit(0);
}
