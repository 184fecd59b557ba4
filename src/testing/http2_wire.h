// The server's side of HTTP/2, as a test speaks it: frames composed by hand, so that nghttp2 does not test nghttp2, and the client's
// frames read as far as a test asks about them.
//   Use      Http2Host host(sim, network, authority); host.on_request = [](auto& peer, auto& request) { peer.say(...); };
//   Threads  The Sim's. Scripts are called while a frame is read, and may say and close; they do not wait.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"
#include "http/tls.h"
#include "testing/certificates.h"
#include "testing/sim.h"
#include "testing/wire.h"

struct nghttp2_hd_inflater;

namespace millrace::testing {

// RFC 9113 section 6; nothing is checked, so that any of it may be wrong.
namespace h2 {

enum class Type : std::uint8_t {
  data,
  headers,
  priority,
  rst_stream,
  settings,
  push_promise,
  ping,
  goaway,
  window_update,
  continuation
};
inline constexpr std::uint8_t end_stream = 1, ack = 1, end_headers = 4, padded = 8;
enum Setting : std::uint16_t {
  header_table_size = 1,
  enable_push,
  max_concurrent_streams,
  initial_window_size,
  max_frame_size,
  max_header_list_size
};
enum Code : std::uint32_t {
  no_error,
  protocol_error,
  internal_error,
  flow_control_error,
  settings_timeout,
  stream_closed,
  frame_size_error,
  refused_stream,
  cancel,
  compression_error,
  connect_error,
  enhance_your_calm,
  inadequate_security,
  http_1_1_required
};

std::string frame(Type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload);
std::string settings(std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> entries = {});
std::string settings_ack();
// `ends`: the stream (END_STREAM). Their block is whole.
std::string headers(std::uint32_t stream, std::string_view block, bool ends = false);
std::string data(std::uint32_t stream, std::string_view bytes, bool ends = false);
std::string rst_stream(std::uint32_t stream, std::uint32_t code);
std::string goaway(std::uint32_t last, std::uint32_t code, std::string_view text = "");
std::string ping(bool is_ack = false);
std::string window_update(std::uint32_t stream, std::uint32_t by);

// HPACK (RFC 7541), without Huffman codes.
std::string literal(std::string_view name, std::string_view value);  // not indexed
std::string stored(std::string_view name, std::string_view value);   // entry 62 from then on
std::string indexed(std::uint32_t entry);
std::string status(std::string_view code);  // ":status"

}  // namespace h2

// A request as it came.
struct Http2Request {
  std::uint32_t id = 0;
  std::vector<http::Header> fields;
  std::string body;
  bool whole = false;                              // END_STREAM came
  std::optional<std::uint32_t> reset;              // the client gave it up, with this code
  std::string field(std::string_view name) const;  // empty: none
};

class Http2Host;

// One connection that a client made.
class Http2Peer {
 public:
  using Script = std::function<void(Http2Peer&, Http2Request&)>;
  Http2Peer(Http2Host& host, std::unique_ptr<http::TlsStream> stream);
  ~Http2Peer();
  Http2Peer(Http2Peer const&) = delete;
  Http2Peer& operator=(Http2Peer const&) = delete;

  void say(std::string bytes);  // written as the client takes it
  // `bytes` again and again, until the client has closed or has taken `total`.
  void say_for_ever(std::string bytes, std::uint64_t total = 16 << 20);
  void close_when_said();
  void close();
  bool is_over() const { return over_; }              // closed from either side, or broken
  std::uint64_t written() const { return written_; }  // bytes that the network took

  bool reads = true;    // false: what the client sends stays where it is
  bool credits = true;  // opens the windows for what came
  bool acks = true;     // SETTINGS and PING

  // What came.
  bool http2 = false;  // ALPN chose it
  bool preface = false;
  std::map<std::uint16_t, std::uint32_t> settings;
  int settings_acks = 0, ping_acks = 0;
  std::map<std::uint32_t, Http2Request> requests;  // by stream
  std::optional<std::uint32_t> goaway;             // its code
  std::uint64_t credited = 65535;  // bytes of DATA that the connection's window let in, so far
  std::vector<h2::Type> frames;    // the first 1,000, in order

 private:
  friend class Http2Host;
  io::Task<void> serve();
  io::Task<void> serve_http1();
  io::Task<void> write();
  io::Task<void> read_frames();
  void take(h2::Type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload);
  void take_block(std::uint32_t stream, bool ends);
  void take_data(Http2Request& request, std::string_view payload, bool ends);

  Http2Host& host_;
  http::TlsStream& tls_;
  Wire wire_;
  io::Signal said_;
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string out_, again_, block_;
  std::uint64_t written_ = 0, again_until_ = 0;
  bool block_ends_stream_ = false, closes_ = false, closed_ = false, over_ = false;
};

// A host at 127.0.0.1 that chooses h2 where it is offered, and answers HTTP/1.1 otherwise.
class Http2Host {
 public:
  // `network` is the client's, too.
  Http2Host(Sim& sim, io::Network& network, CertificateAuthority const& authority);
  ~Http2Host();
  Http2Host(Http2Host const&) = delete;
  Http2Host& operator=(Http2Host const&) = delete;

  std::string url() const;  // "https://127.0.0.1:40000/hook"

  bool chooses_http2 = true;
  // What meets who does not offer h2, or whom it is not chosen for.
  enum class Otherwise : std::uint8_t {
    http1,       // is chosen, and spoken
    the_end,     // nothing is chosen; behind the handshake the connection is closed
    alert,       // no_application_protocol
    end_chosen,  // HTTP/1.1 is chosen; behind the handshake the connection is closed
  } otherwise = Otherwise::http1;
  // After TLS; without it, an empty SETTINGS is said.
  std::function<void(Http2Peer&)> on_connection;
  Http2Peer::Script on_head, on_request;  // a request's header block, and all of it, has come
  // Of connections without h2: gets a request, gives the answer. Without it: 200, and the request's body.
  std::function<std::string(std::string const&)> on_http1;

  int offers = 0;  // handshakes that offered h2
  int http1_requests = 0;
  std::deque<std::unique_ptr<Http2Peer>> connections;  // of all time, in order
  std::vector<Http2Peer*> peers;                       // those that chose h2, in order
  std::size_t requests() const;                        // that came over HTTP/2
  std::size_t open() const;                            // connections that stand

 private:
  friend class Http2Peer;
  io::Task<void> accept_all();
  static int choose(SSL* ssl, unsigned char const** out, unsigned char* size,
                    unsigned char const* offered, unsigned int offered_size, void* host);

  Sim& sim_;
  std::unique_ptr<http::TlsServer const> tls_;
  std::unique_ptr<io::Acceptor> acceptor_;
  std::size_t running_ = 0;  // tasks
};

}  // namespace millrace::testing
