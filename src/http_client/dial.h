// Getting a connection to one of an origin's addresses: tried in turn with a head start, the first that is ready (with TLS) wins.
//   Time     The next address is tried as soon as one fails, after 200 ms without a connection, and after connect_time without TLS.
//            When connect_time has passed since the last one was begun, all have failed.
//   Threads  One loop's. Lifetime: who waits may go away at any time; cancel() then ends the attempts.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/tls.h"
#include "http/turns.h"
#include "http/went_well.h"
#include "http_client/client.h"

namespace millrace::http::client {

struct DialNeeds {
  io::Network& network;
  io::Clock& clock;
  std::shared_ptr<TlsClient const> tls;
  Duration connect_time;
  bool http2 = false;            // offer it
  std::optional<Turns> turns{};  // of the TLS handshakes of a loop; none: they need not wait
  std::shared_ptr<WentWell> certificates{};  // whose were good
};

class Dial : public std::enable_shared_from_this<Dial> {
 public:
  // `session`: the origin's; `owner` keeps it alive while attempts run.
  Dial(DialNeeds needs, io::Executor const& loop, Url const& url,
       std::vector<boost::asio::ip::address> addresses, SslSession& session,
       std::shared_ptr<void> owner);

  // Starts what is due now. Call it first, then after each wake of `changed`, and ten times a second.
  void go_on();
  void cancel() { tasks_.cancel(); }
  io::Signal changed;

  bool over() const {
    return stream_ != nullptr || gave_up_ || (running_ == 0 && next_ == addresses_.size());
  }
  // When over: the ready stream, or null, and then why.
  std::unique_ptr<io::ByteStream> take_stream() { return std::move(stream_); }
  Trouble trouble() const { return trouble_; }
  Phase reached() const { return reached_; }
  std::string const& reason() const { return reason_; }  // of each address that came so far
  std::string const& tls_version() const { return tls_version_; }
  std::shared_ptr<CertificateFacts const> const& certificate() const { return certificate_; }
  std::string const& protocol() const {
    return protocol_;
  }  // that the peer chose: "h2"; empty: none
  bool wants_other_protocol() const {
    return wants_other_protocol_;
  }  // a peer takes none that we offer
  Duration connect_took() const { return connect_took_; }
  Duration tls_took() const { return tls_took_; }

 private:
  io::Task<void> attempt(io::Endpoint to);
  bool is_clock_right() const;
  void failed(Phase where, Trouble trouble, std::string reason);
  void give_up();

  DialNeeds needs_;
  Url url_;
  std::vector<boost::asio::ip::address> addresses_;
  SslSession& session_;
  std::shared_ptr<void> owner_;
  io::TaskScope tasks_;
  std::size_t next_ = 0, running_ = 0;
  bool connected_ = false;  // the newest attempt has a connection
  bool gave_up_ = false;
  SteadyTime newest_at_{};
  std::unique_ptr<io::ByteStream> stream_;
  Trouble trouble_ = Trouble::refused;
  Phase reached_ = Phase::connect,
        said_of_ = Phase::connect;  // any attempt; the one that `reason_` is of
  std::string reason_, tls_version_;
  std::shared_ptr<CertificateFacts const> certificate_;
  std::string protocol_;
  bool wants_other_protocol_ = false;
  Duration connect_took_{}, tls_took_{};
};

}  // namespace millrace::http::client
