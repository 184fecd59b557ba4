// The receiving yardstick over HTTP/2: an nghttp2 server over TLS that answers 204 to every request once it has read all of it.
//   h2_sink --cert FILE --key FILE [--port P] [--address A] [--streams N] [--reconcile] [--no-tickets]
// Prints and takes signals as sink.cc does; `connections` are those over HTTP/2. A client that does not offer h2 by ALPN is answered over
// HTTP/1.1. Windows are wide: 1 MiB a stream, 64 MiB a connection.
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>

#include <memory>
#include <unordered_map>

#include "receiving.h"

namespace {

constexpr std::size_t record = 16384;

struct Connection {
  Connection(int descriptor, SSL_CTX* tls, bench::Count& count)
      : fd(descriptor), ssl(SSL_new(tls)), came(count) {
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
  }
  ~Connection() {
    nghttp2_session_del(session);
    SSL_free(ssl);
    close(fd);
  }
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  int fd;
  SSL* ssl;
  bench::Count& came;
  nghttp2_session* session = nullptr;
  std::unordered_map<std::int32_t, std::string> bodies;  // only to reconcile
  std::string in;                                        // only over HTTP/1.1
  std::string out;
  std::size_t written = 0;
  bool begun = false, waits_to_write = false;
};

int frame_came(nghttp2_session* session, nghttp2_frame const* frame, void* user) {
  auto& c = *static_cast<Connection*>(user);
  auto const type = frame->hd.type;
  if ((type != NGHTTP2_DATA && type != NGHTTP2_HEADERS) ||
      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
    return 0;
  if (auto const body = c.bodies.extract(frame->hd.stream_id))
    c.came.take(body.mapped());
  else
    c.came.take({});
  static char name[] = ":status", value[] = "204";
  static nghttp2_nv const status{reinterpret_cast<std::uint8_t*>(name),
                                 reinterpret_cast<std::uint8_t*>(value), 7, 3,
                                 NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
  return nghttp2_submit_response(session, frame->hd.stream_id, &status, 1, nullptr);
}

int data_came(nghttp2_session*, std::uint8_t, std::int32_t stream, std::uint8_t const* data,
              std::size_t size, void* user) {
  auto& c = *static_cast<Connection*>(user);
  if (c.came.reconcile) c.bodies[stream].append(reinterpret_cast<char const*>(data), size);
  return 0;
}

int stream_closed(nghttp2_session*, std::int32_t stream, std::uint32_t, void* user) {
  static_cast<Connection*>(user)->bodies.erase(stream);
  return 0;
}

int choose_h2(SSL*, unsigned char const** chosen, unsigned char* size, unsigned char const* offered,
              unsigned offered_size, void*) {
  static constexpr unsigned char wanted[] = {2, 'h', '2'};
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    if (offered_size - at < sizeof wanted || std::memcmp(offered + at, wanted, sizeof wanted) != 0)
      continue;
    *chosen = offered + at + 1;
    *size = 2;
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;  // HTTP/1.1
}

void begin(Connection& c, nghttp2_session_callbacks* callbacks, std::uint32_t streams) {
  c.begun = true;
  unsigned char const* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(c.ssl, &chosen, &size);
  if (size == 0) return;
  ++c.came.connections;
  nghttp2_session_server_new(&c.session, callbacks, &c);
  std::array<nghttp2_settings_entry, 2> const settings{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1U << 20U}}};
  nghttp2_submit_settings(c.session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(c.session, NGHTTP2_FLAG_NONE, 0, 1 << 26);
}

void take_frames_out(Connection& c) {
  std::uint8_t const* data = nullptr;
  for (ssize_t n;
       c.out.size() < 8 * record && (n = nghttp2_session_mem_send(c.session, &data)) > 0;)
    c.out.append(reinterpret_cast<char const*>(data), static_cast<std::size_t>(n));
}

// Writes what there is to say, in whole TLS records. False: the connection is over.
bool flush(Connection& c) {
  for (;;) {
    if (c.written == c.out.size()) {
      c.out.clear();
      c.written = 0;
      if (c.session) take_frames_out(c);
      if (c.out.empty()) return true;
    }
    auto const n = SSL_write(c.ssl, c.out.data() + c.written,
                             static_cast<int>(std::min(c.out.size() - c.written, record)));
    if (n <= 0) return SSL_get_error(c.ssl, n) == SSL_ERROR_WANT_WRITE;
    c.written += static_cast<std::size_t>(n);
  }
}

// Reads what is there and answers it; false: the connection is over.
bool serve(Connection& c, nghttp2_session_callbacks* callbacks, std::uint32_t streams) {
  static std::uint8_t buffer[65536];
  for (;;) {
    auto const n = SSL_read(c.ssl, buffer, sizeof buffer);
    if (!c.begun && SSL_is_init_finished(c.ssl) != 0) begin(c, callbacks, streams);
    if (n <= 0) {
      if (SSL_get_error(c.ssl, n) != SSL_ERROR_WANT_READ) return false;
      break;
    }
    auto const size = static_cast<std::size_t>(n);
    if (!c.session)
      c.in.append(reinterpret_cast<char const*>(buffer), size);
    else if (nghttp2_session_mem_recv(c.session, buffer, size) < 0)
      return false;
  }
  if (!c.session) bench::take_requests(c.in, c.came, c.out);
  return !c.begun || flush(c);
}

}  // namespace

int main(int count, char** words) {
  bench::Flags const flags(count, words);
  bench::take_signals();
  SSL_CTX* const tls = bench::server_tls(flags);
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(tls, choose_h2, nullptr);
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_came);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_came);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
  auto const streams = static_cast<std::uint32_t>(flags.count("--streams", 1000));

  int const listener = bench::listen_and_tell(flags).front();
  int const poll = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  bench::Count came;
  came.reconcile = flags.has("--reconcile");
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections;
  std::array<epoll_event, 256> events{};
  while (!bench::wants_end) {
    int const ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 200);
    if (bench::was_asked(bench::wants_report)) came.report();
    for (int i = 0; i < ready; ++i) {
      auto* const c = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (c == nullptr) {
        for (int taken; (taken = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          int const one = 1;
          setsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          auto fresh = std::make_unique<Connection>(taken, tls, came);
          event.events = EPOLLIN;
          event.data.ptr = fresh.get();
          epoll_ctl(poll, EPOLL_CTL_ADD, taken, &event);
          connections.emplace(fresh.get(), std::move(fresh));
        }
        continue;
      }
      if (!serve(*c, callbacks, streams)) {
        connections.erase(c);
        continue;
      }
      if (bool const wants = c->written < c->out.size(); wants != c->waits_to_write) {
        c->waits_to_write = wants;
        event.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN;
        event.data.ptr = c;
        epoll_ctl(poll, EPOLL_CTL_MOD, c->fd, &event);
      }
    }
    if (bench::was_asked(bench::wants_close)) connections.clear();
  }
  came.report();
}
