// HTTP, asking side: one exchange with an origin, over kept connections, against endpoints that may be hostile.
//   Success   is not decided here: the caller sees the status of the final answer, and whether its header block was complete in time.
//   Deadline  One for names, connect, TLS and answer together (Ask::deadline). Names, and each address with its TLS, have shorter ones
//             within it (ClientLimits): when the last address has used up its own, the ask ends.
//   Bounds    16 interim answers, 256 KiB of headers, 64 KiB of kept body; nothing is decoded, no redirect followed, no cookie kept.
//   Threads   A Client belongs to one loop.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "http/guard.h"
#include "http/message.h"
#include "http/tls_settings.h"
#include "http/url.h"
#include "io/clock.h"
#include "io/net.h"

namespace millrace::http::client {

enum class Phase : std::uint8_t { dns, connect, tls, send, answer, done };

struct Ask {
  std::string_view method = "POST";
  Url const* url = nullptr;  // outlives the call
  // Extra header lines, each ended by CRLF; never Host, Content-Length, Connection. `head`: the same at each ask of this caller;
  // `fresh`: of this ask alone.
  std::string_view head{}, fresh{};
  std::string_view body{};
  // Null: the Client's own. Connections are shared only where it is the same.
  std::shared_ptr<TlsClient const> tls{};
  Duration deadline = std::chrono::seconds(15);
  std::size_t kept_body = 64 * 1024;  // bytes of the answer's body that are kept
};

enum class Trouble : std::uint8_t {
  none,      // an answer came
  timeout,   // the deadline passed before the header block was complete, or that of connecting
  dns,       // the name does not resolve
  resolver,  // our resolver does not answer at all (own side)
  refused,   // the guard forbids the address, or nobody listens, or the network says no
  tls,       // no trust, wrong name, handshake broken
  broken,    // the connection ended before the header block was complete
  protocol,  // what came is not HTTP, or goes beyond the bounds
  own_side,  // no descriptors, no memory
};

struct Answer {
  Trouble trouble = Trouble::none;
  Phase reached = Phase::done;  // how far it came
  std::string
      reason;  // for people; of any trouble, and of what was odd about a success ("slow body", "bad framing")
  int status = 0;
  std::vector<Header> headers;  // at most 16 KiB are kept
  std::string body;             // at most Ask::kept_body
  bool body_cut = false;        // there was more, or it did not end in time
  bool reused = false, resent = false;
  bool crowded =
      false;  // it waited long for a connection: the origin takes no more of them, or we open no more
  bool http2 = false;
  std::string address;      // of the peer
  std::string tls_version;  // "TLSv1.3"; empty: plain, or not so far
  std::shared_ptr<CertificateFacts const> certificate;
  // Each phase's own length; zero where it did not happen. `answer`: from the request to the end of the header block; `first_byte`
  // of it, to the first byte that came; `body_time`: behind it.
  Duration dns{}, connect{}, tls{}, first_byte{}, answer{}, body_time{};
};

struct ClientLimits {
  std::size_t connections = 4096;
  std::size_t connections_per_origin = 256;
  bool http2 = true;  // offered (ALPN) once `http2_from` asks are under way to an origin
  std::size_t http2_from = 8;
  std::size_t streams_per_connection = 100;  // of HTTP/2, at most; a peer may want fewer
  Duration idle_time = std::chrono::seconds(50);
  Duration dns_time = std::chrono::seconds(3);
  Duration connect_time = std::chrono::seconds(5);  // of each address, with TLS
  std::string name_servers{};  // "127.0.0.1:5353,...": instead of the system's, for tests
};

class Client {
 public:
  virtual ~Client() = default;
  // Always answers, at the deadline at the latest; Answer::trouble says what went wrong. Unwinds when cancelled.
  virtual io::Task<Answer> ask(Ask ask) = 0;
  virtual std::size_t open_connections() const = 0;  // at work and kept
};

// Fails as make_tls_client. `guard`, `clock`, `network` outlive the Client.
Result<std::unique_ptr<Client>> make_client(io::Executor loop, io::Network& network,
                                            io::Clock& clock, Guard const& guard, TlsSettings tls,
                                            ClientLimits limits = {});

}  // namespace millrace::http::client
