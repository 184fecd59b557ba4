// What Metrics::text() writes: family by family, some rows at a time.
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

#include "server/metrics.h"

namespace millrace::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;
using Drops = std::vector<std::pair<std::string, std::uint64_t>>;

MetricFamily family(std::string name, std::string help, MetricType type) {
  MetricFamily made;
  made.name = std::move(name);
  made.help = std::move(help);
  made.type = type;
  return made;
}

ClientMetric& add_metric(MetricFamily& to, Labels const& labels) {
  auto& metric = to.metric.emplace_back();
  for (auto const& [name, value] : labels) {
    auto& label = metric.label.emplace_back();
    label.name = name;
    label.value = value;
  }
  return metric;
}

void add_counter(MetricFamily& to, Labels const& labels, std::uint64_t value) {
  add_metric(to, labels).counter.value = static_cast<double>(value);
}
void add_gauge(MetricFamily& to, Labels const& labels, double value) {
  add_metric(to, labels).gauge.value = value;
}

// The bounds that a Histogram has, in seconds, and +Inf; Prometheus wants each bucket to hold those below it, too. Several are added up.
void add_histogram(MetricFamily& to, std::vector<Histogram const*> const& parts) {
  auto& out = add_metric(to, {}).histogram;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= Histogram::bounds.size(); ++i) {
    for (auto const* part : parts) count += part->bucket(i);
    auto& bucket = out.bucket.emplace_back();
    bucket.cumulative_count = count;
    bucket.upper_bound = i < Histogram::bounds.size() ? Histogram::bounds[i]
                                                      : std::numeric_limits<double>::infinity();
  }
  out.sample_count = count;
  for (auto const* part : parts) out.sample_sum += part->sum_seconds();
}

MetricFamily counter(std::string name, std::string help) {
  return family(std::move(name), std::move(help), MetricType::Counter);
}
MetricFamily gauge(std::string name, std::string help) {
  return family(std::move(name), std::move(help), MetricType::Gauge);
}
MetricFamily histogram(std::string name, std::string help, Histogram const& values) {
  auto made = family(std::move(name), std::move(help), MetricType::Histogram);
  add_histogram(made, {&values});
  return made;
}

MetricFamily rejected(ingest::RejectCounts const& counts) {
  auto made =
      counter("millrace_events_rejected_total", "Events that were not stored as events, by reason");
  add_counter(made, {{"reason", "invalid"}}, counts.invalid.value());
  add_counter(made, {{"reason", "too_large"}}, counts.too_large.value());
  add_counter(made, {{"reason", "no_account"}}, counts.no_account.value());
  add_counter(made, {{"reason", "loop"}}, counts.loop.value());
  add_counter(made, {{"reason", "denied"}}, counts.denied.value());
  add_counter(made, {{"reason", "busy"}}, counts.busy.value());
  return made;
}

MetricFamily requests_refused(http::server::RefusalCounts const& counts) {
  auto made = counter("millrace_requests_refused_total",
                      "Requests whose body or head was not taken (408, 503), by reason");
  for (auto const& [reason, count] : counts.requests)
    add_counter(made, {{"reason", reason}}, count);
  return made;
}

MetricFamily connections_closed(http::server::RefusalCounts const& counts) {
  auto made =
      counter("millrace_connections_closed_total",
              "Connections of clients that were closed or refused for the sake of others, by "
              "reason");
  for (auto const& [reason, count] : counts.connections)
    add_counter(made, {{"reason", reason}}, count);
  return made;
}

MetricFamily dropped(Drops const& drops, std::uint64_t labels) {
  auto made = counter("millrace_dropped_total",
                      "What was let go for lack of room: the share of whoever held most of it");
  for (auto const& [what, count] : drops) add_counter(made, {{"what", what}}, count);
  add_counter(made, {{"what", "metric_labels"}}, labels);
  return made;
}

MetricFamily one_gauge(std::string name, std::string help, double value) {
  auto made = gauge(std::move(name), std::move(help));
  add_gauge(made, {}, value);
  return made;
}

