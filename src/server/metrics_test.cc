#include "server/metrics.h"

#include <gmock/gmock.h>

#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::server {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr StreamId stream_id{{0x0192f0c100007000, 0x8000000000000001}};

class CountingDispatcher final : public delivery::Dispatcher {
 public:
  io::Task<Result<void>> put(model::DataStream) override { co_return Result<void>(); }
  delivery::ChangePermit begin_change() override { return nullptr; }
  io::Task<Result<delivery::Dropped>> remove(StreamId) override { co_return delivery::Dropped(); }
  io::Task<Result<std::uint64_t>> activate(model::DataStream, delivery::ActivateFrom) override {
    co_return std::uint64_t{0};
  }
  io::Task<Result<void>> deactivate(model::DataStream) override { co_return Result<void>(); }
  io::Task<Result<delivery::StreamStatus>> status(StreamId) override {
    co_return delivery::StreamStatus{};
  }
  io::Task<Result<delivery::Outcome>> test(StreamId, model::Kind, std::string,
                                           std::uint32_t) override {
    co_return delivery::Outcome{};
  }
  delivery::DispatcherMeters meters() const override {
    return {{{stream_id, model::AttemptOutcome::delivered, model::FailureClass::none, 41},
             {stream_id, model::AttemptOutcome::failed, model::FailureClass::timeout, 2}}};
  }
  Histogram const& delivery_time() const override { return delivery; }
  Histogram const& end_to_end_time() const override { return end_to_end; }
  Counter const& signatures() const override { return signed_; }
  io::Task<void> stop(SteadyTime) override { co_return; }

  Histogram delivery, end_to_end;
  Counter signed_;
};

class CountingIngest final : public ingest::Ingest {
 public:
  io::Task<http::ServerResponse> kinesis(http::ServerRequest) override {
    co_return http::ServerResponse();
  }
  io::Task<http::ServerResponse> events(http::ServerRequest) override {
    co_return http::ServerResponse();
  }
  ingest::RejectCounts const& rejected() const override { return counts; }

  ingest::RejectCounts counts;
};

class MetricsTest : public ::testing::Test {
 protected:
  static store::RecordBatch batch(std::string const& account, std::string const& type,
                                  int events = 1) {
    store::RecordBatch made;
    for (int i = 0; i < events; ++i) made.events.add(account, type, "{}", "{}");
    return made;
  }

  ::millrace::testing::Sim sim_;
  ::millrace::testing::MemoryStore store_{sim_.clock()};
  Histogram commit_time_;
  CountingDispatcher dispatcher_;
  CountingIngest ingest_;
  Metrics metrics_{
      {.store = store_,
       .commit_time = commit_time_,
       .dispatcher = dispatcher_,
       .ingest = ingest_,
       .open_connections = [] { return std::size_t{3}; },
       .refused = [] { return http::RefusalCounts{{{"slow_body", 2}}, {{"made_room", 5}}}; },
       .clock = sim_.clock(),
       .region = "eu-1",
       .version = "0.1.0"}};
};

TEST_F(MetricsTest, has_every_name_that_dashboards_rely_on) {
  metrics_.accepted(batch("a", "grade_change", 2));
  ingest_.counts.invalid.add(5);
  dispatcher_.signed_.add(7);
  dispatcher_.delivery.add(std::chrono::milliseconds(3));
  commit_time_.add(std::chrono::microseconds(150));
  delivery::StreamStatus status;
  status.waiting = 9;
  status.undelivered = 4;
  status.without_form = 11;
  status.format_findings = 12;
  status.format_refused = 13;
  status.oldest_waiting = sim_.clock().wall() - std::chrono::seconds(30);
  metrics_.streams({{stream_id, status}});

  auto const text = metrics_.text();

  auto const stream = "stream=\"" + stream_id.text() + "\"";
  EXPECT_THAT(
      text,
      HasSubstr("millrace_events_accepted_total{account=\"a\",event_type=\"grade_change\"} 2\n"));
  for (auto const* const reason : {"too_large", "no_account", "denied", "busy", "loop"})
    EXPECT_THAT(text, HasSubstr(fmt::format("millrace_events_rejected_total{{reason=\"{}\"}} 0\n",
                                            reason)));
  EXPECT_THAT(text, HasSubstr("millrace_events_rejected_total{reason=\"invalid\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("millrace_requests_refused_total{reason=\"slow_body\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("millrace_connections_closed_total{reason=\"made_room\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("millrace_deliveries_total{" + stream +
                              ",outcome=\"delivered\",class=\"\"} 41\n"));
  EXPECT_THAT(text, HasSubstr("millrace_deliveries_total{" + stream +
                              ",outcome=\"failed\",class=\"timeout\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE millrace_delivery_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("millrace_delivery_seconds_bucket{le=\"0.002\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("millrace_delivery_seconds_bucket{le=\"0.005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("millrace_delivery_seconds_bucket{le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("millrace_end_to_end_seconds_count 0\n"));
  EXPECT_THAT(text, HasSubstr("millrace_stream_waiting_events{" + stream + "} 9\n"));
  EXPECT_THAT(text, ContainsRegex("millrace_stream_oldest_waiting_seconds\\{" + stream +
                                  "\\} 30(\\.0*)?\n"));
  EXPECT_THAT(text, HasSubstr("millrace_stream_undelivered{" + stream + "} 4\n"));
  EXPECT_THAT(text, HasSubstr("millrace_stream_without_form_total{" + stream + "} 11\n"));
  EXPECT_THAT(text, HasSubstr("millrace_stream_format_findings_total{" + stream + "} 12\n"));
  EXPECT_THAT(text, HasSubstr("millrace_stream_format_refused_total{" + stream + "} 13\n"));
  EXPECT_THAT(text, HasSubstr("millrace_commit_seconds_count 1\n"));
  EXPECT_THAT(text, HasSubstr("\nmillrace_log_bytes "));
  EXPECT_THAT(text, HasSubstr("millrace_signatures_total 7\n"));
  EXPECT_THAT(text, HasSubstr("millrace_open_connections 3\n"));
}

TEST_F(MetricsTest, counts_event_types_past_the_limit_as_other) {
  for (std::size_t i = 0; i < Metrics::max_event_types; ++i)
    metrics_.accepted(batch("a", fmt::format("type_{}", i)));
  metrics_.accepted(batch("a", "one_too_many", 3));
  metrics_.accepted(batch("a", "type_7", 2));

  auto const text = metrics_.text();

  EXPECT_THAT(text, HasSubstr("{account=\"a\",event_type=\"other\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("{account=\"a\",event_type=\"type_7\"} 3\n"));
  EXPECT_THAT(text, Not(HasSubstr("one_too_many")));
  EXPECT_EQ(metrics_.accepted_events(), Metrics::max_event_types + 5);
}

TEST_F(MetricsTest, does_not_let_a_name_break_the_format) {
  metrics_.accepted(batch("a\"b\\c\nd", "grade_change"));

  EXPECT_THAT(metrics_.text(), HasSubstr(R"(account="a\"b\\c\nd")"));
}

}  // namespace
}  // namespace millrace::server
