// The TlsClients of streams that have TLS settings of their own: one for all streams with equal settings, for as long as one of
// them lives. What all streams trust is in memory once.
//   Threads  One loop's.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "http_client/client.h"
#include "model/data_stream.h"

namespace millrace::transports {

class TlsClients {
 public:
  // `base`: what streams without settings use; null: what the http::client::Client has of its own.
  explicit TlsClients(std::shared_ptr<http::TlsClient const> base) : base_(std::move(base)) {}
  // Without settings: the base. Fails with: invalid.
  Result<std::shared_ptr<http::TlsClient const>> of(model::DeliveryTls const& settings);
  std::size_t size() const { return known_.size(); }  // those that have gone may be among them

 private:
  std::shared_ptr<http::TlsClient const> base_;
  std::unordered_map<std::string, std::weak_ptr<http::TlsClient const>> known_;  // by a digest
  std::size_t sweep_at_ = 64;
};

}  // namespace millrace::transports
