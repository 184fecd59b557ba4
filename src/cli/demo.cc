#include "cli/demo.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>

#include "cli/child.h"
#include "cli/serve.h"
#include "commands/client.h"
#include "commands/emit_sender.h"
#include "commands/process.h"
#include "commands/sample_day.h"
#include "io/worker.h"

namespace millrace::cli {
namespace {

constexpr auto account =
    "NorthernLightsCollegeDemoRootAccountUuid";  // 40 characters, as Canvas's are
constexpr auto stream_name = "Demo: all events, signed";
constexpr std::size_t day_events = 3000;
constexpr std::size_t batch_events = 10;
constexpr auto batch_pause = std::chrono::milliseconds(200);

struct Place {
  std::string root, data, received;
};

std::string absolute(std::string const& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

// The address that this machine reaches the node by.
std::string url_of(io::Endpoint const& endpoint) {
  auto address = endpoint.address();
  if (address.is_unspecified()) return fmt::format("http://127.0.0.1:{}", endpoint.port());
  return "http://" + io::text_of(endpoint);
}

// The middle of what a histogram holds, within its bucket as if spread evenly.
std::optional<double> median_seconds(Histogram const& histogram) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= Histogram::bounds.size(); ++i) total += histogram.bucket(i);
  if (total == 0) return std::nullopt;
  auto left = static_cast<double>(total) / 2;
  for (std::size_t i = 0; i < Histogram::bounds.size(); ++i) {
    auto const here = static_cast<double>(histogram.bucket(i));
    double const low = i == 0 ? 0 : Histogram::bounds[i - 1];
    if (here >= left) return low + (Histogram::bounds[i] - low) * left / here;
    left -= here;
  }
  return Histogram::bounds.back();
}

std::uint64_t delivered_by(delivery::Dispatcher const& dispatcher) {
  std::uint64_t delivered = 0;
  for (auto const& row : dispatcher.meters().deliveries)
    if (row.outcome == model::AttemptOutcome::delivered) delivered += row.count;
  return delivered;
}

std::uint64_t files_below(std::string const& folder) {
  std::uint64_t files = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error))
    if (at->is_regular_file(error) && at->path().extension() == ".json") ++files;
  return files;
}

// ---- what the demo asks of the service, as a user would: over its API

// A stream of an earlier demo gets the new receiver's address.
Result<std::string> make_stream(commands::ServerClient& client, std::string const& receiver) {
  auto streams = client.items("/api/v1/data_streams");
  if (!streams) return pass(streams);
  for (auto const& item : *streams) {
    auto const& stream = item.as_object();
    if (commands::shown(stream, "name") != stream_name) continue;
    auto const id = commands::shown(stream, "id");
    auto const body = boost::json::serialize(
        boost::json::object{{"delivery", boost::json::object{{"url", receiver}}}});
    if (auto const changed = client.call("PATCH", "/api/v1/data_streams/" + id, body); !changed)
      return pass(changed);
    return id;
  }
  boost::json::object const wanted{
      {"name", stream_name},
      {"account", account},
      {"format", "canvas"},
      {"event_types", boost::json::array{"*"}},
      {"delivery",
       boost::json::object{{"method", "https"}, {"url", receiver}, {"sign_payload", true}}},
      {"contact_email", "demo@example.edu"}};
  auto made = client.object("POST", "/api/v1/data_streams", boost::json::serialize(wanted));
  if (!made) return pass(made);
  return commands::shown(*made, "id");
}

Result<crypto::AwsCredentials> make_access_key(commands::ServerClient& client) {
  boost::json::object const wanted{{"accounts", boost::json::array{account}}};
  auto const made = client.object("POST", "/api/v1/access_keys", boost::json::serialize(wanted));
  if (!made) return pass(made);
  return crypto::AwsCredentials{.access_key_id = commands::shown(*made, "access_key_id"),
                                .secret_access_key = commands::shown(*made, "secret_access_key"),
                                .session_token = {}};
}

class Demo final : public Guest {
 public:
  explicit Demo(Place place) : place_(std::move(place)) {}

  io::Task<Result<void>> begin(server::Node& node, io::Executor loop) override {
    node_ = &node;
    server_ = url_of(node.local());
    if (auto const ready = co_await io::offload(*worker_, [this] { return prepare(); }); !ready)
      co_return pass(ready);
    tell_running();
    tasks_ = std::make_unique<io::TaskScope>(loop);
    tasks_->start(feed());
    tasks_->start(show());
    co_return Result<void>();
  }

  io::Task<void> end() override {
    if (!tasks_) co_return;
    tasks_->cancel();
    co_await tasks_->join();
  }

  io::Task<void> after() override {
    if (tasks_) {
      auto const line = co_await io::offload(*worker_, [this] { return status(); });
      fmt::print("{}{}\n", terminal_ ? "\r\x1b[K" : "", line);
      tell_stopped();
      std::fflush(stdout);
    }
    tasks_.reset();  // before its loop
    // On the worker, whose thread the child belongs to.
    co_await io::offload(*worker_, [this] {
      sender_.reset();
      desk_.reset();
      receiver_.reset();
      return true;
    });
  }

