#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/encoding.h"
#include "http/blame.h"
#include "http/tls_identity.h"
#include "http/tls_reasons.h"

namespace millrace::http {
namespace {

// What may come in TLS without that the answer grows.
constexpr std::uint64_t handshake_bytes = 256 * 1024;
constexpr std::uint64_t free_bytes = 64 * 1024;  // behind each request
constexpr std::uint64_t bytes_for_one =
    64;  // and for each byte of the answer: some send them one by one
constexpr std::size_t max_ticket_bytes = 8 * 1024;

TlsStream& stream_of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* out, std::size_t size, std::size_t* got) {
  BIO_clear_retry_flags(bio);
  auto const moved = stream_of(bio).read_below(std::as_writable_bytes(std::span(out, size)));
  *got = moved.bytes;
  if (moved.state == io::Moved::State::done) return 1;
  if (moved.state == io::Moved::State::again) BIO_set_retry_read(bio);
  if (moved.state == io::Moved::State::failed) errno = moved.code;
  return 0;
}

int bio_write(BIO* bio, char const* bytes, std::size_t size, std::size_t* sent) {
  BIO_clear_retry_flags(bio);
  auto const moved = stream_of(bio).write_below(as_bytes(std::string_view(bytes, size)));
  *sent = moved.bytes;
  if (moved.state == io::Moved::State::done) return 1;
  if (moved.state == io::Moved::State::again) BIO_set_retry_write(bio);
  if (moved.state == io::Moved::State::failed) errno = moved.code;
  return 0;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int bio_begin(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

void common_settings(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_read_ahead(context, 1);
}

int choose_protocol(SSL*, unsigned char const** out, unsigned char* size,
                    unsigned char const* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char ours[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, ours, sizeof ours - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// OpenSSL reads the certificates of a folder one by one, when it looks for them: named by a hash of eight digits.
bool holds_authorities(std::string const& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    auto const name = at->path().filename().string();
    if (name.size() > 9 && name[8] == '.' && name.find_first_not_of("0123456789abcdef") == 8)
      return true;
  }
  return false;
}

// No authority is given, and the system has none: then no endpoint's certificate can be good.
bool trusts_nobody(X509_STORE* store) {
  if (sk_X509_OBJECT_num(X509_STORE_get0_objects(store)) > 0) return false;
  char const* const named = std::getenv(X509_get_default_cert_dir_env());
  std::string_view folders = named != nullptr ? named : X509_get_default_cert_dir();
  for (bool more = true; more;) {
    auto const end = folders.find(':');
    more = end != folders.npos;
    if (holds_authorities(std::string(folders.substr(0, end)))) return false;
    folders.remove_prefix(more ? end + 1 : folders.size());
  }
  return true;
}

unsigned char const* as_unsigned(std::string_view text) {
  return reinterpret_cast<unsigned char const*>(text.data());
}

}  // namespace

BioMethod make_bio_method() {
  BioMethod method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace stream"),
                   BioMethodFree());
  check(method != nullptr, "OpenSSL has memory");
  BIO_meth_set_read_ex(method.get(), bio_read);
  BIO_meth_set_write_ex(method.get(), bio_write);
  BIO_meth_set_ctrl(method.get(), bio_control);
  BIO_meth_set_create(method.get(), bio_begin);
  return method;
}

TlsStream::TlsStream(std::unique_ptr<io::ByteStream> below, SSL_CTX* context, BioMethod method)
    : method_(std::move(method)), below_(std::move(below)), ssl_(SSL_new(context)) {
  auto* const bio = BIO_new(method_.get());
  check(ssl_ != nullptr && bio != nullptr, "OpenSSL has memory");
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
}

TlsStream::~TlsStream() { close(); }

io::Task<Result<void>> TlsStream::handshake(std::optional<Turns> turns) {
  for (;;) {
    if (turns) co_await turns->next();
    ERR_clear_error();
    errno = 0;
    int const result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      shaken_ = true;
      came_ = 0;
      co_return Result<void>();
    }
    int const why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_WANT_READ) {
      if (auto ready = co_await below_->readable(); !ready) co_return pass(ready);
    } else if (why == SSL_ERROR_WANT_WRITE) {
      if (auto ready = co_await below_->writable(); !ready) co_return pass(ready);
    } else {
      broken_ = true;
      explain(why);
      co_return fail(Fault::unreachable, reason_);
    }
  }
}

