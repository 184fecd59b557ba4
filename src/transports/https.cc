#include "transports/https.h"

#include <algorithm>
#include <string>

#include "base/version.h"
#include "model/event_block.h"
#include "transports/harmless.h"
#include "transports/retry_after.h"
#include "transports/tls_clients.h"

namespace millrace::transports {
namespace {

using delivery::Entry;
using delivery::Outcome;
using model::FailureClass;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The model refuses these already; what is on a disk is not trusted to be what the model wrote.
bool may_add(std::string_view name, std::string_view value) {
  auto const is_token = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  };
  std::string small(name);
  std::ranges::transform(small, small.begin(), lower);
  static constexpr std::string_view ours[] = {"host",
                                              "content-length",
                                              "content-type",
                                              "connection",
                                              "transfer-encoding",
                                              "te",
                                              "trailer",
                                              "upgrade",
                                              "keep-alive",
                                              "proxy-connection",
                                              "proxy-authorization",
                                              "expect",
                                              "user-agent"};
  return !small.empty() && std::ranges::all_of(small, is_token) &&
         std::ranges::find(ours, small) == std::end(ours) && !small.starts_with("millrace-") &&
         std::ranges::all_of(value, [](char c) {
           auto const byte = static_cast<unsigned char>(c);
           return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
         });
}

// A header's value made of an event's name, which is a producer's text.
std::string header_safe(std::string_view text) {
  std::string safe(text.substr(0, model::Limits::name_bytes));
  for (char& c : safe)
    if (c <= 0x20 || c >= 0x7F) c = '_';
  return safe;
}

FailureClass class_of(http::client::Trouble trouble) {
  switch (trouble) {
    case http::client::Trouble::none:
      return FailureClass::none;
    case http::client::Trouble::timeout:
      return FailureClass::timeout;
    case http::client::Trouble::dns:
      return FailureClass::dns;
    case http::client::Trouble::refused:
    case http::client::Trouble::broken:
      return FailureClass::connect;
    case http::client::Trouble::tls:
      return FailureClass::tls;
    case http::client::Trouble::protocol:
      return FailureClass::protocol;
    case http::client::Trouble::resolver:
    case http::client::Trouble::own_side:
      return FailureClass::own_side;
  }
  std::abort();
}

class HttpsTransport final : public delivery::Transport {
 public:
  HttpsTransport(http::client::Client& client, io::Clock& clock,
                 std::shared_ptr<TlsClients> tls_clients, model::DataStream const& stream)
      : client_(client),
        clock_(clock),
        tls_clients_(std::move(tls_clients)),
        tls_settings_(stream.delivery.tls),
        url_(http::parse_url(stream.delivery.url)) {
    head_ = "User-Agent: Millrace/" + std::string(version) +
            "\r\nMillrace-Stream-Id: " + stream.id.text() + "\r\n";
    std::vector<std::string> secrets;
    for (auto const& [name, value] : stream.headers) {
      if (!may_add(name, value)) continue;
      head_.append(name).append(": ").append(value).append("\r\n");
      secrets.push_back(value);
    }
    harmless_ = Harmless(std::move(secrets));
  }

  delivery::BatchLimits limits() const override { return {.entries = 1}; }

  io::Task<std::vector<Outcome>> send(std::vector<Entry> batch) override {
    std::vector<Outcome> outcomes;
    outcomes.reserve(batch.size());
    for (auto const& entry : batch) outcomes.push_back(co_await post(entry));
    co_return outcomes;
  }

 private:
  io::Task<Outcome> post(Entry const& entry) {
    auto const at = clock_.wall();
    auto const began = clock_.now();
    // Only now: ten thousand streams that nothing comes for cost nothing, neither at the start nor later.
    if (!tls_) tls_ = tls_clients_->of(std::exchange(tls_settings_, {}));
    auto const& tls = *tls_;
    if (!url_ || !tls) {
      // Both were good when the stream was saved; TLS settings may have gone bad with a stricter OpenSSL, which an operator can mend.
      Outcome broken;
      broken.failure = url_ ? FailureClass::own_side : FailureClass::protocol;
      broken.reason = url_ ? tls.error().what : url_.error().what;
      broken.at = at;
      co_return broken;
    }
    auto const fresh = fresh_lines(entry);
    auto answer = co_await client_.ask(
        {.url = &*url_, .head = head_, .fresh = fresh, .body = entry.rendered->body, .tls = *tls});
    auto outcome = outcome_of(answer, clock_.wall());
    outcome.at = at;
    outcome.took = clock_.now() - began;
    outcome.certificate = kept(answer.certificate.get());
    outcome.response_headers = harmless_.headers(answer.headers);
    outcome.response_body = harmless_.body(std::move(answer.body), answer.body_cut);
    co_return outcome;
  }