MetricFamily one_counter(std::string name, std::string help, std::uint64_t value) {
  auto made = counter(std::move(name), std::move(help));
  add_counter(made, {}, value);
  return made;
}

MetricFamily handlers(std::vector<io::LoopMeter*> const& loops) {
  auto made = family("millrace_loop_handler_seconds",
                     "How long one handler kept its loop from all others", MetricType::Histogram);
  std::vector<Histogram const*> parts;
  for (auto const* loop : loops) parts.push_back(&loop->spans());
  add_histogram(made, parts);
  return made;
}

MetricFamily longest_handlers(std::vector<io::LoopMeter*> const& loops) {
  auto made = gauge("millrace_loop_longest_handler_seconds",
                    "The longest of them since these metrics were last asked for, by loop");
  for (std::size_t i = 0; i < loops.size(); ++i)
    add_gauge(made, {{"loop", i + 1 < loops.size() ? std::to_string(i) : "node"}},
              seconds(loops[i]->take_longest()));
  return made;
}

// A family whose rows are made a few at a time. `rows` adds at most so many, from where it stopped; false: they were the last.
struct Section {
  MetricFamily family;
  std::function<bool(MetricFamily& to, std::size_t most)> rows;
};

// A family of few rows.
Section whole(MetricFamily family) {
  return {std::move(family), [](MetricFamily&, std::size_t) { return false; }};
}

// A row for each element of `all`.
template <class Item>
Section each(MetricFamily family, std::shared_ptr<std::vector<Item> const> all,
             std::function<void(MetricFamily&, Item const&)> add) {
  return {std::move(family), [all = std::move(all), add = std::move(add), at = std::size_t{0}](
                                 MetricFamily& to, std::size_t most) mutable {
            for (; most > 0 && at < all->size(); --most) add(to, (*all)[at++]);
            return at < all->size();
          }};
}

using Tries = delivery::DispatcherMeters::Delivered;

void add_tries(MetricFamily& to, Tries const& row) {
  add_counter(to,
              {{"stream", row.stream.text()},
               {"outcome", std::string(model::name_of(row.outcome))},
               {"class", std::string(model::name_of(row.failure))}},
              row.count);
}

using Samples = std::shared_ptr<std::vector<StreamSample> const>;

Section by_stream(MetricFamily family, Samples const& samples,
                  std::function<double(delivery::StreamStatus const&)> value) {
  return each<StreamSample>(
      std::move(family), samples,
      [value = std::move(value)](MetricFamily& to, StreamSample const& sample) {
        auto& made = add_metric(to, {{"stream", sample.stream.text()}});
        (to.type == MetricType::Counter ? made.counter.value : made.gauge.value) =
            value(sample.status);
      });
}

void add_streams(std::vector<Section>& all, Samples const& samples, WallTime now) {
  using Status = delivery::StreamStatus;
  all.push_back(by_stream(gauge("millrace_stream_waiting_events",
                                "Events that a data stream selected and that are not settled"),
                          samples, [](Status const& s) { return static_cast<double>(s.waiting); }));
  all.push_back(by_stream(gauge("millrace_stream_oldest_waiting_seconds",
                                "Age of the oldest of them, since acceptance; 0 when none waits"),
                          samples, [now](Status const& s) {
                            return s.oldest_waiting
                                       ? std::max(0.0, seconds(now - *s.oldest_waiting))
                                       : 0.0;
                          }));
  all.push_back(by_stream(gauge("millrace_stream_undelivered",
                                "Events whose run ended without success and that are kept"),
                          samples,
                          [](Status const& s) { return static_cast<double>(s.undelivered); }));
  all.push_back(
      by_stream(counter("millrace_stream_without_form_total",
                        "Events that were not sent: the stream's format has no form for them"),
                samples, [](Status const& s) { return static_cast<double>(s.without_form); }));
  all.push_back(
      by_stream(counter("millrace_stream_format_findings_total",
                        "Findings of the check of the stream's format (caliper.validate)"),
                samples, [](Status const& s) { return static_cast<double>(s.format_findings); }));
  all.push_back(by_stream(counter("millrace_stream_format_refused_total",
                                  "Events that were not sent for such findings"),
                          samples,
                          [](Status const& s) { return static_cast<double>(s.format_refused); }));
}

