// The sending yardstick over HTTP/2: raw epoll and nghttp2 over TLS, C connections with S requests in flight on each.
//   h2_raw_client --port P --body FILE [--connections C] [--streams S] [--seconds T] [--delivery-head]
// Bodies are not copied into nghttp2 (send_data_callback), output leaves in TLS records of 16 KiB. --delivery-head sends the header
// lines of a delivery, with an id of its own each. Prints "posts N per_s R cpu_us U user_us V" after half a second of warming up.
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

#include <memory>

#include "sending.h"

namespace {

constexpr std::size_t record = 16384;

struct Load {
  std::string body, body_size;
  bool delivery_head = false;
  std::uint64_t posts = 0, next_id = 0;
};

struct Connection {
  int fd = -1;
  SSL* ssl = nullptr;
  nghttp2_session* session = nullptr;
  Load* load = nullptr;
  std::string out;
  std::size_t written = 0;
  bool waits_to_write = false;
};

nghttp2_nv pair(std::string_view name, std::string_view value) {
  // nghttp2 takes pointers to mutable bytes and does not change them.
  auto const bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

// How much of the body goes into the next frame; `fd` counts what went before.
ssize_t next_part(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t room,
                  std::uint32_t* flags, nghttp2_data_source* source, void* user) {
  auto const left =
      static_cast<Connection*>(user)->load->body.size() - static_cast<std::size_t>(source->fd);
  auto const size = std::min(room, left);
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(size);
}

int send_part(nghttp2_session*, nghttp2_frame*, std::uint8_t const* head, std::size_t size,
              nghttp2_data_source* source, void* user) {
  auto& c = *static_cast<Connection*>(user);
  c.out.append(reinterpret_cast<char const*>(head), 9);
  c.out.append(c.load->body, static_cast<std::size_t>(source->fd), size);
  source->fd += static_cast<int>(size);
  return 0;
}

void ask(Connection& c) {
  auto& load = *c.load;
  std::array<nghttp2_nv, 12> lines{pair(":method", "POST"),
                                   pair(":scheme", "https"),
                                   pair(":authority", "localhost"),
                                   pair(":path", "/events"),
                                   pair("content-type", "application/json"),
                                   pair("content-length", load.body_size)};
  std::size_t count = 6;
  std::array<char, 37> id{};
  if (load.delivery_head) {
    bench::write_event_id(id, load.next_id++);
    lines[count++] = pair("user-agent", "Millrace/0.1.0");
    lines[count++] = pair("millrace-stream-id", bench::stream_id);
    lines[count++] = pair("millrace-event-id", std::string_view(id.data(), 36));
    lines[count++] = pair("millrace-event-type", "submission_created");
    lines[count++] = pair("millrace-attempt", "1");
    // The id lives on the stack and is not encoded before mem_send: this one is copied.
    lines[8].flags = NGHTTP2_NV_FLAG_NO_INDEX;
  }
  nghttp2_data_provider body{};
  body.source.fd = 0;
  body.read_callback = next_part;
  if (nghttp2_submit_request(c.session, nullptr, lines.data(), count, &body, nullptr) < 0)
    bench::die("request");
}

int header_came(nghttp2_session*, nghttp2_frame const*, std::uint8_t const* name, std::size_t size,
                std::uint8_t const* value, std::size_t, std::uint8_t, void*) {
  if (size == 7 && name[0] == ':' && value[0] != '2') bench::die("the answer is no success");
  return 0;
}

int stream_closed(nghttp2_session* session, std::int32_t, std::uint32_t error, void* user) {
  if (error != NGHTTP2_NO_ERROR) bench::die("a stream was reset");
  if (nghttp2_session_check_request_allowed(session) == 0) bench::die("the connection ends");
  auto& c = *static_cast<Connection*>(user);
  ++c.load->posts;
  ask(c);
  return 0;
}

void flush(Connection& c) {
  for (;;) {
    if (c.written == c.out.size()) {
      c.out.clear();
      c.written = 0;
      std::uint8_t const* data = nullptr;
      for (ssize_t n;
           c.out.size() < 8 * record && (n = nghttp2_session_mem_send(c.session, &data)) > 0;)
        c.out.append(reinterpret_cast<char const*>(data), static_cast<std::size_t>(n));
      if (c.out.empty()) return;
    }
    auto const n = SSL_write(c.ssl, c.out.data() + c.written,
                             static_cast<int>(std::min(c.out.size() - c.written, record)));
    if (n <= 0) {
      if (SSL_get_error(c.ssl, n) != SSL_ERROR_WANT_WRITE) bench::die("write");
      return;
    }
    c.written += static_cast<std::size_t>(n);
  }
}

void read_all(Connection& c) {
  static std::uint8_t buffer[65536];
  for (;;) {
    auto const n = SSL_read(c.ssl, buffer, sizeof buffer);
    if (n <= 0) {
      if (SSL_get_error(c.ssl, n) != SSL_ERROR_WANT_READ) bench::die("read");
      return;
    }
    if (nghttp2_session_mem_recv(c.session, buffer, static_cast<std::size_t>(n)) < 0)
      bench::die("frames");
  }
}

std::unique_ptr<Connection> open(int port, SSL_CTX* tls, nghttp2_session_callbacks* callbacks,
                                 Load& load) {
  auto c = std::make_unique<Connection>();
  c->load = &load;
  c->fd = bench::connect_to(port);
  c->ssl = SSL_new(tls);
  SSL_set_fd(c->ssl, c->fd);
  if (SSL_connect(c->ssl) != 1) bench::die("handshake");
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  nghttp2_session_client_new(&c->session, callbacks, c.get());
  nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, nullptr, 0);
  return c;
}

}  // namespace

int main(int count, char** words) {
  bench::Flags const flags(count, words);
  Load load;
  load.body = bench::read_file(flags.text("--body", "event.json"));
  load.body_size = std::to_string(load.body.size());
  load.delivery_head = flags.has("--delivery-head");
  SSL_CTX* const tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(tls, 1);
  static constexpr unsigned char offered[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(tls, offered, sizeof offered);
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_part);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, header_came);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);

  int const poll = epoll_create1(0);
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = flags.count("--connections", 8); i > 0; --i) {
    connections.push_back(open(flags.count("--port", 0), tls, callbacks, load));
    auto& c = *connections.back();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &c;
    epoll_ctl(poll, EPOLL_CTL_ADD, c.fd, &event);
    for (int s = flags.count("--streams", 32); s > 0; --s) ask(c);
    flush(c);
  }

  bench::Measured measured(load.posts, flags.number("--seconds", 5));
  std::array<epoll_event, 256> events{};
  while (!measured.is_over()) {
    int const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < ready; ++i) {
      auto& c = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      read_all(c);
      flush(c);
      if (bool const wants = c.written < c.out.size(); wants != c.waits_to_write) {
        c.waits_to_write = wants;
        epoll_event event{};
        event.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN;
        event.data.ptr = &c;
        epoll_ctl(poll, EPOLL_CTL_MOD, c.fd, &event);
      }
    }
  }
  measured.print();
  _exit(0);
}
