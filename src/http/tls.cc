#include "http/tls.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/encoding.h"
#include "http/tls_identity.h"

namespace millrace::http {
namespace {

io::ByteStream& below_of(BIO* bio) { return *static_cast<io::ByteStream*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* out, std::size_t size, std::size_t* got) {
  BIO_clear_retry_flags(bio);
  auto const moved = below_of(bio).try_read(std::as_writable_bytes(std::span(out, size)));
  *got = moved.bytes;
  if (moved.state == io::Moved::State::done) return 1;
  if (moved.state == io::Moved::State::again) BIO_set_retry_read(bio);
  if (moved.state == io::Moved::State::failed) errno = moved.code;
  return 0;
}

int bio_write(BIO* bio, char const* bytes, std::size_t size, std::size_t* sent) {
  BIO_clear_retry_flags(bio);
  auto const moved = below_of(bio).try_write(as_bytes(std::string_view(bytes, size)));
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

// What a certificate says of itself is a stranger's text.
std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (char const c : text.substr(0, limit)) out += c >= 0x20 && c < 0x7f ? c : '?';
  if (text.size() > limit) out += "...";
  return out;
}

std::string name_text(X509_NAME const* name) {
  std::unique_ptr<BIO, decltype(&BIO_free)> const memory(BIO_new(BIO_s_mem()), &BIO_free);
  X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  auto const size = BIO_get_mem_data(memory.get(), &text);
  if (size <= 0) return "an authority without a name";
  return printable({text, static_cast<std::size_t>(size)}, 200);
}

std::string names_of(X509* certificate) {
  constexpr int shown = 3;
  std::string text;
  std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> const names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  int const count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count && i < shown; ++i) {
    auto const* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (i > 0) text += ", ";
    if (name->type == GEN_DNS) {
      text += printable({reinterpret_cast<char const*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))},
                        100);
    } else if (name->type == GEN_IPADD) {
      auto const* const data = ASN1_STRING_get0_data(name->d.iPAddress);
      if (ASN1_STRING_length(name->d.iPAddress) == 4)
        text += fmt::format("{}.{}.{}.{}", data[0], data[1], data[2], data[3]);
      else
        text += "an IPv6 address";
    } else {
      text += "something else";
    }
  }
  if (count > shown) text += fmt::format(" and {} more", count - shown);
  return count == 0 ? name_text(X509_get_subject_name(certificate)) : text;
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
  static constexpr unsigned char ours[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, ours, sizeof ours - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

unsigned char const* as_unsigned(std::string_view text) {
  return reinterpret_cast<unsigned char const*>(text.data());
}

std::string reason_of(int error, X509* certificate, std::string const& expected) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "certificate expired on " + date_text(X509_get0_notAfter(certificate));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "certificate is not valid before " + date_text(X509_get0_notBefore(certificate));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("certificate is for {}, not {}", names_of(certificate), expected);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "certificate is signed by itself: " + name_text(X509_get_subject_name(certificate));
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "certificate is issued by an unknown authority: " +
             name_text(X509_get_issuer_name(certificate));
    default:
      return fmt::format("certificate is refused: {}", X509_verify_cert_error_string(error));
  }
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
  BIO_set_data(bio, below_.get());
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
    if (result == 1) co_return Result<void>();
    int const why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_WANT_READ) {
      if (auto ready = co_await below_->readable(); !ready) co_return pass(ready);
    } else if (why == SSL_ERROR_WANT_WRITE) {
      if (auto ready = co_await below_->writable(); !ready) co_return pass(ready);
    } else {
      broken_ = true;
      co_return std::unexpected(handshake_error(why));
    }
  }
}

Error TlsStream::handshake_error(int why) {
  std::string text;
  if (!reason_.empty())
    text = reason_;
  else if (ERR_peek_error() != 0)
    text = "TLS handshake: " + library_error();
  else if (why == SSL_ERROR_SYSCALL && errno != 0)
    text = fmt::format("TLS handshake: {}", std::generic_category().message(errno));
  else
    text = "TLS handshake: the peer closed the connection";
  ERR_clear_error();
  return Error{Fault::unreachable, std::move(text)};
}

bool TlsStream::resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
std::string TlsStream::version() const { return SSL_get_version(ssl_.get()); }

bool TlsStream::http2() const {
  unsigned char const* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
  return size == 2 && chosen[0] == 'h' && chosen[1] == '2';
}

std::shared_ptr<CertificateFacts const> TlsStream::certificate() const {
  auto* const leaf = SSL_get0_peer_certificate(ssl_.get());
  if (leaf == nullptr) return nullptr;
  auto facts = std::make_shared<CertificateFacts>();
  facts->subject = names_of(leaf);
  facts->issuer = name_text(X509_get_issuer_name(leaf));
  facts->valid_to = date_text(X509_get0_notAfter(leaf));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (X509_digest(leaf, EVP_sha256(), digest.data(), &size) == 1)
    for (unsigned i = 0; i < size; ++i) facts->sha256 += fmt::format("{:02x}", digest[i]);
  return facts;
}

// `usual`: what this direction normally waits for.
io::Moved TlsStream::stopped(int result, int usual, bool& other_way) {
  int const why = SSL_get_error(ssl_.get(), result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
    other_way = why != usual;
    return {io::Moved::State::again};
  }
  int const code = errno != 0 ? errno : EPROTO;
  ERR_clear_error();
  if (why == SSL_ERROR_ZERO_RETURN) return {io::Moved::State::ended};
  broken_ = true;
  return {io::Moved::State::failed, 0, code};
}

io::Moved TlsStream::try_read(std::span<std::byte> out) {
  if (broken_ || closed_) return {io::Moved::State::failed, 0, EPIPE};
  ERR_clear_error();
  errno = 0;
  std::size_t bytes = 0;
  int const result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &bytes);
  if (result == 1) return {io::Moved::State::done, bytes};
  return stopped(result, SSL_ERROR_WANT_READ, read_waits_for_write_);
}

io::Moved TlsStream::try_write(std::span<std::byte const> bytes) {
  if (broken_ || closed_) return {io::Moved::State::failed, 0, EPIPE};
  ERR_clear_error();
  errno = 0;
  std::size_t sent = 0;
  int const result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  if (result == 1) return {io::Moved::State::done, sent};
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
  if (broken_ || closed_ || SSL_is_init_finished(ssl_.get()) == 0) return;
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
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, TlsClient::verified);
  SSL_CTX_set_verify_depth(context.get(), 10);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), TlsClient::new_session);
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
  stream->reason_ = certificate != nullptr ? reason_of(error, certificate, stream->expected_name_)
                                           : fmt::format("certificate is refused: {}",
                                                         X509_verify_cert_error_string(error));
  return 0;
}

int TlsClient::new_session(SSL* ssl, SSL_SESSION* session) {
  auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
  if (stream->session_ == nullptr) return 0;
  stream->session_->reset(session);
  return 1;
}

}  // namespace millrace::http