// The sections, serialized so many rows at a time.
class MetricsText final : public http::BodySource {
 public:
  explicit MetricsText(std::vector<Section> sections) : sections_(std::move(sections)) {}

  io::Task<Result<std::string>> next() override {
    std::string text;
    std::size_t rows = 0;
    while (rows < Metrics::piece_rows && at_ < sections_.size()) {
      auto& [family, more] = sections_[at_];
      bool const goes_on = more(family, Metrics::piece_rows - rows);
      rows += family.metric.size();
      auto part = prometheus::TextSerializer().Serialize({family});
      text += std::string_view(part).substr(begun_ ? behind_head(part) : 0);
      family.metric.clear();
      begun_ = goes_on;
      if (!goes_on) ++at_;
    }
    co_return text;
  }

 private:
  // A family's help and type stand on two lines, once.
  static std::size_t behind_head(std::string_view part) {
    return part.find('\n', part.find('\n') + 1) + 1;
  }

  std::vector<Section> sections_;
  std::size_t at_ = 0;
  bool begun_ = false;  // the section that comes next has its head already
};

}  // namespace

std::unique_ptr<http::BodySource> Metrics::text() const {
  std::vector<Section> all;
  all.push_back({counter("millrace_events_accepted_total",
                         "Events that are stored, by root account and event type"),
                 [this, after = AcceptedKey()](MetricFamily& to, std::size_t most) mutable {
                   auto const rows = accepted_after(after, most);
                   for (auto const& [key, count] : rows)
                     add_counter(to, {{"account", key.first}, {"event_type", key.second}}, count);
                   if (!rows.empty()) after = rows.back().first;
                   return rows.size() == most;
                 }});
  all.push_back(whole(rejected(parts_.ingest.rejected())));
  all.push_back(whole(dropped(parts_.dropped ? parts_.dropped() : Drops(), counted_as_other())));

  all.push_back(each<Tries>(
      counter("millrace_deliveries_total",
              "Tries to deliver an event, by data stream, outcome and class of failure"),
      std::make_shared<std::vector<Tries>>(parts_.dispatcher.meters().deliveries), add_tries));
  all.push_back(whole(histogram("millrace_delivery_seconds", "Length of one try to deliver",
                                parts_.dispatcher.delivery_time())));
  all.push_back(whole(histogram("millrace_end_to_end_seconds", "From acceptance to delivery",
                                parts_.dispatcher.end_to_end_time())));
  add_streams(all, streams_.get(), parts_.clock.wall());

  all.push_back(whole(histogram("millrace_commit_seconds", "Length of one commit of the event log",
                                parts_.commit_time)));
  all.push_back(whole(one_gauge("millrace_log_bytes", "Size of the event log on disk",
                                static_cast<double>(parts_.store.range().bytes))));
  all.push_back(whole(one_gauge("millrace_clock_trusted",
                                "0 while the wall clock is doubted and nothing is removed by it",
                                parts_.store.time().doubt() ? 0 : 1)));
  all.push_back(whole(one_counter("millrace_signatures_total", "JWTs signed",
                                  parts_.dispatcher.signatures().value())));
  all.push_back(whole(one_gauge("millrace_open_connections",
                                "Connections that clients hold open to this node",
                                static_cast<double>(parts_.open_connections()))));
  if (!parts_.loops.empty()) {
    all.push_back(whole(handlers(parts_.loops)));
    all.push_back(whole(longest_handlers(parts_.loops)));
  }
  if (parts_.refused) {
    auto const counts = parts_.refused();
    all.push_back(whole(requests_refused(counts)));
    all.push_back(whole(connections_closed(counts)));
  }
  auto node = gauge("millrace_node_info", "1 for this node; its labels say what it is");
  add_gauge(node, {{"version", parts_.version}, {"region", parts_.region}}, 1);
  all.push_back(whole(std::move(node)));
  return std::make_unique<MetricsText>(std::move(all));
}

}  // namespace millrace::server
