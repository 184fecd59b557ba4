#include "testing/http2_wire.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/encoding.h"

namespace millrace::testing {

namespace h2 {
namespace {

std::string number(std::uint32_t value, int bytes) {
  std::string text;
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
    text += static_cast<char>(value >> shift & 0xff);
  return text;
}

// RFC 7541 section 5.1: `prefix` bits of the first byte, whose others are `first`.
std::string integer(std::uint32_t value, unsigned prefix, unsigned first) {
  auto const most = (1U << prefix) - 1;
  if (value < most) return {static_cast<char>(first | value)};
  std::string text{static_cast<char>(first | most)};
  for (value -= most; value >= 128; value >>= 7) text += static_cast<char>((value & 127) | 128);
  return text += static_cast<char>(value);
}

std::string sized(std::string_view text) {
  return integer(static_cast<std::uint32_t>(text.size()), 7, 0).append(text);
}

}  // namespace

std::string frame(Type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  auto head = number(static_cast<std::uint32_t>(payload.size()), 3);
  head += static_cast<char>(type);
  head += static_cast<char>(flags);
  return head.append(number(stream, 4)).append(payload);
}

std::string settings(std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> entries) {
  std::string payload;
  for (auto const& [id, value] : entries) payload += number(id, 2) + number(value, 4);
  return frame(Type::settings, 0, 0, payload);
}

std::string settings_ack() { return frame(Type::settings, ack, 0, ""); }

std::string headers(std::uint32_t stream, std::string_view block, bool ends) {
  return frame(Type::headers, end_headers | (ends ? end_stream : 0), stream, block);
}

std::string data(std::uint32_t stream, std::string_view bytes, bool ends) {
  return frame(Type::data, ends ? end_stream : 0, stream, bytes);
}

std::string rst_stream(std::uint32_t stream, std::uint32_t code) {
  return frame(Type::rst_stream, 0, stream, number(code, 4));
}

std::string goaway(std::uint32_t last, std::uint32_t code, std::string_view text) {
  return frame(Type::goaway, 0, 0, (number(last, 4) + number(code, 4)).append(text));
}

std::string ping(bool is_ack) { return frame(Type::ping, is_ack ? ack : 0, 0, "whothere"); }

std::string window_update(std::uint32_t stream, std::uint32_t by) {
  return frame(Type::window_update, 0, stream, number(by, 4));
}

std::string literal(std::string_view name, std::string_view value) {
  return '\0' + sized(name) + sized(value);
}

std::string stored(std::string_view name, std::string_view value) {
  return '\x40' + sized(name) + sized(value);
}

std::string indexed(std::uint32_t entry) { return integer(entry, 7, 0x80); }

std::string status(std::string_view code) {
  if (code == "200") return indexed(8);
  return integer(8, 4, 0) + sized(code);
}

}  // namespace h2

namespace {

constexpr std::string_view preface_text = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::uint32_t number_at(std::string_view bytes, std::size_t at, int size) {
  std::uint32_t value = 0;
  for (int i = 0; i < size; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

using PemText = std::unique_ptr<BIO, decltype(&BIO_free)>;
PemText pem_text(std::string const& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

http::SslContext context_of(Certificate const& certificate) {
  http::SslContext context(SSL_CTX_new(TLS_server_method()));
  check(context != nullptr, "OpenSSL has memory");
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  std::unique_ptr<X509, decltype(&X509_free)> const leaf(
      PEM_read_bio_X509(pem_text(certificate.certificate_pem).get(), nullptr, nullptr, nullptr),
      &X509_free);
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key(
      PEM_read_bio_PrivateKey(pem_text(certificate.key_pem).get(), nullptr, nullptr, nullptr),
      &EVP_PKEY_free);
  check(SSL_CTX_use_certificate(context.get(), leaf.get()) == 1 &&
            SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1,
        "the host has a certificate");
  return context;
}

}  // namespace

std::string Http2Request::field(std::string_view name) const {
  return std::string(http::find_header(fields, name).value_or(""));
}

Http2Peer::Http2Peer(Http2Host& host, std::unique_ptr<http::TlsStream> stream)
    : host_(host), tls_(*stream), wire_(std::move(stream)), said_(host.sim_.executor()) {
  check(nghttp2_hd_inflate_new(&inflater_) == 0, "nghttp2 has memory");
}

Http2Peer::~Http2Peer() { nghttp2_hd_inflate_del(inflater_); }

void Http2Peer::say(std::string bytes) {
  out_ += bytes;
  said_.notify();
}

void Http2Peer::say_for_ever(std::string bytes, std::uint64_t total) {
  again_ = std::move(bytes);
  again_until_ = written_ + out_.size() + total;
  said_.notify();
}

void Http2Peer::close_when_said() {
  closes_ = true;
  said_.notify();
}

void Http2Peer::close() {
  closed_ = true;
  wire_.close();
  said_.notify();
}

io::Task<void> Http2Peer::serve() {
  if (auto const secured = co_await tls_.handshake(); secured) {
    http2 = tls_.http2();
    if (http2) {
      host_.peers.push_back(this);
      if (host_.on_connection)
        host_.on_connection(*this);
      else
        say(h2::settings());
    }
    ++host_.running_;
    host_.sim_.start(write());
    co_await (http2 ? read_frames() : serve_http1());
  }
  over_ = true;
  close();
  --host_.running_;
}

io::Task<void> Http2Peer::serve_http1() {
  if (host_.otherwise != Http2Host::Otherwise::http1) co_return;
  for (;;) {
    auto const request = co_await wire_.read_message();
    if (!request.contains("\r\n\r\n")) co_return;
    ++host_.http1_requests;
    auto const body = request.substr(request.find("\r\n\r\n") + 4);
    say(host_.on_http1
            ? host_.on_http1(request)
            : fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
  }
}

io::Task<void> Http2Peer::write() {
  while (!closed_) {
    if (out_.empty() && !again_.empty() && written_ < again_until_) {
      while (out_.size() < 16U * 1024) out_ += again_;
    }
    if (out_.empty()) {
      if (closes_) close();
      if (closed_) break;
      co_await said_.wait();
      continue;
    }
    auto const moved = wire_.stream().try_write(as_bytes(out_));
    if (moved.state == io::Moved::State::done) {
      written_ += moved.bytes;
      out_.erase(0, moved.bytes);
    } else if (moved.state != io::Moved::State::again) {
      close();
    } else if (auto const ready = co_await wire_.stream().writable(); !ready) {
      break;
    }
  }
  --host_.running_;
}

io::Task<void> Http2Peer::read_frames() {
  auto const start = co_await wire_.read_count(preface_text.size());
  preface = start == preface_text;
  if (!preface) co_return;
  for (;;) {
    while (!reads && !closed_) co_await said_.wait();
    auto const head = co_await wire_.read_count(9);
    if (head.size() < 9) co_return;
    auto const payload = co_await wire_.read_count(number_at(head, 0, 3));
    if (payload.size() < number_at(head, 0, 3)) co_return;
    take(h2::Type(head[3]), static_cast<std::uint8_t>(head[4]), number_at(head, 5, 4), payload);
  }
}

void Http2Peer::take(h2::Type type, std::uint8_t flags, std::uint32_t stream,
                     std::string_view payload) {
  if (frames.size() < 1000) frames.push_back(type);
  bool const is_ack = (flags & h2::ack) != 0;
  switch (type) {
    case h2::Type::settings:
      settings_acks += is_ack ? 1 : 0;
      for (std::size_t at = 0; at + 6 <= payload.size(); at += 6)
        settings[static_cast<std::uint16_t>(number_at(payload, at, 2))] =
            number_at(payload, at + 2, 4);
      if (!is_ack && acks) say(h2::settings_ack());
      break;
    case h2::Type::ping:
      ping_acks += is_ack ? 1 : 0;
      if (!is_ack && acks) say(h2::frame(type, h2::ack, 0, payload));
      break;
    case h2::Type::headers:
      check((flags & h2::padded) == 0, "the client does not pad");
      block_ = payload.substr((flags & 0x20) != 0 ? 5 : 0);
      block_ends_stream_ = (flags & h2::end_stream) != 0;
      if ((flags & h2::end_headers) != 0) take_block(stream, block_ends_stream_);
      break;
    case h2::Type::continuation:
      block_ += payload;
      if ((flags & h2::end_headers) != 0) take_block(stream, block_ends_stream_);
      break;
    case h2::Type::data:
      take_data(requests[stream], payload, (flags & h2::end_stream) != 0);
      break;
    case h2::Type::rst_stream:
      requests[stream].reset = number_at(payload, 0, 4);
      break;
    case h2::Type::goaway:
      goaway = number_at(payload, 4, 4);
      break;
    case h2::Type::window_update:
      credited += stream == 0 ? number_at(payload, 0, 4) : 0;
      break;
    case h2::Type::priority:
    case h2::Type::push_promise:
      break;
  }
}

void Http2Peer::take_block(std::uint32_t stream, bool ends) {
  auto& request = requests[stream];
  request.id = stream;
  auto const* at = reinterpret_cast<std::uint8_t const*>(block_.data());
  auto left = block_.size();
  for (bool decoding = true; decoding;) {
    nghttp2_nv field{};
    int flags = 0;
    auto const used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
    check(used >= 0, "the client's header block can be decoded");
    at += used;
    left -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
      request.fields.push_back({{reinterpret_cast<char const*>(field.name), field.namelen},
                                {reinterpret_cast<char const*>(field.value), field.valuelen}});
    decoding = (flags & NGHTTP2_HD_INFLATE_EMIT) != 0 || left > 0;
  }
  nghttp2_hd_inflate_end_headers(inflater_);
  if (host_.on_head) host_.on_head(*this, request);
  request.whole = ends;
  if (ends && host_.on_request) host_.on_request(*this, request);
}

void Http2Peer::take_data(Http2Request& request, std::string_view payload, bool ends) {
  request.body += payload;
  if (credits && !payload.empty()) {
    auto const size = static_cast<std::uint32_t>(payload.size());
    say(h2::window_update(0, size) + (ends ? "" : h2::window_update(request.id, size)));
  }
  request.whole = ends;
  if (ends && host_.on_request) host_.on_request(*this, request);
}

Http2Host::Http2Host(Sim& sim, io::Network& network, CertificateAuthority const& authority)
    : sim_(sim) {
  LeafRequest leaf;
  leaf.addresses = {"127.0.0.1"};
  auto context = context_of(authority.leaf(leaf));
  SSL_CTX_set_alpn_select_cb(context.get(), choose, this);
  tls_ = std::make_unique<http::TlsServer const>(std::move(context));
  auto acceptor =
      network.listen(sim.executor(), io::Endpoint(boost::asio::ip::address_v4::loopback(), 0));
  check(acceptor.has_value(), "loopback can be listened on");
  acceptor_ = std::move(*acceptor);
  ++running_;
  sim.start(accept_all());
}

Http2Host::~Http2Host() {
  acceptor_->close();
  for (auto const& connection : connections) connection->close();
  sim_.run_until([&] { return running_ == 0; });
}

io::Task<void> Http2Host::accept_all() {
  for (;;) {
    auto stream = co_await acceptor_->accept(sim_.executor());
    if (!stream) break;
    connections.push_back(
        std::make_unique<Http2Peer>(*this, http::tls_accepting(std::move(*stream), *tls_)));
    ++running_;
    sim_.start(connections.back()->serve());
  }
  --running_;
}

int Http2Host::choose(SSL*, unsigned char const** out, unsigned char* size,
                      unsigned char const* offered, unsigned int offered_size, void* host) {
  auto& self = *static_cast<Http2Host*>(host);
  std::string_view const list(reinterpret_cast<char const*>(offered), offered_size);
  bool const http2 = list.contains(std::string_view("\x02h2"));
  self.offers += http2 ? 1 : 0;
  static constexpr unsigned char both[] = "\x02h2\x08http/1.1";
  bool const chosen = self.chooses_http2 && http2;
  if (!chosen && self.otherwise == Otherwise::the_end) return SSL_TLSEXT_ERR_NOACK;
  if (!chosen && self.otherwise == Otherwise::alert) return SSL_TLSEXT_ERR_ALERT_FATAL;
  auto const* const from = chosen ? both : both + 3;
  *out = from + 1;
  *size = *from;
  return SSL_TLSEXT_ERR_OK;
}

std::string Http2Host::url() const {
  return fmt::format("https://127.0.0.1:{}/hook", acceptor_->local().port());
}

std::size_t Http2Host::requests() const {
  std::size_t count = 0;
  for (auto const* const peer : peers) count += peer->requests.size();
  return count;
}

std::size_t Http2Host::open() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(connections, [](auto const& one) { return !one->is_over(); }));
}

}  // namespace millrace::testing