void TlsStream::explain(int why) {
  wants_other_protocol_ = wants_other_protocol_ || is_about_alpn(ERR_peek_error());
  if (auto const code = ERR_peek_error(); code != 0)
    ours_ = ours_ || (reason_.empty() && blame_of_tls(code) == Blame::ours);
  else
    ours_ = ours_ || (why == SSL_ERROR_SYSCALL && blame_of_errno(errno) == Blame::ours);
  if (reason_.empty() && ERR_peek_error() != 0)
    reason_ = tls_trouble(ERR_peek_error(), {.shaken = shaken_,
                                             .asked = asked_for_certificate_,
                                             .had_one = SSL_get_certificate(ssl_.get()) != nullptr,
                                             .server = expected_name_});
  else if (reason_.empty() && why == SSL_ERROR_SYSCALL && errno != 0)
    reason_ = fmt::format("TLS handshake: {}", std::generic_category().message(errno));
  else if (reason_.empty())
    reason_ = "TLS handshake: the server closed the connection";
  ERR_clear_error();
}

// Whatever OpenSSL takes for its own messages costs us time within one call, and an endpoint may send them without end.
io::Moved TlsStream::read_below(std::span<std::byte> out) {
  auto const moved = below_->try_read(out);
  if (moved.state != io::Moved::State::done) return moved;
  came_ += moved.bytes;
  if (came_ <= (shaken_ ? free_bytes + bytes_for_one * used_ : handshake_bytes)) return moved;
  reason_ = "the server sends TLS messages without end";
  return {io::Moved::State::failed, 0, EPROTO};
}

io::Moved TlsStream::write_below(std::span<std::byte const> bytes) {
  return below_->try_write(bytes);
}

bool TlsStream::resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
std::string TlsStream::version() const { return SSL_get_version(ssl_.get()); }

std::string_view TlsStream::protocol() const {
  unsigned char const* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
  return {reinterpret_cast<char const*>(chosen), size};
}

std::shared_ptr<CertificateFacts const> TlsStream::certificate() const {
  auto* const leaf = SSL_get0_peer_certificate(ssl_.get());
  if (leaf == nullptr) return nullptr;
  return std::make_shared<CertificateFacts const>(facts_of(leaf));
}

// `usual`: what this direction normally waits for.
io::Moved TlsStream::stopped(int result, int usual, bool& other_way) {
  int const why = SSL_get_error(ssl_.get(), result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
    other_way = why != usual;
    return {io::Moved::State::again};
  }
  int const code = errno != 0 ? errno : EPROTO;
  if (why == SSL_ERROR_SSL) explain(why);
  ERR_clear_error();
  if (why == SSL_ERROR_ZERO_RETURN) return {io::Moved::State::ended};
  // A server that sent an alert and closed lets a write fail before the alert is read.
  (usual == SSL_ERROR_WANT_WRITE && why == SSL_ERROR_SYSCALL ? mute_ : broken_) = true;
  return {io::Moved::State::failed, 0, code};
}

io::Moved TlsStream::try_read(std::span<std::byte> out) {
  if (broken_ || closed_) return {io::Moved::State::failed, 0, EPIPE};
  ERR_clear_error();
  errno = 0;
  std::size_t bytes = 0;
  int const result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &bytes);
  if (result == 1) {
    used_ += bytes;
    return {io::Moved::State::done, bytes};
  }
  return stopped(result, SSL_ERROR_WANT_READ, read_waits_for_write_);
}

io::Moved TlsStream::try_write(std::span<std::byte const> bytes) {
  if (broken_ || mute_ || closed_) return {io::Moved::State::failed, 0, EPIPE};
  ERR_clear_error();
  errno = 0;
  std::size_t sent = 0;
  int const result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  if (result == 1) {
    came_ = used_ = 0;
    return {io::Moved::State::done, sent};
  }
  auto const moved = stopped(result, SSL_ERROR_WANT_WRITE, write_waits_for_read_);
  return moved.state == io::Moved::State::ended ? io::Moved{io::Moved::State::failed, 0, EPIPE}
                                                : moved;
}

io::Task<Result<void>> TlsStream::readable() {
  return read_waits_for_write_ ? below_->writable() : below_->readable();
}
io::Task<Result<void>> TlsStream::writable() {
  return write_waits_for_read_ ? below_->readable() : below_->writable();
}

