#include "server/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

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

// The bounds that a Histogram has, in seconds, and +Inf; Prometheus wants each bucket to hold those below it, too.
void add_histogram(MetricFamily& to, Histogram const& histogram) {
  auto& out = add_metric(to, {}).histogram;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= Histogram::bounds.size(); ++i) {
    count += histogram.bucket(i);
    auto& bucket = out.bucket.emplace_back();
    bucket.cumulative_count = count;
    bucket.upper_bound = i < Histogram::bounds.size() ? Histogram::bounds[i]
                                                      : std::numeric_limits<double>::infinity();
  }
  out.sample_count = count;
  out.sample_sum = histogram.sum_seconds();
}

MetricFamily counter(std::string name, std::string help) {
  return family(std::move(name), std::move(help), MetricType::Counter);
}
MetricFamily gauge(std::string name, std::string help) {
  return family(std::move(name), std::move(help), MetricType::Gauge);
}
MetricFamily histogram(std::string name, std::string help, Histogram const& values) {
  auto made = family(std::move(name), std::move(help), MetricType::Histogram);
  add_histogram(made, values);
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

void add_refusals(std::vector<MetricFamily>& all, http::server::RefusalCounts const& counts) {
  auto requests = counter("millrace_requests_refused_total",
                          "Requests whose body or head was not taken (408, 503), by reason");
  for (auto const& [reason, count] : counts.requests)
    add_counter(requests, {{"reason", reason}}, count);
  auto connections = counter(
      "millrace_connections_closed_total",
      "Connections of clients that were closed or refused for the sake of others, by reason");
  for (auto const& [reason, count] : counts.connections)
    add_counter(connections, {{"reason", reason}}, count);
  all.push_back(std::move(requests));
  all.push_back(std::move(connections));
}

MetricFamily deliveries(delivery::DispatcherMeters const& meters) {
  auto made = counter("millrace_deliveries_total",
                      "Tries to deliver an event, by data stream, outcome and class of failure");
  for (auto const& row : meters.deliveries)
    add_counter(made,
                {{"stream", row.stream.text()},
                 {"outcome", std::string(model::name_of(row.outcome))},
                 {"class", std::string(model::name_of(row.failure))}},
                row.count);
  return made;
}

void add_streams(std::vector<MetricFamily>& all, std::vector<StreamSample> const& samples,
                 WallTime now) {
  auto waiting = gauge("millrace_stream_waiting_events",
                       "Events that a data stream selected and that are not settled");
  auto oldest = gauge("millrace_stream_oldest_waiting_seconds",
                      "Age of the oldest of them, since acceptance; 0 when none waits");
  auto undelivered = gauge("millrace_stream_undelivered",
                           "Events whose run ended without success and that are kept");
  auto without_form =
      counter("millrace_stream_without_form_total",
              "Events that were not sent: the stream's format has no form for them");
  auto findings = counter("millrace_stream_format_findings_total",
                          "Findings of the check of the stream's format (caliper.validate)");
  auto refused = counter("millrace_stream_format_refused_total",
                         "Events that were not sent for such findings");
  for (auto const& [stream, status] : samples) {
    Labels const labels{{"stream", stream.text()}};
    add_gauge(waiting, labels, static_cast<double>(status.waiting));
    add_gauge(oldest, labels,
              status.oldest_waiting ? std::max(0.0, seconds(now - *status.oldest_waiting)) : 0.0);
    add_gauge(undelivered, labels, static_cast<double>(status.undelivered));
    add_counter(without_form, labels, status.without_form);
    add_counter(findings, labels, status.format_findings);
    add_counter(refused, labels, status.format_refused);
  }
  for (auto* const made : {&waiting, &oldest, &undelivered, &without_form, &findings, &refused})
    all.push_back(std::move(*made));
}

// `value` as a label: itself while it is known or there is room to know it.
std::string known_or_other(std::set<std::string>& known, std::string const& value,
                           std::size_t limit) {
  if (known.contains(value)) return value;
  if (known.size() >= limit) return "other";
  known.insert(value);
  return value;
}

}  // namespace

