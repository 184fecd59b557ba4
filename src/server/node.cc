#include "server/node.h"

#include "http_server/refusals.h"
#include "server/admission.h"
#include "server/dispatcher_lanes.h"
#include "server/first_token.h"
#include "server/master_key.h"
#include "server/retention.h"
#include "server/wiring.h"

namespace millrace::server {

Node::Node(NodeParts parts, NodeSettings settings)
    : parts_(std::move(parts)), settings_(std::move(settings)), chores_(parts_.loop) {}
Node::~Node() = default;

io::Task<Result<std::unique_ptr<Node>>> Node::start(NodeParts parts, NodeSettings settings) {
  auto node = std::make_unique<Node>(std::move(parts), std::move(settings));
  auto const opened = co_await node->open();
  if (opened) co_return node;
  // What did open has threads and tasks, which must end in order. Its own failure would only hide the first one.
  static_cast<void>(co_await node->stop());
  co_return pass(opened);
}

// The start, in order. What comes later needs what came before; the doors open last.
io::Task<Result<void>> Node::open() {
  if (auto done = listen(); !done)
    co_return done;  // a wrong address is told before the log is read; clients queue
  if (auto done = open_catalog(); !done) co_return done;  // events, and their Caliper forms
  if (auto done = open_store(); !done) co_return done;    // the folder, its lock, the log
  if (auto done = co_await open_secrets(); !done)
    co_return done;  // master key, signing keys, registry, first token
  if (auto done = co_await open_delivery(); !done)
    co_return done;  // guard, clients, transports, lanes
  open_doors();      // ingest, api, metrics; then the first request
  start_chores();    // key rotation, retention, health, samples
  co_return Result<void>();
}

// The stop, in order. Ingest is the last to go: Canvas drops what it cannot hand over within seconds.
io::Task<Result<void>> Node::stop() {
  phase_ = Phase::stopping;
  if (dispatcher_) co_await dispatcher_->stop(parts_.clock.now() + settings_.stop_time);
  if (server_) {
    server_->stop_accepting();
    co_await server_->drain(parts_.clock.now() + settings_.ingest.hold + std::chrono::seconds(5));
  }
  if (streams_) co_await streams_->join();
  if (keys_) co_await keys_->join();
  chores_.cancel();
  co_await chores_.join();
  following_.reset();
  if (!store_) co_return Result<void>();
  co_return co_await store_->close();
}

Result<void> Node::listen() {
  auto acceptor = settings_.socket ? parts_.network.adopt(parts_.loops.front(), *settings_.socket)
                                   : parts_.network.listen(parts_.loops.front(), settings_.listen);
  if (!acceptor) return pass(acceptor);
  acceptor_ = std::move(*acceptor);
  if (settings_.certificate_file.empty()) return {};
  auto certificate = http::server::TlsFiles::open(settings_.certificate_file, settings_.key_file);
  if (!certificate) return pass(certificate);
  certificate_ = std::move(*certificate);
  return {};
}

Result<void> Node::open_catalog() {
  catalog_ = model::Catalog::load();
  auto caliper = formats::CaliperRenderer::make(catalog_);
  if (!caliper) return pass(caliper);
  caliper_ = std::move(*caliper);
  drift_ = std::make_unique<DriftWatch>(catalog_, parts_.clock);
  if (settings_.caliper_check == delivery::CaliperCheck::off) return {};
  auto validator = formats::CaliperValidator::load("canvas");
  if (!validator) return pass(validator);
  validator_ = std::move(*validator);
  return {};
}

Result<void> Node::open_store() {
  if (auto made = parts_.files.make_folders(settings_.store.folder); !made) return pass(made);
  auto store =
      store::open_folder(settings_.store, parts_.files, parts_.clock, parts_.random, parts_.log);
  if (!store) return pass(store);
  store_ = std::move(*store);
  return {};
}

io::Task<Result<void>> Node::open_secrets() {
  auto const& folder = settings_.store.folder;
  auto sealer = co_await open_master_key(*store_, parts_.files, parts_.random, folder);
  if (!sealer) co_return pass(sealer);
  sealer_ = std::move(*sealer);

  worker_ = parts_.worker("keys", 5);
  auto keys = co_await control::SigningKeys::open({.store = *store_,
                                                   .sealer = *sealer_,
                                                   .clock = parts_.clock,
                                                   .random = parts_.random,
                                                   .worker = *worker_,
                                                   .log = parts_.log});
  if (!keys) co_return pass(keys);
  keys_ = std::move(*keys);

  auto registry = co_await control::Registry::open(*store_, *sealer_, parts_.clock, parts_.random);
  if (!registry) co_return pass(registry);
  registry_ = std::move(*registry);

  auto const made =
      co_await make_first_token(*store_, *registry_, parts_.files, parts_.log, folder);
  if (!made) co_return pass(made);
  if (*made)
    parts_.log.info("first start: the owner's token is in a file",
                    {{"file", folder + "/admin.token"}});
  co_return Result<void>();
}

io::Task<Result<void>> Node::open_delivery() {
  auto guard = http::Guard::make(settings_.allow);
  if (!guard) co_return pass(guard);
  guard_ = std::move(*guard);
  guard_->refuse_own({acceptor_->local()});
  // The system's trust store is read once, for all loops and all streams.
  auto const trust = http::make_tls_client(settings_.tls);
  if (!trust) co_return pass(trust);
  for (auto const& loop : parts_.loops) {
    auto client = http::client::make_client(loop, parts_.network, parts_.clock, *guard_,
                                            {.base = *trust}, settings_.client);
    if (!client) co_return pass(client);
    clients_.push_back(std::move(*client));
    transports_.push_back(make_transports(*clients_.back(), parts_.clock, *trust));
  }

  co_await forget_orphans();
  std::vector<model::DesiredStream> streams;
  for (auto const& desired : registry_->desired()) streams.push_back(*desired);
  auto dispatcher = co_await delivery::open_dispatcher(
      {.store = *store_,
       .transports = transports_,
       .loops = parts_.loops,
       .keys = keys_->ring(),
       .clock = parts_.clock,
       .random = parts_.random,
       .log = parts_.log,
       .caliper = {&*caliper_, validator_ ? &*validator_ : nullptr, settings_.caliper_check}},
      settings_.delivery, std::move(streams));
  if (!dispatcher) co_return pass(dispatcher);
  dispatcher_ = std::move(*dispatcher);
  lanes_ = std::make_unique<DispatcherLanes>(*dispatcher_, registry_->desired());
  streams_ = std::make_unique<control::Streams>(control::StreamsParts{.loop = parts_.loop,
                                                                      .store = *store_,
                                                                      .registry = *registry_,
                                                                      .lanes = *lanes_,
                                                                      .clock = parts_.clock,
                                                                      .random = parts_.random,
                                                                      .log = parts_.log});
  co_return Result<void>();
}

// What a crash between a deletion and its last checkpoint has left. It costs nothing but space: a failure is told, no more.
io::Task<void> Node::forget_orphans() {
  std::vector<StreamId> known;
  for (auto const& stream : registry_->streams()) known.push_back(stream->id);
  auto const removed = co_await store_->keep_streams(std::move(known));
  if (!removed)
    parts_.log.warning("rows of deleted data streams stay until the next start",
                       {{"reason", removed.error().what}});
  else if (*removed > 0)
    parts_.log.info("rows of deleted data streams are removed", {{"rows", *removed}});
}

void Node::open_doors() {
  std::vector<io::Worker*> readers;
  for (std::size_t i = 0; i < parts_.loops.size(); ++i)
    readers.push_back(readers_.emplace_back(parts_.worker("ingest", 5)).get());
  ingest_ = ingest::Ingest::make(
      {.store = *store_,
       .credentials = *registry_,
       .clock = parts_.clock,
       .log = parts_.log,
       .is_our_stream = [this](StreamId id) { return registry_->stream(id) != nullptr; },
       .workers = std::move(readers)},
      settings_.ingest);
  metrics_ = std::make_unique<Metrics>(MetricsParts{
      .store = *store_,
      .commit_time = settings_.store.meters->commit_time,
      .dispatcher = *dispatcher_,
      .ingest = *ingest_,
      .open_connections =
          [this] {
            auto const* const server = serving_.load();
            return server != nullptr ? server->connections() : 0;
          },
      .clock = parts_.clock,
      .region = settings_.region,
      .version = settings_.version,
      .catalog = &catalog_,
      .is_named = [this](std::string const& account) { return registry_->names(account); },
      .dropped =
          [this] {
            auto const& meters = *settings_.store.meters;
            return std::vector<std::pair<std::string, std::uint64_t>>{
                {"dead_letters", meters.letters_dropped.value()},
                {"repeat_keys", meters.repeats_dropped.value()},
                {"attempts", meters.attempts_dropped.value()},
                {"api_repeats", registry_->repeats_dropped()}};
          },
      .loops = parts_.meters});
  health_ = std::make_unique<Health>(*store_, parts_.clock, parts_.loops);
  following_ = store_->follow(parts_.loop, [this](store::SharedBatch const& batch) {
    metrics_->accepted(*batch);
    drift_->accepted(*batch);
  });
  api_ = api::Api::make(
      {.store = *store_,
       .registry = *registry_,
       .streams = *streams_,
       .dispatcher = *dispatcher_,
       .keys = keys_->ring(),
       .clock = parts_.clock,
       .random = parts_.random,
       .log = parts_.log,
       .metrics = [this] { return metrics_->text(); },
       .not_ready = [this] { return not_ready(); },
       .not_healthy = [this] { return health_->trouble(); },
       .rotate_keys =
           [this](std::optional<std::string> kid) { return keys_->rotate(std::move(kid)); },
       .rules = {.allow_plain_http = guard_->allows_anything(),
                 .allow_every_account = true,
                 .allow_caliper = true},
       .catalog = catalog_,
       .caliper = *caliper_,
       .drift = [this] { return drift_->now(); },
       .guard = &*guard_,
       .health_note = [this] { return doubt_of(store_->time()); }});
  server_ = http::server::serve(
      std::move(acceptor_), parts_.loops.front(), parts_.loops,
      [this](http::ServerRequest request) { return route(std::move(request)); }, parts_.clock,
      settings_.http, certificate_ ? certificate_->now() : nullptr,
      admit_by_credentials(*registry_, parts_.clock, settings_.http.bodies_in_memory,
                           settings_.ingest.any_signature));
  serving_ = server_.get();
  phase_ = Phase::ready;
}

void Node::start_chores() {
  chores_.start(keys_->run());
  chores_.start(keep_retention(*store_, parts_.clock, parts_.log));
  chores_.start(health_->watch_loops());
  chores_.start(health_->watch_store());
  chores_.start(sample_streams());
  chores_.start(
      http::server::tell_refusals([this] { return server_->refused(); }, parts_.clock, parts_.log));
  chores_.start(store_token_uses());
  chores_.start(finish_deletions());
  if (certificate_)
    chores_.start(
        http::server::keep_renewed(*certificate_, *server_, *worker_, parts_.clock, parts_.log));
}

io::Task<void> Node::renew_certificate() {
  if (certificate_) co_await http::server::renew_now(*certificate_, *server_, *worker_, parts_.log);
}

// Which room answers what. The rest, the page and unknown paths included, is the control plane's.
io::Task<http::ServerResponse> Node::route(http::ServerRequest request) {
  if (request.header("x-amz-target") || (request.method == "POST" && request.path == "/"))
    return ingest_->kinesis(std::move(request));
  if (request.method == "POST" && request.path == "/api/v1/events")
    return ingest_->events(std::move(request));
  return api_->handle(std::move(request));
}

io::Task<void> Node::store_token_uses() {
  for (;;) {
    co_await parts_.clock.sleep_for(std::chrono::minutes(10));
    if (auto const stored = co_await registry_->store_uses(); !stored)
      parts_.log.warning("when tokens were last used cannot be stored now",
                         {{"why", stored.error().what}});
  }
}

io::Task<void> Node::finish_deletions() {
  for (;;) {
    co_await streams_->finish_deletions();
    co_await parts_.clock.sleep_for(std::chrono::minutes(1));
  }
}

io::Task<void> Node::sample_streams() {
  for (;;) {
    std::vector<StreamId> streams;
    for (auto const& stream : registry_->streams()) streams.push_back(stream->id);
    std::vector<StreamSample> samples;
    for (auto& [stream, status] : co_await dispatcher_->statuses(std::move(streams)))
      samples.push_back({stream, std::move(status)});
    metrics_->streams(std::move(samples));
    co_await parts_.clock.sleep_for(std::chrono::seconds(2));
  }
}

std::string Node::not_ready() const {
  switch (phase_.load()) {
    case Phase::starting:
      return "starting";
    case Phase::ready:
      if (auto trouble = health_->trouble(); !trouble.empty()) return trouble;
      return store_->refuses();
    case Phase::stopping:
      return "stopping";
  }
  return {};
}

}  // namespace millrace::server
