// The control plane over HTTP: routes, who may call them, shapes, problems. Also /jwks, /healthz, /readyz.
//   Threads  handle() runs on any loop.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/registry.h"
#include "control/streams.h"
#include "crypto/key_ring.h"
#include "delivery/dispatcher.h"
#include "formats/caliper.h"
#include "http/guard.h"
#include "http/message.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/shared.h"
#include "model/catalog.h"
#include "model/drift.h"
#include "store/store.h"

namespace millrace::api {

struct ApiParts {  // all outlive the Api
  store::Store& store;
  control::Registry&
      registry;               // streams, tokens, access keys, accounts: in memory and in the store
  control::Streams& streams;  // their changes
  delivery::Dispatcher& dispatcher;  // their statuses, and test events
  io::Shared<crypto::KeyRing> const& keys;
  io::Clock& clock;
  io::Random& random;
  Log& log;
  std::function<std::unique_ptr<http::BodySource>()> metrics;  // the text of /metrics
  std::function<std::string()> not_ready;                      // empty: ready; else why not
  std::function<std::string()> not_healthy;  // empty: progress is made; else what stands still
  std::function<io::Task<Result<void>>(std::optional<std::string> emergency_kid)> rotate_keys;
  model::StreamRules rules;
  model::Catalog const& catalog;
  formats::CaliperRenderer const& caliper;
  std::function<model::Drift()> drift;  // as it is now; any thread
  http::Guard const* guard =
      nullptr;  // of addresses in what users give; none: they are looked at when connecting only
  std::function<std::string()> health_note = {};  // of a healthy node, for people; empty: none
};

class Api {
 public:
  static std::unique_ptr<Api> make(ApiParts parts);
  virtual ~Api() = default;
  virtual io::Task<http::ServerResponse> handle(http::ServerRequest request) = 0;
};

}  // namespace millrace::api