  static std::string fresh_lines(Entry const& entry) {
    std::string head;
    head.reserve(320);
    head.append("Content-Type: ").append(entry.rendered->content_type);
    head.append("\r\nMillrace-Event-Id: ").append(entry.event.text());
    head.append("\r\nMillrace-Event-Type: ").append(header_safe(entry.event_type));
    head.append("\r\nMillrace-Attempt: ").append(std::to_string(entry.attempt)).append("\r\n");
    if (entry.run == model::Run::test) head.append("Millrace-Test: true\r\n");
    if (entry.replay)
      head.append("Millrace-Replay-Id: ").append(entry.replay->text()).append("\r\n");
    return head;
  }

  // One copy for all attempts that saw the same certificate.
  std::shared_ptr<model::PeerCertificate const> kept(http::CertificateFacts const* facts) {
    if (facts == nullptr) return nullptr;
    if (!certificate_ || certificate_->sha256 != facts->sha256)
      certificate_ = std::make_shared<model::PeerCertificate const>(
          model::PeerCertificate{facts->subject, facts->issuer, facts->valid_to, facts->sha256});
    return certificate_;
  }

  http::client::Client& client_;
  io::Clock& clock_;
  std::shared_ptr<TlsClients> tls_clients_;
  model::DeliveryTls tls_settings_;
  Result<http::Url> url_;
  std::optional<Result<std::shared_ptr<http::TlsClient const>>> tls_;  // from the first send on
  std::string head_;                                           // what is the same for every event
  std::shared_ptr<model::PeerCertificate const> certificate_;  // that was seen last
  Harmless harmless_{{}};
};

class HttpsTransports final : public delivery::Transports {
 public:
  HttpsTransports(http::client::Client& client, io::Clock& clock,
                  std::shared_ptr<http::TlsClient const> trust)
      : client_(client),
        clock_(clock),
        tls_clients_(std::make_shared<TlsClients>(std::move(trust))) {}
  std::shared_ptr<delivery::Transport> make(model::DataStream const& stream) override {
    if (stream.delivery.method != model::Method::https) return nullptr;
    return std::make_shared<HttpsTransport>(client_, clock_, tls_clients_, stream);
  }

 private:
  http::client::Client& client_;
  io::Clock& clock_;
  std::shared_ptr<TlsClients> tls_clients_;
};

}  // namespace

delivery::Outcome outcome_of(http::client::Answer const& answer, WallTime now) {
  Outcome outcome;
  outcome.failure = class_of(answer.trouble);
  outcome.resent = answer.resent;
  outcome.reused = answer.reused;
  outcome.crowded = answer.crowded;
  outcome.timing = {.dns = answer.dns,
                    .connect = answer.connect,
                    .tls = answer.tls,
                    .answer = answer.answer,
                    .first_byte = answer.first_byte,
                    .body = answer.body_time};
  outcome.address = answer.address;
  outcome.tls_version = answer.tls_version;
  if (answer.reached >= http::client::Phase::send)
    outcome.http = answer.http2 ? model::HttpVersion::http2 : model::HttpVersion::http1;
  if (answer.trouble != http::client::Trouble::none) {
    outcome.reason = one_line(answer.reason);
    return outcome;
  }
  outcome.status = static_cast<std::uint16_t>(std::clamp(answer.status, 0, 999));
  outcome.delivered = answer.status >= 200 && answer.status <= 299;
  auto const odd = one_line(answer.reason);
  if (outcome.delivered) {
    outcome.reason = odd;
    return outcome;
  }
  outcome.failure = FailureClass::http;
  outcome.reason = "status " + std::to_string(outcome.status);
  if (auto const location = http::find_header(answer.headers, "Location");
      location && answer.status >= 300 && answer.status <= 399)
    outcome.reason += ": redirects are not followed";
  if (!odd.empty()) outcome.reason += "; " + odd;
  if (answer.status == 429 || answer.status == 503)
    if (auto const wait = http::find_header(answer.headers, "Retry-After"))
      outcome.retry_after = parse_retry_after(*wait, now);
  return outcome;
}

std::shared_ptr<delivery::Transports> make_transports(
    http::client::Client& client, io::Clock& clock, std::shared_ptr<http::TlsClient const> trust) {
  return std::make_shared<HttpsTransports>(client, clock, std::move(trust));
}

}  // namespace millrace::transports
