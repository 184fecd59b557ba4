// The text of /metrics (docs/manual.md): what the rooms have counted, under the names that dashboards rely on.
//   Bounds   An event type is whatever a producer says: past `max_made_up_types` of an account that the catalogue does not have, further
//            ones of that account are counted as "other"; those of the catalogue never are. Of accounts that no stream and no credential names,
//            `max_accounts` are known; events of further ones are of the account "other".
//   Pieces   However many streams, accounts and types there are, a piece of the text has a bounded number of rows. A text is not one moment's
//            picture.
//   Threads  accepted() and streams() on one loop; text() on any.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/meters.h"
#include "delivery/dispatcher.h"
#include "http/message.h"
#include "http_server/refusals.h"
#include "ingest/ingest.h"
#include "io/clock.h"
#include "io/loop_meter.h"
#include "io/shared.h"
#include "model/catalog.h"
#include "store/store.h"

namespace millrace::server {

struct StreamSample {
  StreamId stream;
  delivery::StreamStatus status;
};

struct MetricsParts {  // all outlive the Metrics
  store::Store& store;
  Histogram const& commit_time;
  delivery::Dispatcher const& dispatcher;
  ingest::Ingest const& ingest;
  std::function<std::size_t()> open_connections;              // any thread
  std::function<http::server::RefusalCounts()> refused = {};  // likewise; none: nothing was
  io::Clock const& clock;
  std::string region, version;              // of the node; region may be empty
  model::Catalog const* catalog = nullptr;  // none: every event type is made up
  // Whether a data stream or a credential names it. Any thread; none: none is named.
  std::function<bool(std::string const& account)> is_named = {};
  // What was let go for lack of room, by kind. Any thread.
  std::function<std::vector<std::pair<std::string, std::uint64_t>>()> dropped = {};
  std::vector<io::LoopMeter*> loops = {};  // each text takes the longest spans since the last one
};

class Metrics {
 public:
  static constexpr std::size_t max_made_up_types = 50;
  static constexpr std::size_t max_accounts = 1000;
  static constexpr std::size_t piece_rows = 500;

  explicit Metrics(MetricsParts parts) : parts_(std::move(parts)) {}

  void accepted(store::RecordBatch const& batch);  // each batch of the log, once
  void streams(std::vector<StreamSample> samples) { streams_.set(std::move(samples)); }
  std::shared_ptr<std::vector<StreamSample> const> streams() const { return streams_.get(); }

  std::uint64_t accepted_events() const;
  // Prometheus text format, version 0.0.4. The Metrics outlives it.
  std::unique_ptr<http::BodySource> text() const;

 private:
  using AcceptedKey = std::pair<std::string, std::string>;  // account, event type
  using AcceptedRow = std::pair<AcceptedKey, std::uint64_t>;
  struct Accepted {
    std::map<AcceptedKey, std::uint64_t> counts;
    std::map<std::string, std::set<std::string>>
        made_up;                    // types that the catalogue does not have, by account
    std::set<std::string> unnamed;  // accounts that nothing names
    std::uint64_t total = 0;
    std::uint64_t as_other = 0;  // events that were counted without their account or type
  };
  AcceptedKey label_of(Accepted& accepted, model::Kind const& kind) const;
  std::vector<AcceptedRow> accepted_after(AcceptedKey const& after, std::size_t most) const;
  std::uint64_t counted_as_other() const;

  MetricsParts parts_;
  io::Locked<Accepted> accepted_;
  io::Shared<std::vector<StreamSample>> streams_{std::vector<StreamSample>()};
};

}  // namespace millrace::server
