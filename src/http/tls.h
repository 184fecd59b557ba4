// TLS over a byte stream, without memory of its own between: OpenSSL's records are read from and written to the stream directly.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "http/tls_settings.h"
#include "http/turns.h"
#include "http/url.h"
#include "io/net.h"

namespace millrace::http {

struct SslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslFree>;
using SslSession = std::unique_ptr<SSL_SESSION, SslFree>;

// How OpenSSL reaches a ByteStream. (Its own socket BIO would raise SIGPIPE.)
struct BioMethodFree {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
using BioMethod = std::shared_ptr<BIO_METHOD>;
BioMethod make_bio_method();

class TlsServer {
 public:
  explicit TlsServer(SslContext context)
      : context_(std::move(context)), method_(make_bio_method()) {}
  SSL_CTX* context() const { return context_.get(); }
  BioMethod const& method() const { return method_; }

 private:
  SslContext context_;
  BioMethod method_;
};

// A byte stream whose bytes are encrypted. handshake() first; then as any ByteStream.
class TlsStream final : public io::ByteStream {
 public:
  TlsStream(std::unique_ptr<io::ByteStream> below, SSL_CTX* context, BioMethod method);
  ~TlsStream() override;

  SSL* ssl() const { return ssl_.get(); }
  // Fails with: unreachable, saying in a sentence why. Unwinds when cancelled; closing the stream ends it. With `turns` each step of
  // computing waits for one.
  io::Task<Result<void>> handshake(std::optional<Turns> turns = {});
  bool resumed() const;               // the handshake took up an earlier session
  std::string version() const;        // "TLSv1.3"
  std::string_view protocol() const;  // chosen by ALPN: "h2"; empty: none
  bool http2() const { return protocol() == "h2"; }
  bool is_ours() const { return ours_; }  // what broke it: memory, say, or our network
  // A certificate is not valid yet, by our clock: whether that is right, others' certificates tell.
  bool is_early() const { return early_; }
  bool wants_other_protocol() const {
    return wants_other_protocol_;
  }  // none that was offered: it broke off
  std::shared_ptr<CertificateFacts const> certificate() const;  // of the peer; null: it showed none
  // Why TLS itself broke, in a sentence; empty: it did not. A server that wants a client certificate may say so behind the handshake.
  std::string const& trouble() const { return reason_; }

  io::Moved try_read(std::span<std::byte> out) override;
  io::Moved try_write(std::span<std::byte const> bytes) override;
  io::Task<Result<void>> readable() override;
  io::Task<Result<void>> writable() override;
  void close() override;
  void say_goodbye();  // tells the peer that no more comes
  int descriptor() const override { return below_->descriptor(); }
  io::Endpoint peer() const override { return below_->peer(); }

  // For OpenSSL.
  io::Moved read_below(std::span<std::byte> out);
  io::Moved write_below(std::span<std::byte const> bytes);

 private:
  friend class TlsClient;
  io::Moved stopped(int result, int usual, bool& other_way);
  void explain(int why);

  BioMethod method_;
  std::unique_ptr<io::ByteStream> below_;
  std::unique_ptr<SSL, SslFree> ssl_;
  std::string reason_;
  std::string expected_name_;
  SslSession* session_ = nullptr;  // where the newest session goes
  std::uint64_t came_ = 0,
                used_ = 0;  // since the last request: bytes from below, and those of the answer
  bool read_waits_for_write_ = false, write_waits_for_read_ = false, broken_ = false, mute_ = false,
       closed_ = false, shaken_ = false, asked_for_certificate_ = false,
       wants_other_protocol_ = false, ours_ = false, early_ = false;
};

std::unique_ptr<TlsStream> tls_accepting(std::unique_ptr<io::ByteStream> below,
                                         TlsServer const& server);

// What all connections of a Client share: trust, settings.
class TlsClient {
 public:
  // Prepares a stream to the host of `url`: its name for SNI and verification. `session` (may hold none) is offered, and takes what
  // the server gives; it must outlive the stream. `http2`: offer it beside HTTP/1.1.
  std::unique_ptr<TlsStream> connecting(std::unique_ptr<io::ByteStream> below, Url const& url,
                                        SslSession& session, bool http2) const;

 private:
  friend Result<std::shared_ptr<TlsClient const>> make_tls_client(TlsSettings const& settings);
  explicit TlsClient(SslContext context)
      : context_(std::move(context)), method_(make_bio_method()) {}
  static int verified(int good, X509_STORE_CTX* store);
  static int new_session(SSL* ssl, SSL_SESSION* session);
  static int asked_for_certificate(SSL* ssl, void* unused);
  SslContext context_;
  BioMethod method_;
};

}  // namespace millrace::http
