// HTTP/1.1, serving side: keep-alive, pipelining, limits. One handler gets whole requests.
//   Threads  The acceptor's loop accepts; connections are spread over `loops`; the handler runs on the connection's loop.
//   Handler  Returns an answer; what it throws becomes a 500. One request at a time for each connection, answers in order.
//   Limits   Each is in ServerLimits; what exceeds one is answered (413, 431, 408, 503) and the connection closed.
//   Bodies   Before a byte of a body is read that has not come with its head, an Admission says by the head alone which share of the memory it
//            belongs to. A full share makes its own bodies wait, unread, and refuses them in the end (503); others do not notice.
//   Places   When connections are short, the one that rests longest between requests is closed for the new one.
//   Answers  Of a BodySource go at the pace of the reader: HTTP/1.1 sends them in chunks, HTTP/1.0 until the connection ends, and of an answer
//            to HEAD nothing is asked for.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/address_range.h"
#include "http/message.h"
#include "http/tls_settings.h"
#include "http_server/pace.h"
#include "http_server/refusals.h"
#include "io/clock.h"
#include "io/net.h"
#include "io/task.h"

namespace millrace::http::server {

// A part of the memory for bodies, of all together who show the same in the heads of their requests.
struct BodyShare {
  std::string name;       // the same name, the same share; never logged
  std::string_view kind;  // of few, a literal: "stranger", "key"; for counters and the log
  std::size_t bytes = 0;  // at most, of all its bodies together
  std::size_t bodies = 0;
  Duration patience{};  // how long a body waits for room, unread, before it is refused
};
// Whose a body is. The request has no body yet, and nothing of it is proven. On the connection's loop; it neither waits nor throws.
using Admission = std::function<BodyShare(ServerRequest const&)>;

struct ServerLimits {
  std::size_t body_bytes = 14 * 1024 * 1024;
  std::size_t header_bytes = 64 * 1024;
  std::size_t headers = 200;
  std::size_t target_bytes = 16 * 1024;
  std::size_t connections = 8192;
  std::size_t handshakes = 256;  // of TLS, under way at a time; more wait to be accepted
  std::size_t connections_per_address =
      2048;  // of an IPv4 address or an IPv6 /64; trusted proxies have no limit
  std::vector<AddressRange> trusted_proxies = {};
  std::size_t bodies_in_memory =
      512 * 1024 *
      1024;  // of all requests under way together, but for what came with a head (16 KiB)
  Duration head_time = std::chrono::seconds(15);  // from the first byte to the end of the head
  Duration idle_time = std::chrono::seconds(75);
  Pace body_pace{.first = std::chrono::seconds(5),
                 .most = std::chrono::seconds(10),
                 .bytes_per_second = 16 * 1024};  // of a body that comes
  Pace write_pace{.first = std::chrono::seconds(60),
                  .most = std::chrono::seconds(60),
                  .bytes_per_second = 16 * 1024};  // of an answer that is read
};

// Destroy it after drain() has ended, or when its loops run no more.
class Server {
 public:
  virtual ~Server() = default;
  virtual io::Endpoint local() const = 0;
  // Stops accepting; the listening socket stays open when it was adopted (its backlog queues for the next process).
  virtual void stop_accepting() = 0;
  // Lets each connection finish the request that it is in, closes the idle ones, and ends; what is left at `deadline` is cut.
  virtual io::Task<void> drain(SteadyTime deadline) = 0;
  // Any thread, both.
  virtual std::size_t connections() const = 0;
  virtual RefusalCounts refused() const = 0;
  // Of a server of https: the certificate that handshakes show from now on. Any thread.
  virtual void renew(std::shared_ptr<TlsServer const> tls) = 0;
};

// `loops`: where connections live, at least one; they must outlive the Server. `tls`: none serves plain http. `admission`: none gives all
// bodies one share, the whole.
std::unique_ptr<Server> serve(std::unique_ptr<io::Acceptor> acceptor, io::Executor accept_loop,
                              std::vector<io::Executor> loops, Handler handler, io::Clock& clock,
                              ServerLimits limits = {},
                              std::shared_ptr<TlsServer const> tls = nullptr,
                              Admission admission = nullptr);

}  // namespace millrace::http::server