 private:
  // On the worker: a receiver, a key to send with, a data stream, a sender.
  Result<void> prepare() {
    auto child = Child::start_self({"receive", "https", "--listen", "127.0.0.1:0", "--jwks",
                                    server_ + "/jwks", "--store", "file://" + place_.received,
                                    "--layout", "per-event"});
    if (!child) return pass(child);
    receiver_ = std::move(*child);
    auto const line = receiver_->read_line(clock_, std::chrono::seconds(20));
    if (!line) return fail(Fault::io, "the demo's receiver: " + line.error().what);
    auto const at = line->find("http");
    if (at == std::string::npos)
      return fail(Fault::io, "the demo's receiver: said \"" + *line + "\"");

    commands::Reach reach;
    reach.server = server_;
    // Not what MILLRACE_TOKEN says: that is another server's.
    auto token = commands::token_in(place_.data);
    if (!token) return pass(token);
    reach.token = std::move(*token);
    auto client = commands::ServerClient::open(reach);
    if (!client) return pass(client);
    auto const stream = make_stream(*client, line->substr(at) + "/events");
    if (!stream) return pass(stream);
    stream_ = *stream;
    auto const key = make_access_key(*client);
    if (!key) return pass(key);

    auto desk = commands::HttpDesk::open();
    if (!desk) return pass(desk);
    desk_ = std::move(*desk);
    auto url = http::parse_url(server_ + "/");
    if (!url) return pass(url);
    sender_ = commands::kinesis_sender(
        {.url = std::move(*url), .shown = server_, .desk = *desk_, .random = random_}, *key,
        "us-east-1", "live-events");
    return {};
  }

  // As Canvas does: PutRecords, a few events at a time.
  io::Task<void> feed() {
    auto const day = commands::sample_day(1, day_events, account, clock_.wall());
    auto next = clock_.now();
    for (std::size_t i = 0; i < day.size(); i += batch_events) {
      std::vector<commands::EmitEvent> batch;
      for (std::size_t j = i; j < std::min(i + batch_events, day.size()); ++j)
        batch.push_back({day[j], fmt::format("sample event {}", j + 1)});
      auto const sent = co_await io::offload(
          *worker_, [this, batch = std::move(batch)] { return sender_->send(batch); });
      if (!sent) {
        say(fmt::format("the made-up Canvas gives up: {}", sent.error().what));
        co_return;
      }
      for (auto const& refused : sent->refused)
        say(fmt::format("{} was refused: {}", refused.where, refused.why));
      next += batch_pause;
      co_await clock_.sleep_until(next);
    }
    say("The sample day is over. All of it stays up, to look at, until Ctrl-C.");
  }

  io::Task<void> show() {
    for (;;) {
      auto const line = co_await io::offload(*worker_, [this] { return status(); });
      fmt::print("{}", terminal_ ? "\r\x1b[K" + line : line + "\n");
      std::fflush(stdout);
      co_await clock_.sleep_for(terminal_ ? std::chrono::milliseconds(500)
                                          : std::chrono::milliseconds(2000));
    }
  }

  std::string status() const {
    auto const median = median_seconds(node_->dispatcher().end_to_end_time());
    return fmt::format("accepted {}  delivered {}  latency p50 {}  files {}",
                       node_->metrics().accepted_events(), delivered_by(node_->dispatcher()),
                       median ? fmt::format("{:.1f} ms", *median * 1e3) : "-",
                       files_below(place_.received));
  }

  void say(std::string const& text) const {
    fmt::print("{}{}\n", terminal_ ? "\r\x1b[K" : "", text);
  }

  void tell_places() const {
    fmt::print(
        "  files          {}   (one an event, verified and decoded)\n"
        "  owner's token  {}/admin.token\n",
        place_.received, place_.data);
  }

  // What can be pasted into another terminal now.
  void tell_running() const {
    commands::Reach reach;
    reach.server = server_;
    reach.data = place_.data;
    fmt::print("\nThis is running; Ctrl-C stops it:\n");
    tell_places();
    fmt::print("  data streams   {}\n  attempts       {}\n\n",
               commands::again(reach, "streams list"),
               commands::again(reach, "attempts " + stream_));
  }

  void tell_stopped() const {
    fmt::print("\nIt has stopped, and this stays:\n");
    tell_places();
    fmt::print("  start again    {} serve --data {} --delivery-allow 127.0.0.0/8\n\n",
               commands::program_word(), commands::shell_word(place_.data));
  }

  Place place_;
  bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  io::SystemClock clock_;
  io::SystemRandom random_;
  std::unique_ptr<io::Worker> worker_ = io::thread_worker("demo", 5);
  server::Node* node_ = nullptr;
  std::string server_, stream_;
  std::unique_ptr<Child> receiver_;
  std::unique_ptr<commands::HttpDesk> desk_;
  std::unique_ptr<commands::EmitSender> sender_;
  std::unique_ptr<io::TaskScope> tasks_;
};

}  // namespace

commands::Exit run_demo(Settings settings, bool folder_named) {
  Place place;
  place.root = absolute(folder_named ? settings.node.store.folder + "/demo" : "./demo");
  place.data = place.root + "/data";
  place.received = place.root + "/received";
  io::DiskFiles files;
  for (auto const& folder : {place.data, place.received})
    if (auto const made = files.make_folders(folder); !made) return commands::failed(made.error());

  settings.node.store.folder = place.data;
  if (std::ranges::find(settings.node.allow, "127.0.0.0/8") == settings.node.allow.end())
    settings.node.allow.emplace_back("127.0.0.0/8");
  auto& names = settings.node.ingest.stream_names;
  if (std::ranges::find(names, "live-events") == names.end()) names.emplace_back("live-events");
  Demo demo(std::move(place));
  return serve(std::move(settings), &demo);
}

}  // namespace millrace::cli
