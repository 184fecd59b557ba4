#include "cli/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "base/nearest.h"
#include "base/version.h"
#include "cli/rows.h"
#include "http/guard.h"
#include "io/net.h"

namespace millrace::cli {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t tib = 1ULL << 40;

Take take_endpoint(io::Endpoint& into) {
  return [&into](std::string_view text) -> Result<void> {
    auto const endpoint = io::parse_endpoint(text);
    if (!endpoint)
      return fail(
          Fault::invalid,
          fmt::format("must be an address and a port, like 127.0.0.1:8080 or [::]:8080, not \"{}\"",
                      text));
    into = *endpoint;
    return {};
  };
}

Take take_level(LogLevel& into) {
  return [&into](std::string_view text) -> Result<void> {
    static constexpr std::array<std::pair<std::string_view, LogLevel>, 4> levels{
        {{"debug", LogLevel::debug},
         {"info", LogLevel::info},
         {"warning", LogLevel::warning},
         {"error", LogLevel::error}}};
    auto const level = std::ranges::find(levels, text, [](auto const& pair) { return pair.first; });
    if (level == levels.end())
      return fail(Fault::invalid,
                  fmt::format("must be debug, info, warning or error, not \"{}\"", text));
    into = level->second;
    return {};
  };
}

Take take_check(delivery::CaliperCheck& into) {
  return [&into](std::string_view text) -> Result<void> {
    using enum delivery::CaliperCheck;
    if (text != "off" && text != "warn" && text != "refuse")
      return fail(Fault::invalid, fmt::format("must be off, warn or refuse, not \"{}\"", text));
    into = text == "off" ? off : text == "warn" ? warn : refuse;
    return {};
  };
}

Take take_ranges(std::vector<std::string>& into) {
  return [&into](std::string_view text) -> Result<void> {
    if (auto const taken = take_list(into)(text); !taken) return taken;
    auto const guard = http::Guard::make(into);
    if (!guard) return pass(guard);
    return {};
  };
}

Take take_proxies(std::vector<http::AddressRange>& into) {
  return [&into](std::string_view text) -> Result<void> {
    std::vector<std::string> names;
    if (auto const taken = take_list(names)(text); !taken) return taken;
    auto ranges = http::AddressRange::parse_all(names);
    if (!ranges) return pass(ranges);
    into = std::move(*ranges);
    return {};
  };
}

Take take_names(std::vector<std::string>& into) {
  return [&into](std::string_view text) -> Result<void> {
    if (auto const taken = take_list(into)(text); !taken) return taken;
    if (into.empty()) return fail(Fault::invalid, "must name at least one");
    return {};
  };
}

std::string nearest_of(std::string_view word, std::set<std::string> const& known) {
  Nearest near(word);
  for (auto const& name : known) near.consider(name);
  return std::string(near.found());
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// ---- millrace.toml

struct Given {  // a value from one source
  std::string text;
  std::string from;
};

// nullopt: a value of a kind that no setting has.
std::optional<std::string> text_of(toml::node const& node) {
  if (auto const* text = node.as_string()) return text->get();
  if (auto const* number = node.as_integer()) return fmt::format("{}", number->get());
  if (auto const* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  auto const* items = node.as_array();
  if (items == nullptr) return std::nullopt;
  std::string joined;
  for (auto const& item : *items) {
    auto const* text = item.as_string();
    if (text == nullptr || text->get().contains(',')) return std::nullopt;
    joined += (joined.empty() ? "" : ",") + text->get();
  }
  return joined;
}

std::string place(std::string const& file, toml::source_region const& at) {
  return fmt::format("{}:{}", file, at.begin.line);
}

void read_section(std::string const& file, std::string const& section, toml::table const& table,
                  std::set<std::string> const& known, std::map<std::string, Given>& given,
                  std::vector<std::string>& faults) {
  for (auto const& [key, node] : table) {
    auto const name = fmt::format("{}.{}", section, key.str());
    auto const at = place(file, node.source());
    if (!known.contains(name)) {
      faults.push_back(fmt::format("{}: {}: there is no such setting{}", at, name,
                                   did_you_mean(nearest_of(name, known))));
    } else if (auto text = text_of(node)) {
      given[name] = {std::move(*text), at};
    } else {
      faults.push_back(fmt::format(
          "{}: {}: must be text, a number, true or false, or a list of texts without commas", at,
          name));
    }
  }
}

std::map<std::string, Given> read_file(Sources const& sources, std::set<std::string> const& known,
                                       std::vector<std::string>& faults) {
  std::map<std::string, Given> given;
  if (!sources.file) return given;
  try {
    auto const parsed =
        toml::parse(std::string_view(*sources.file), std::string_view(sources.file_name));
    for (auto const& [section, node] : parsed) {
      if (auto const* const table = node.as_table())
        read_section(sources.file_name, std::string(section.str()), *table, known, given, faults);
      else
        faults.push_back(fmt::format("{}: {}: stands outside of a [section]",
                                     place(sources.file_name, node.source()), section.str()));
    }
  } catch (toml::parse_error const& error) {
    faults.push_back(
        fmt::format("{}: {}", place(sources.file_name, error.source()), error.description()));
  }
  return given;
}

// ---- the environment

std::map<std::string, Given> read_environment(Sources const& sources, std::vector<Row> const& rows,
                                              std::vector<std::string>& faults) {
  std::map<std::string, Given> given;
  std::set<std::string> sections, variables;
  for (auto const& row : rows) {
    sections.insert(fmt::format("MILLRACE_{}_", upper(row.section)));
    variables.insert(row.variable());
    if (auto const at = sources.environment.find(row.variable()); at != sources.environment.end())
      given[row.name()] = {at->second, at->first};
  }
  for (auto const& [variable, value] : sources.environment) {
    if (variables.contains(variable) || variable == "MILLRACE_TOKEN" ||
        variable == "MILLRACE_SERVER")
      continue;
    // Others may set variables that begin with our name (a cluster does, for a service that is called so): only what stands in a
    // section of ours, or is nearly a setting, is meant for us.
    auto const near = nearest_of(variable, variables);
    if (!near.empty() || std::ranges::any_of(sections, [&](auto const& prefix) {
          return variable.starts_with(prefix);
        }))
      faults.push_back(fmt::format("{}: there is no such setting{}", variable, did_you_mean(near)));
  }
  return given;
}

// Makes the rows of a section, one by one.
class Section {
 public:
  Section(std::vector<Row>& rows, std::string name) : rows_(rows), name_(std::move(name)) {}
  // `flag`: where it is not the section's and the key's names.
  Row& operator()(std::string key, std::string fallback, Take take, std::string help,
                  std::string flag = {}) const {
    if (flag.empty()) {
      flag = name_ + "-" + key;
      std::ranges::replace(flag, '_', '-');
    }
    return rows_.emplace_back(Row{name_, std::move(key), std::move(flag), std::move(fallback),
                                  std::move(help), false, std::move(take)});
  }

 private:
  std::vector<Row>& rows_;
  std::string name_;
};

void add_store_rows(Section const& row, server::NodeSettings& node) {
  auto& store = node.store;
  row("folder", "./data", take_text(store.folder), "folder of the embedded store; made if absent",
      "data");
  row("log_age", "7d", take_span(store.log_age, seconds(1), hours(24 * 14)),
      "how long the event log keeps an event, delivered or not");
  row("log_bytes", "50GB", take_bytes(store.log_bytes, mib, 1024 * tib),
      "how large the event log may grow; 60 % of the disk if that is less");
  row("undelivered_age", "30d", take_span(store.undelivered_age, seconds(1), hours(24 * 365)),
      "how long an undelivered event is kept");
  row("audit_age", "400d", take_span(store.audit_age, hours(24), hours(24 * 3660)),
      "how long a line of the audit log is kept");
  row("attempts_age", "7d", take_span(store.attempts_age, seconds(1), hours(24 * 365)),
      "how long the record of an attempt is kept");
  row("attempts_bytes", "5GB", take_bytes(store.attempts_bytes, mib, 1024 * tib),
      "how large the records of attempts may grow");
  row("segment_bytes", "256MiB", take_bytes(store.segment_bytes, 64 * 1024, 4096 * mib),
      "size of a file of the event log; retention removes whole ones");
  row("least_free_bytes", "1GiB", take_bytes(store.least_free_bytes, 0, tib),
      "free disk space below which no event is taken in; 2 % of the disk if that is less");
  row("reserve_bytes", "64MiB", take_bytes(store.reserve_bytes, 0, 4096 * mib),
      "space set aside, for what must be written on a full disk");
  row("queued_bytes", "64MiB", take_bytes(store.queued_bytes, mib, 4096 * mib),
      "events that may wait for the disk; past it producers are held");
  row("tail_bytes", "64MiB", take_bytes(store.tail_bytes, mib, 65536 * mib),
      "newest events kept in memory");
  row("cache_bytes", "64MiB", take_bytes(store.cache_bytes, mib, 65536 * mib),
      "older events kept in memory, for data streams that catch up");
}

void add_listen_rows(Section const& row, server::NodeSettings& node) {
  row("address", "127.0.0.1:8080", take_endpoint(node.listen),
      "address and port of everything; port 0 picks a free one", "listen");
  row("tls_certificate", "", take_text(node.certificate_file),
      "PEM file of the certificate, and those up to its authority, to serve https with; read again "
      "when it changes");
  row("tls_key", "", take_text(node.key_file), "PEM file of its private key");
  row("connections", "8192", take_count(node.http.connections, 1, 1'000'000),
      "connections that clients may hold open; past it the one that rests longest is closed");
  row("connections_per_address", "2048",
      take_count(node.http.connections_per_address, 1, 1'000'000),
      "of them, connections from one address");
  row("trusted_proxies", "", take_proxies(node.http.trusted_proxies),
      "ranges of proxies before this node: they have no such limit, and their X-Forwarded-For is "
      "believed");
}

void add_server_rows(Section const& row, Settings& into) {
  auto& node = into.node;
  row("loops", "0", take_count(into.loops, 0, 64),
      "threads that do the work; 0: one for each core");
  row("log_level", "info", take_level(into.log_level),
      "debug, info, warning or error; debug has a line for each delivery");
  row("region", "", take_text(node.region),
      "region that this node stands in, for people and metrics");
  row("stop_time", "15s", take_span(node.stop_time, milliseconds(0), seconds(15)),
      "how long a stop waits for attempts under way");
}

void add_ingest_rows(Section const& row, server::NodeSettings& node) {
  row("stream_names", "live-events", take_names(node.ingest.stream_names),
      "names of the Kinesis streams that producers may put to");
  row("hold", "20s", take_span(node.ingest.hold, milliseconds(0), seconds(25)),
      "how long a producer's answer is held while the store is busy");
  row("insecure_any_signature", "false", take_switch(node.ingest.any_signature),
      "take Kinesis requests with any signature, from anybody: for trials only",
      "insecure-any-signature")
      .is_switch = true;
}

void add_delivery_rows(Section const& row, server::NodeSettings& node) {
  row("issuer", "https://live-events.canvas.instructure.com", take_name(node.delivery.issuer),
      "`iss` of signed events; receivers made for Canvas check it");
  row("window", "256", take_count(node.delivery.window, 1, 4096),
      "requests under way to one data stream, at most");
  row("allow", "", take_ranges(node.allow),
      "private address ranges that events may be sent to, like 127.0.0.0/8; http:// URLs are for "
      "these only");
  row("extra_ca", "", take_text(node.tls.extra_ca_file),
      "PEM file of certificate authorities to trust beside the system's");
  row("connections", "4096", take_count(node.client.connections, 1, 1'000'000),
      "connections to receivers, of each loop at most");
  row("connections_per_origin", "256", take_count(node.client.connections_per_origin, 1, 4096),
      "connections to one receiver (scheme, host and port), of each loop at most");
  row("http2", "true", take_switch(node.client.http2),
      "speak HTTP/2 with receivers that can, when much is under way to them");
  row("checkpoint", "100ms", take_span(node.delivery.checkpoint, milliseconds(10), seconds(10)),
      "how often progress is stored; what was sent since is sent again after a crash");
  row("rendered_bytes", "64MiB", take_bytes(node.delivery.rendered_bytes, mib, 65536 * mib),
      "cache of rendered and signed events");
  row("catching_up", "8", take_count(node.delivery.catching_up, 1, 1024),
      "data streams that read old events from the disk at a time");
  row("signing_threads", "1", take_count(node.delivery.signing_threads, 1, 64),
      "threads that sign");
  row("retries", "2000000", take_count(node.delivery.retries, 1000, 100'000'000),
      "events that wait for another try in memory, of all data streams; more wait in the log");
}

void add_caliper_rows(Section const& row, server::NodeSettings& node) {
  row("validate", "off", take_check(node.caliper_check),
      "check events in the Caliper format before they are sent: off, warn (count findings), or "
      "refuse (and do not send those that have any)");
}

}  // namespace

std::string Row::variable() const {
  return fmt::format("MILLRACE_{}_{}", upper(section), upper(key));
}

std::vector<Row> rows_of(Settings& into) {
  std::vector<Row> rows;
  add_store_rows({rows, "store"}, into.node);
  add_listen_rows({rows, "listen"}, into.node);
  add_server_rows({rows, "server"}, into);
  add_ingest_rows({rows, "ingest"}, into.node);
  add_delivery_rows({rows, "delivery"}, into.node);
  add_caliper_rows({rows, "caliper"}, into.node);
  return rows;
}

std::expected<Loaded, std::vector<std::string>> load_settings(Sources const& sources) {
  Loaded loaded;
  loaded.settings.node.version = version;
  auto rows = rows_of(loaded.settings);
  std::set<std::string> known;
  for (auto const& row : rows) known.insert(row.name());

  std::vector<std::string> faults;
  auto const file = read_file(sources, known, faults);
  auto const environment = read_environment(sources, rows, faults);

  for (auto const& row : rows) {
    check(row.take(row.fallback).has_value(), "a default is in its own range");
    Shown shown{row.name(), row.fallback, row.fallback, "default"};
    auto const apply = [&](std::string const& text, std::string const& from) {
      if (auto const taken = row.take(text); !taken)
        faults.push_back(fmt::format("{}: {}: {}", from, row.name(), taken.error().what));
      shown.value = text;
      shown.from = from;
    };
    if (auto const at = file.find(row.name()); at != file.end())
      apply(at->second.text, at->second.from);
    if (auto const at = environment.find(row.name()); at != environment.end())
      apply(at->second.text, at->second.from);
    if (auto const at = sources.flags.find(row.flag); at != sources.flags.end())
      apply(at->second, "--" + at->first);
    loaded.shown.push_back(std::move(shown));
  }
  auto const& node = loaded.settings.node;
  if (node.certificate_file.empty() != node.key_file.empty())
    faults.emplace_back("listen.tls_certificate, listen.tls_key: give both or none");
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return loaded;
}

std::string print_settings(std::vector<Shown> const& shown) {
  std::size_t name = 7, value = 5, fallback = 7;
  auto const quoted = [](std::string const& text) {
    return text.empty() ? std::string("\"\"") : text;
  };
  for (auto const& row : shown) {
    name = std::max(name, row.name.size());
    value = std::max(value, quoted(row.value).size());
    fallback = std::max(fallback, quoted(row.fallback).size());
  }
  auto out = fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", "SETTING", name, "VALUE", value, "DEFAULT",
                         fallback, "FROM");
  for (auto const& row : shown)
    out += fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", row.name, name, quoted(row.value), value,
                       quoted(row.fallback), fallback, row.from);
  return out;
}

std::string settings_template() {
  std::string out =
      "# Settings of `millrace serve`. Every setting is here, commented out, with its default.\n"
      "# A variable of the environment goes before this file ([delivery] window: "
      "MILLRACE_DELIVERY_WINDOW), a flag before both\n"
      "# (--delivery-window). `millrace serve --config FILE --print-config` shows what holds, and "
      "where it comes from.\n";
  Settings unused;
  std::string section;
  for (auto const& row : rows_of(unused)) {
    if (row.section != section) out += fmt::format("\n[{}]\n", row.section);
    section = row.section;
    bool const bare =
        row.fallback == "true" || row.fallback == "false" ||
        (!row.fallback.empty() &&
         std::ranges::all_of(row.fallback, [](unsigned char c) { return std::isdigit(c) != 0; }));
    out += fmt::format("# {}\n# {} = {}\n", row.help, row.key,
                       bare ? row.fallback : fmt::format("\"{}\"", row.fallback));
  }
  return out;
}

}  // namespace millrace::cli
