// What producers call. Both speak to one Intake, which checks events at the border and stores them.
//   Threads  handle() runs on any loop.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/meters.h"
#include "http/message.h"
#include "io/clock.h"
#include "io/worker.h"
#include "model/access.h"
#include "store/store.h"

namespace millrace::ingest {

class TurnMeter;

struct IngestSettings {
  std::vector<std::string> stream_names{"live-events"};  // Kinesis streams that exist
  bool any_signature = false;                            // --insecure-any-signature: trials only
  Duration hold = std::chrono::seconds(20);  // how long an answer is held while the store is busy
};

struct RejectCounts {  // millrace_events_rejected_total{reason}
  Counter invalid, too_large, no_account, denied, busy;
  Counter loop;  // requests that our own deliveries made
};

struct IngestParts {  // all outlive the handlers
  store::Store& store;
  model::Credentials const& credentials;
  io::Clock& clock;
  Log& log;
  // Whether a data stream is one of this node's: what such a one delivers to us is refused. Any thread.
  std::function<bool(StreamId)> is_our_stream = {};
  // For what takes long and cannot be cut into turns; none: the loops do it.
  std::vector<io::Worker*> workers = {};
  TurnMeter* turns = nullptr;  // counts the work of each turn; none: nobody does
};

class Ingest {
 public:
  static std::unique_ptr<Ingest> make(IngestParts parts, IngestSettings settings);
  virtual ~Ingest() = default;
  // POST / with X-Amz-Target: Kinesis_20131202.*; every other request to / that carries that header or an AWS signature.
  virtual io::Task<http::ServerResponse> kinesis(http::ServerRequest request) = 0;
  // POST /api/v1/events
  // Both: 508 for what one of our own data streams sends us (header Millrace-Stream-Id): it would go round for ever.
  virtual io::Task<http::ServerResponse> events(http::ServerRequest request) = 0;
  virtual RejectCounts const& rejected() const = 0;
};

}  // namespace millrace::ingest
