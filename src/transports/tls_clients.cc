#include "transports/tls_clients.h"

#include <algorithm>

#include "crypto/digest.h"

namespace millrace::transports {
namespace {

// A digest, so that a key does not lie about twice in memory.
std::string name_of(model::DeliveryTls const& settings) {
  std::string text;
  for (auto const* const part :
       {&settings.ca_certificates, &settings.client_certificate, &settings.client_key})
    text.append(std::to_string(part->value_or("").size())).append(":").append(part->value_or(""));
  return crypto::sha256(text);
}

}  // namespace

Result<std::shared_ptr<http::TlsClient const>> TlsClients::of(model::DeliveryTls const& settings) {
  if (settings.is_empty()) return base_;
  auto const name = name_of(settings);
  if (auto const found = known_.find(name); found != known_.end())
    if (auto client = found->second.lock()) return client;
  auto made = http::make_tls_client({.extra_ca = settings.ca_certificates.value_or(""),
                                     .certificate = settings.client_certificate.value_or(""),
                                     .key = settings.client_key.value_or(""),
                                     .base = base_});
  if (!made) return made;
  if (known_.size() >= sweep_at_) {
    std::erase_if(known_, [](auto const& one) { return one.second.expired(); });
    sweep_at_ = std::max<std::size_t>(64, known_.size() * 2);
  }
  known_[name] = *made;
  return made;
}

}  // namespace millrace::transports