std::pair<std::string, std::string> Metrics::label_of(Accepted& accepted,
                                                      model::Kind const& kind) const {
  bool const is_named = parts_.is_named && parts_.is_named(kind.account);
  auto account =
      is_named ? kind.account : known_or_other(accepted.unnamed, kind.account, max_accounts);
  if (parts_.catalog != nullptr && parts_.catalog->find(kind.type) != nullptr)
    return {std::move(account), kind.type};
  auto type = known_or_other(accepted.made_up[account], kind.type, max_made_up_types);
  return {std::move(account), std::move(type)};
}

void Metrics::accepted(store::RecordBatch const& batch) {
  accepted_.with([&](Accepted& accepted) {
    for (auto const& [kind, events] : batch.events.kinds()) {
      auto key = label_of(accepted, kind);
      if (key.first != kind.account || key.second != kind.type) accepted.as_other += events;
      accepted.counts[std::move(key)] += events;
      accepted.total += events;
    }
  });
}

std::uint64_t Metrics::accepted_events() const {
  return accepted_.with([](Accepted const& accepted) { return accepted.total; });
}

std::string Metrics::text() const {
  std::vector<MetricFamily> all;

  auto accepted = counter("millrace_events_accepted_total",
                          "Events that are stored, by root account and event type");
  auto const counts = accepted_.with([](Accepted const& now) { return now.counts; });
  for (auto const& [key, count] : counts)
    add_counter(accepted, {{"account", key.first}, {"event_type", key.second}}, count);
  all.push_back(std::move(accepted));
  all.push_back(rejected(parts_.ingest.rejected()));
  auto dropped = counter("millrace_dropped_total",
                         "What was let go for lack of room: the share of whoever held most of it");
  for (auto const& [what, count] : parts_.dropped ? parts_.dropped() : Drops())
    add_counter(dropped, {{"what", what}}, count);
  add_counter(dropped, {{"what", "metric_labels"}},
              accepted_.with([](Accepted const& now) { return now.as_other; }));
  all.push_back(std::move(dropped));

  all.push_back(deliveries(parts_.dispatcher.meters()));
  all.push_back(histogram("millrace_delivery_seconds", "Length of one try to deliver",
                          parts_.dispatcher.delivery_time()));
  all.push_back(histogram("millrace_end_to_end_seconds", "From acceptance to delivery",
                          parts_.dispatcher.end_to_end_time()));
  add_streams(all, *streams_.get(), parts_.clock.wall());

  all.push_back(histogram("millrace_commit_seconds", "Length of one commit of the event log",
                          parts_.commit_time));
  auto log_bytes = gauge("millrace_log_bytes", "Size of the event log on disk");
  add_gauge(log_bytes, {}, static_cast<double>(parts_.store.range().bytes));
  all.push_back(std::move(log_bytes));

  auto trusted = gauge("millrace_clock_trusted",
                       "0 while the wall clock is doubted and nothing is removed by it");
  add_gauge(trusted, {}, parts_.store.time().doubt() ? 0 : 1);
  all.push_back(std::move(trusted));

  auto signatures = counter("millrace_signatures_total", "JWTs signed");
  add_counter(signatures, {}, parts_.dispatcher.signatures().value());
  all.push_back(std::move(signatures));
  auto connections =
      gauge("millrace_open_connections", "Connections that clients hold open to this node");
  add_gauge(connections, {}, static_cast<double>(parts_.open_connections()));
  all.push_back(std::move(connections));
  if (parts_.refused) add_refusals(all, parts_.refused());

  auto node = gauge("millrace_node_info", "1 for this node; its labels say what it is");
  add_gauge(node, {{"version", parts_.version}, {"region", parts_.region}}, 1);
  all.push_back(std::move(node));

  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace millrace::server
