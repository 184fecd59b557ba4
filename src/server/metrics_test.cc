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

// How many lines begin so.
std::size_t rows_of(std::string_view text, std::string_view beginning) {
  std::size_t rows = 0;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    if (text.substr(at).starts_with(beginning)) ++rows;
  return rows;
}

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
  io::Task<std::vector<delivery::StreamStatusRow>> statuses(std::vector<StreamId>) override {
    co_return std::vector<delivery::StreamStatusRow>();
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

  // The whole text; `pieces_` keeps what it came in.
  std::string whole_text() {
    std::string whole;
    pieces_.clear();
    auto const source = metrics_.text();
    for (;;) {
      auto piece = sim_.run(source->next());
      check(piece.has_value(), "the text of metrics does not fail");
      if (piece->empty()) return whole;
      whole += *piece;
      pieces_.push_back(std::move(*piece));
    }
  }

  std::vector<std::string> pieces_;
  ::millrace::testing::Sim sim_;
  ::millrace::testing::MemoryStore store_{sim_.clock()};
  model::Catalog catalog_ = model::Catalog::load();
  Histogram commit_time_;
  io::LoopMeter first_loop_, own_loop_;
  CountingDispatcher dispatcher_;
  CountingIngest ingest_;
  Metrics metrics_{
      {.store = store_,
       .commit_time = commit_time_,
       .dispatcher = dispatcher_,
       .ingest = ingest_,
       .open_connections = [] { return std::size_t{3}; },
       .refused =
           [] { return http::server::RefusalCounts{{{"slow_body", 2}}, {{"made_room", 5}}}; },
       .clock = sim_.clock(),
       .region = "eu-1",
       .version = "0.1.0",
       .catalog = &catalog_,
       .is_named = [](std::string const& account) { return account == "named"; },
       .dropped = [] { return std::vector{std::pair(std::string("dead_letters"), 9UL)}; },
       .loops = {&first_loop_, &own_loop_}}};
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

  auto const text = whole_text();

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

TEST_F(MetricsTest, made_up_types_past_the_limit_are_other_for_their_account_only) {
  for (std::size_t i = 0; i < Metrics::max_made_up_types; ++i)
    metrics_.accepted(batch("a", fmt::format("type_{}", i)));
  metrics_.accepted(batch("a", "one_too_many", 3));
  metrics_.accepted(batch("a", "type_7", 2));
  metrics_.accepted(batch("b", "its_first", 4));

  auto const text = whole_text();

  EXPECT_THAT(text, HasSubstr("{account=\"a\",event_type=\"other\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("{account=\"a\",event_type=\"type_7\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("{account=\"b\",event_type=\"its_first\"} 4\n"));
  EXPECT_THAT(text, Not(HasSubstr("one_too_many")));
  EXPECT_THAT(text, HasSubstr("millrace_dropped_total{what=\"metric_labels\"} 3\n"));
  EXPECT_EQ(metrics_.accepted_events(), Metrics::max_made_up_types + 9);
}

TEST_F(MetricsTest, event_types_of_the_catalogue_are_never_other) {
  for (std::size_t i = 0; i < 2'000; ++i)
    metrics_.accepted(batch("a", fmt::format("made_up_{}", i)));
  for (auto const& event : catalog_.events()) metrics_.accepted(batch("a", event.name));

  auto const text = whole_text();

  for (auto const& event : catalog_.events())
    EXPECT_THAT(text, HasSubstr("{account=\"a\",event_type=\"" + event.name + "\"} 1\n"));
}

TEST_F(MetricsTest, accounts_that_something_names_are_never_other) {
  for (std::size_t i = 0; i < 2'000; ++i)
    metrics_.accepted(batch(fmt::format("account_{}", i), "grade_change"));
  metrics_.accepted(batch("named", "grade_change", 5));
  metrics_.accepted(batch("unnamed", "grade_change", 5));

  auto const text = whole_text();

  EXPECT_THAT(text, HasSubstr("{account=\"named\",event_type=\"grade_change\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("{account=\"other\",event_type=\"grade_change\"} 1005\n"));
}

TEST_F(MetricsTest, says_what_was_let_go_for_lack_of_room) {
  EXPECT_THAT(whole_text(), HasSubstr("millrace_dropped_total{what=\"dead_letters\"} 9\n"));
}

TEST_F(MetricsTest, come_in_pieces_of_so_many_rows_whatever_there_is) {
  std::size_t const streams = 3 * Metrics::piece_rows + 7;
  std::vector<StreamSample> samples;
  for (std::uint64_t i = 0; i < streams; ++i) {
    samples.push_back({StreamId{{1, i}}, {}});
    metrics_.accepted(batch(fmt::format("account_{:04}", i % 999), fmt::format("type_{}", i)));
  }
  metrics_.streams(std::move(samples));

  auto const whole = whole_text();

  EXPECT_GT(pieces_.size(), 7 * streams / Metrics::piece_rows);
  for (auto const& piece : pieces_) {
    EXPECT_LE(piece.size(), http::BodySource::most);
    // A histogram is one row of its family, and has some twenty lines.
    EXPECT_LE(std::ranges::count(piece, '\n'), Metrics::piece_rows + 150);
  }
  EXPECT_EQ(rows_of(whole, "millrace_events_accepted_total"), streams);
  for (std::string_view const name :
       {"waiting_events", "oldest_waiting_seconds", "undelivered", "without_form_total",
        "format_findings_total", "format_refused_total"})
    EXPECT_EQ(rows_of(whole, fmt::format("millrace_stream_{}", name)), streams) << name;
  EXPECT_EQ(rows_of(whole, "# TYPE millrace_stream_undelivered"), 1U);
  EXPECT_EQ(rows_of(whole, "# HELP millrace_events_accepted_total"), 1U);
}

TEST_F(MetricsTest, whose_rows_fill_a_piece_to_the_last_go_on_behind_it) {
  std::vector<StreamSample> samples;
  for (std::uint64_t i = 0; i < Metrics::piece_rows; ++i) {
    samples.push_back({StreamId{{1, i}}, {}});
    metrics_.accepted(batch(fmt::format("account_{}", i), "grade_change"));
  }
  metrics_.streams(std::move(samples));

  auto const whole = whole_text();

  EXPECT_EQ(rows_of(whole, "millrace_events_accepted_total"), Metrics::piece_rows);
  EXPECT_EQ(rows_of(whole, "millrace_stream_waiting_events"), Metrics::piece_rows);
  EXPECT_EQ(rows_of(whole, "# TYPE"), rows_of(whole, "# HELP"));
  EXPECT_THAT(whole, HasSubstr("millrace_node_info{"));
}

TEST_F(MetricsTest, tell_how_long_handlers_kept_their_loops) {
  first_loop_.note(std::chrono::microseconds(90));
  first_loop_.note(std::chrono::milliseconds(4));
  own_loop_.note(std::chrono::milliseconds(1));

  auto const first = whole_text(), second = whole_text();

  EXPECT_THAT(first, HasSubstr("millrace_loop_handler_seconds_bucket{le=\"0.0001\"} 1\n"));
  EXPECT_THAT(first, HasSubstr("millrace_loop_handler_seconds_bucket{le=\"0.005\"} 3\n"));
  EXPECT_THAT(first, HasSubstr("millrace_loop_longest_handler_seconds{loop=\"0\"} 0.004\n"));
  EXPECT_THAT(first, HasSubstr("millrace_loop_longest_handler_seconds{loop=\"node\"} 0.001\n"));
  EXPECT_THAT(second, HasSubstr("millrace_loop_longest_handler_seconds{loop=\"0\"} 0\n"));
}

TEST_F(MetricsTest, does_not_let_a_name_break_the_format) {
  metrics_.accepted(batch("a\"b\\c\nd", "grade_change"));

  EXPECT_THAT(whole_text(), HasSubstr(R"(account="a\"b\\c\nd")"));
}

}  // namespace
}  // namespace millrace::server