void TlsStream::say_goodbye() {
  if (broken_ || mute_ || closed_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsStream::close() {
  if (closed_) return;
  say_goodbye();
  closed_ = true;
  below_->close();
}

std::unique_ptr<TlsStream> tls_accepting(std::unique_ptr<io::ByteStream> below,
                                         TlsServer const& server) {
  auto stream = std::make_unique<TlsStream>(std::move(below), server.context(), server.method());
  SSL_set_accept_state(stream->ssl());
  return stream;
}

Result<std::shared_ptr<TlsServer const>> make_tls_server(std::string const& certificate_file,
                                                         std::string const& key_file) {
  for (auto const& file : {certificate_file, key_file})
    if (::access(file.c_str(), R_OK) != 0)
      return fail(Fault::missing,
                  fmt::format("{}: {}", file, std::generic_category().message(errno)));
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail(Fault::io, "TLS: " + library_error());
  common_settings(context.get());
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1)
    return fail(Fault::invalid,
                fmt::format("{}: no PEM certificate: {}", certificate_file, library_error()));
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(Fault::invalid,
                fmt::format("{}: no key of this certificate: {}", key_file, library_error()));
  return std::make_shared<TlsServer const>(std::move(context));
}

Result<std::shared_ptr<TlsClient const>> make_tls_client(TlsSettings const& settings) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return fail(Fault::io, "TLS: " + library_error());
  common_settings(context.get());
  if (settings.base) {
    trust_as(context.get(), settings.base->context_.get(), !settings.extra_ca.empty());
  } else {
    SSL_CTX_set_default_verify_paths(context.get());
    ERR_clear_error();  // a machine without a trust store says so at each endpoint
  }
  if (!settings.base && !settings.extra_ca_file.empty()) {
    if (::access(settings.extra_ca_file.c_str(), R_OK) != 0)
      return fail(Fault::missing, fmt::format("{}: {}", settings.extra_ca_file,
                                              std::generic_category().message(errno)));
    if (SSL_CTX_load_verify_file(context.get(), settings.extra_ca_file.c_str()) != 1)
      return fail(Fault::invalid, fmt::format("{}: no PEM certificates: {}", settings.extra_ca_file,
                                              library_error()));
  }
  TlsIdentity const identity(settings);
  if (auto const& faults = identity.faults(); !faults.empty())
    return fail(Fault::invalid, subject_of(faults.front().part) + faults.front().what);
  if (auto const applied = identity.apply(context.get()); !applied) return pass(applied);
  // No signature of SHA-1, whatever the system's own file of settings says.
  if (SSL_CTX_get_security_level(context.get()) < 1) SSL_CTX_set_security_level(context.get(), 1);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, TlsClient::verified);
  SSL_CTX_set_verify_depth(context.get(), 10);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), TlsClient::new_session);
  SSL_CTX_set_cert_cb(context.get(), TlsClient::asked_for_certificate, nullptr);
  return std::shared_ptr<TlsClient const>(new TlsClient(std::move(context)));
}

std::unique_ptr<TlsStream> TlsClient::connecting(std::unique_ptr<io::ByteStream> below,
                                                 Url const& url, SslSession& session,
                                                 bool http2) const {
  auto stream = std::make_unique<TlsStream>(std::move(below), context_.get(), method_);
  auto* const ssl = stream->ssl();
  stream->expected_name_ = url.host;
  stream->session_ = &session;
  if (url.is_ip) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url.host.c_str());
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, url.host.c_str());
    SSL_set_tlsext_host_name(ssl, url.host.c_str());
  }
  static constexpr std::string_view protocols = "\x02h2\x08http/1.1";
  auto const offered = protocols.substr(http2 ? 0 : 3);
  SSL_set_alpn_protos(ssl, as_unsigned(offered), static_cast<unsigned>(offered.size()));
  if (session) SSL_set_session(ssl, session.get());
  SSL_set_connect_state(ssl);
  return stream;
}

int TlsClient::verified(int good, X509_STORE_CTX* store) {
  if (good == 1) return 1;
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
  auto* const certificate = X509_STORE_CTX_get_current_cert(store);
  int const error = X509_STORE_CTX_get_error(store);
  stream->reason_ = certificate_trouble(error, certificate, stream->expected_name_);
  auto const blame = blame_of_certificate(error);
  stream->ours_ = blame == Blame::ours;
  stream->early_ = blame == Blame::ambiguous;
  if (is_about_authority(error) && trusts_nobody(X509_STORE_CTX_get0_store(store))) {
    stream->ours_ = true;
    stream->reason_ += "; this machine trusts no authority at all (on Debian: ca-certificates)";
  }
  return 0;
}

int TlsClient::asked_for_certificate(SSL* ssl, void*) {
  static_cast<TlsStream*>(SSL_get_app_data(ssl))->asked_for_certificate_ = true;
  return 1;
}

int TlsClient::new_session(SSL* ssl, SSL_SESSION* session) {
  auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
  unsigned char const* ticket = nullptr;
  std::size_t ticket_bytes = 0;
  SSL_SESSION_get0_ticket(session, &ticket, &ticket_bytes);
  // It is held for as long as the origin is known, and sent whole with each new connection.
  if (stream->session_ == nullptr || ticket_bytes > max_ticket_bytes) return 0;
  stream->session_->reset(session);
  return 1;
}

}  // namespace millrace::http
