#include "ingest/ingest.h"

#include "ingest/events.h"
#include "ingest/kinesis.h"

namespace millrace::ingest {
namespace {

class Doors final : public Ingest {
 public:
  Doors(IngestParts parts, IngestSettings settings)
      : parts_(parts),
        settings_(std::move(settings)),
        aside_(parts_.workers, parts_.turns),
        kinesis_(parts_, settings_, rejected_, expanded_, aside_),
        events_(parts_, settings_, rejected_, expanded_, aside_) {
    if (settings_.any_signature)
      parts_.log.warning(
          "Kinesis requests are taken with any signature, from anybody, for every account: for "
          "trials only");
  }
  io::Task<http::ServerResponse> kinesis(http::ServerRequest request) override {
    return kinesis_.handle(std::move(request));
  }
  io::Task<http::ServerResponse> events(http::ServerRequest request) override {
    return events_.handle(std::move(request));
  }
  RejectCounts const& rejected() const override { return rejected_; }

 private:
  IngestParts parts_;
  IngestSettings settings_;
  RejectCounts rejected_;
  ExpandedMemory expanded_;
  Aside aside_;
  Kinesis kinesis_;
  Events events_;
};

}  // namespace

std::unique_ptr<Ingest> Ingest::make(IngestParts parts, IngestSettings settings) {
  return std::make_unique<Doors>(parts, std::move(settings));
}

}  // namespace millrace::ingest
