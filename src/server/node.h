// One running node: the store, the keys, the control plane, ingest and delivery, behind one listening address.
//   Start  start() answers once requests are taken. Stop: stop() lets what is under way end; nothing may be called after it.
//   Threads  A Node belongs to the loop that started it, which runs little else; requests and lanes run on `loops`.
//   Life  Destroy it when the threads of `loops` have ended, and before their contexts go.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/api.h"
#include "control/signing_keys.h"
#include "control/streams.h"
#include "delivery/dispatcher.h"
#include "formats/caliper.h"
#include "formats/caliper_validator.h"
#include "http_client/client.h"
#include "http_server/server.h"
#include "http_server/tls_files.h"
#include "ingest/ingest.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/loop_meter.h"
#include "io/net.h"
#include "io/random.h"
#include "io/worker.h"
#include "server/drift_watch.h"
#include "server/health.h"
#include "server/metrics.h"
#include "store/open.h"

namespace millrace::server {

struct NodeSettings {
  store::FolderSettings store;
  io::Endpoint listen;
  std::optional<int> socket;  // a listening socket that was handed over; then `listen` is not used
  std::string certificate_file, key_file;  // PEM, of the node's own door; empty: plain http
  ingest::IngestSettings ingest;
  delivery::DispatcherSettings delivery;
  delivery::CaliperCheck caliper_check = delivery::CaliperCheck::off;
  std::vector<std::string>
      allow;              // special-purpose ranges that deliveries may go to; plain http only there
  http::TlsSettings tls;  // of deliveries
  http::client::ClientLimits client;  // of deliveries, of each loop
  http::server::ServerLimits http;
  std::string region;
  std::string version;
  Duration stop_time = std::chrono::seconds(15);  // for attempts under way when it stops
};

struct NodeParts {                  // all outlive the Node
  io::Executor loop;                // of the caller
  std::vector<io::Executor> loops;  // at least one
  io::Files& files;
  io::Network& network;
  io::Clock& clock;
  io::Random& random;
  Log& log;
  std::vector<io::LoopMeter*> meters = {};  // of `loops` in their order, then of `loop`; or none
  // Threads for what is rare and takes long, and for large bodies.
  std::function<std::unique_ptr<io::Worker>(std::string name, int nice)> worker = io::thread_worker;
};

class Node {
 public:
  // On the loop `parts.loop`. Fails with: what the parts fail with; each is one sentence that an operator can act on.
  static io::Task<Result<std::unique_ptr<Node>>> start(NodeParts parts, NodeSettings settings);
  Node(NodeParts parts, NodeSettings settings);
  ~Node();

  // No new attempt starts; those under way end within stop_time; requests are answered to the last moment; the last checkpoint.
  io::Task<Result<void>> stop();

  io::Endpoint local() const { return server_->local(); }
  bool is_secure() const { return certificate_.has_value(); }  // it serves https
  // Reads the certificate and its key again, at once; the log says what came of it. Nothing without them.
  io::Task<void> renew_certificate();
  Metrics const& metrics() const { return *metrics_; }
  delivery::Dispatcher& dispatcher() { return *dispatcher_; }

 private:
  io::Task<Result<void>> open();
  Result<void> open_catalog();
  Result<void> open_store();
  io::Task<Result<void>> open_secrets();
  io::Task<Result<void>> open_delivery();
  io::Task<void> forget_orphans();
  void open_doors();
  Result<void> listen();
  void start_chores();

  io::Task<http::ServerResponse> route(http::ServerRequest request);
  io::Task<void> sample_streams();
  io::Task<void> store_token_uses();
  io::Task<void> finish_deletions();
  std::string not_ready() const;

  NodeParts parts_;
  NodeSettings settings_;
  enum class Phase : std::uint8_t { starting, ready, stopping };
  std::atomic<Phase> phase_{Phase::starting};

  model::Catalog catalog_;
  std::optional<formats::CaliperRenderer> caliper_;
  std::optional<formats::CaliperValidator> validator_;  // if the output is to be checked
  std::unique_ptr<DriftWatch> drift_;
  std::unique_ptr<io::Worker> worker_;  // for what is rare and takes long: keys, certificates
  std::unique_ptr<store::Store> store_;
  std::optional<crypto::Sealer> sealer_;
  std::unique_ptr<control::SigningKeys> keys_;
  std::unique_ptr<control::Registry> registry_;
  std::optional<http::Guard> guard_;
  std::vector<std::unique_ptr<http::client::Client>> clients_;     // one for each loop
  std::vector<std::shared_ptr<delivery::Transports>> transports_;  // the same
  std::unique_ptr<delivery::Dispatcher> dispatcher_;
  std::unique_ptr<control::Lanes> lanes_;
  std::unique_ptr<control::Streams> streams_;
  std::vector<std::unique_ptr<io::Worker>> readers_;  // of large bodies, for ingest
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<io::Acceptor> acceptor_;
  std::optional<http::server::TlsFiles> certificate_;
  std::unique_ptr<http::server::Server> server_;
  std::atomic<http::server::Server const*> serving_{nullptr};  // server_, for other threads
  std::shared_ptr<void> following_;  // the log, for the metrics and the drift
  io::TaskScope chores_;
};

}  // namespace millrace::server
