// Tests only: an Api over the store in memory, with lanes that note what they are told.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/api.h"
#include "control/lanes_fixture.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::api {

inline constexpr auto ours = "11111111-aaaa-4aaa-8aaa-111111111111";    // a root account
inline constexpr auto theirs = "22222222-bbbb-4bbb-8bbb-222222222222";  // another

class FakeDispatcher final : public delivery::Dispatcher {
 public:
  io::Task<Result<void>> put(model::DataStream) override { co_return Result<void>(); }
  delivery::ChangePermit begin_change() override { return nullptr; }
  io::Task<Result<delivery::Dropped>> remove(StreamId) override { co_return delivery::Dropped(); }
  io::Task<Result<std::uint64_t>> activate(model::DataStream, delivery::ActivateFrom) override {
    co_return 0;
  }
  io::Task<Result<void>> deactivate(model::DataStream) override { co_return Result<void>(); }
  io::Task<Result<delivery::StreamStatus>> status(StreamId) override { co_return state; }
  io::Task<std::vector<delivery::StreamStatusRow>> statuses(
      std::vector<StreamId> streams) override {
    std::vector<delivery::StreamStatusRow> all;
    for (auto const stream : streams) all.emplace_back(stream, state);
    co_return all;
  }
  io::Task<Result<delivery::Outcome>> test(StreamId, model::Kind kind, std::string payload,
                                           std::uint32_t metadata_bytes) override {
    model::EventBlock block;
    block.add(kind, payload, metadata_bytes);
    tested.push_back(std::string(block[0].metadata()));
    tested_bodies.push_back(std::string(block[0].body()));
    co_return outcome;
  }
  delivery::DispatcherMeters meters() const override { return {}; }
  Histogram const& delivery_time() const override { return histogram_; }
  Histogram const& end_to_end_time() const override { return histogram_; }
  Counter const& signatures() const override { return counter_; }
  io::Task<void> stop(SteadyTime) override { co_return; }

  delivery::StreamStatus state;
  delivery::Outcome outcome;
  std::vector<std::string> tested, tested_bodies;

 private:
  Histogram histogram_;
  Counter counter_;
};

inline crypto::Sealer test_sealer(char fill = 'k') {
  return *crypto::Sealer::make(std::string(32, fill));
}

// Generated once: a key takes a tenth of a second.
inline crypto::SigningKey const& test_key() {
  static crypto::SigningKey const key = crypto::SigningKey::generate();
  return key;
}

inline crypto::KeyRing test_ring(WallTime now) {
  using namespace std::chrono_literals;
  std::vector<crypto::RingKey> keys;
  keys.push_back({"key-1-previous", test_key(), now - 2400h, now - 1000h, std::nullopt});
  keys.push_back({"key-2-current", test_key(), now - 1000h, now - 100h, std::nullopt});
  keys.push_back({"key-3-next", test_key(), now - 100h, now + 600h, std::nullopt});
  return *crypto::KeyRing::make(std::move(keys));
}

struct Reply {
  int status = 0;
  std::vector<http::Header> headers;
  std::string body;

  std::string header(std::string_view name) const {
    return std::string(http::find_header(headers, name).value_or(""));
  }
  boost::json::object json() const {
    boost::system::error_code error;
    auto const value = boost::json::parse(body, error);
    return !error && value.is_object() ? value.get_object() : boost::json::object();
  }
  std::string text(std::string_view key) const {
    auto const object = json();
    auto const* const value = object.if_contains(key);
    return value != nullptr && value->is_string()
               ? std::string(std::string_view(value->get_string()))
               : "";
  }
  // `field` of every item of a list.
  std::vector<std::string> all(std::string_view list, std::string_view field) const {
    std::vector<std::string> out;
    auto const object = json();
    auto const* const items = object.if_contains(list);
    if (items == nullptr || !items->is_array()) return out;
    for (auto const& item : items->get_array()) {
      auto const* const value = item.as_object().if_contains(field);
      if (value != nullptr && value->is_string())
        out.emplace_back(std::string_view(value->get_string()));
    }
    return out;
  }
};

inline io::Task<Result<void>> rotation(std::vector<std::string>& asked,
                                       std::optional<std::string> kid, Result<void> answer) {
  asked.push_back(kid.value_or("next"));
  co_return answer;
}

inline std::string stream_body(std::string_view account = ours, std::string_view name = "Ally") {
  return fmt::format(
      R"({{"name":"{}","account":"{}","event_types":["grade_change","submission_created"],)"
      R"("delivery":{{"method":"https","url":"https://ally.example.edu/events","sign_payload":true}},)"
      R"("headers":{{"Authorization":"s3cr3t-header"}},"contact_email":"admin@example.edu"}})",
      name, account);
}

// A body of one piece.
class Text final : public http::BodySource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  io::Task<Result<std::string>> next() override { co_return std::exchange(text_, {}); }

 private:
  std::string text_;
};

class World {
 public:
  World() { restart(); }

  // The same store, read anew.
  void restart() {
    api.reset();
    if (streams) sim.run(streams->join());
    streams.reset();
    registry = std::move(
        *sim.run(control::Registry::open(store, test_sealer(), sim.clock(), sim.random())));
    streams = std::make_unique<control::Streams>(control::StreamsParts{.loop = sim.executor(),
                                                                       .store = store,
                                                                       .registry = *registry,
                                                                       .lanes = lanes,
                                                                       .clock = sim.clock(),
                                                                       .random = sim.random(),
                                                                       .log = sim.log()});
    api = Api::make({store,
                     *registry,
                     *streams,
                     dispatcher,
                     keys,
                     sim.clock(),
                     sim.random(),
                     sim.log(),
                     [this] { return std::make_unique<Text>(metrics); },
                     [this] { return not_ready; },
                     [this] { return not_healthy; },
                     [this](std::optional<std::string> kid) {
                       return rotation(rotations, std::move(kid), rotated);
                     },
                     {.allow_caliper = true},
                     catalog,
                     caliper,
                     [this] { return drift; }});
  }

  std::string token(model::Role role, std::vector<std::string> accounts) {
    return sim.run(registry->add_token("test", role, std::move(accounts), root))->secret;
  }

  Reply call(std::string method, std::string target, std::string const& token = "",
             std::string body = "", std::vector<http::Header> headers = {}) {
    http::ServerRequest request;
    request.method = std::move(method);
    request.target = target;
    request.path = target.substr(0, target.find('?'));
    if (auto const at = target.find('?'); at != target.npos) request.query = target.substr(at + 1);
    request.headers = std::move(headers);
    if (!token.empty()) request.headers.push_back({"Authorization", "Bearer " + token});
    if (!body.empty() && !http::find_header(request.headers, "content-type"))
      request.headers.push_back({"Content-Type", "application/json"});
    request.body = std::move(body);
    auto answer = sim.run(api->handle(std::move(request)));
    pieces.clear();
    while (answer.more) {
      auto piece = sim.run(answer.more->next());
      EXPECT_TRUE(piece) << piece.error().what;
      if (!piece || piece->empty()) break;
      pieces.push_back(piece->size());
      answer.body += *piece;
    }
    return {answer.status, std::move(answer.headers), std::move(answer.body)};
  }

  std::string make_stream(std::string const& token, std::string const& body) {
    auto const made = call("POST", "/api/v1/data_streams", token, body);
    EXPECT_EQ(made.status, 201) << made.body;
    return made.text("id");
  }

  // A stream to a queue, with its secret: not by way of the API, which does not take them yet.
  std::string make_queue(std::string const& account) {
    auto stream = *model::parse_new(stream_body(account, "Queue"), {});
    stream.id = StreamId{Uuid::v7(sim.clock().wall(), sim.random().bits(), sim.random().bits())};
    stream.delivery = {};
    stream.delivery.method = model::Method::sqs;
    stream.delivery.url = "https://sqs.us-east-1.amazonaws.com/123456789012/canvas-live-events-a";
    stream.delivery.access_key_id = "AKIAABCDEFGHIJKLMNOP";
    stream.delivery.secret_access_key = "s3cr3t-queue";
    auto const id = stream.id.text();
    stream.version = 0;
    EXPECT_TRUE(sim.run(registry->save({.stream = std::move(stream)}, root, "test.queue")));
    return id;
  }

  EventId add_event(std::string const& account, std::string const& type) {
    model::EventBlock block;
    block.add(account, type, R"({"event_name":")" + type + R"("})", R"({"n":1})");
    auto const appended = sim.run(store.append(std::move(block), std::nullopt));
    auto const batches = sim.run(store.read(appended->first.batch, {}));
    return batches->front()->id_of(appended->first.index);
  }

  model::Principal const root{"root", "test", model::Role::owner, {"*"}};
  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeDispatcher dispatcher;
  control::FakeLanes lanes{sim.clock()};
  std::vector<std::size_t> pieces;  // of the latest answer, behind its first
  io::Shared<crypto::KeyRing> keys{test_ring(sim.clock().wall())};
  std::string metrics = "millrace_up 1\n", not_ready, not_healthy;
  std::vector<std::string> rotations;
  Result<void> rotated;
  model::Catalog const catalog = model::Catalog::load();
  formats::CaliperRenderer const caliper = std::move(*formats::CaliperRenderer::make(catalog));
  model::Drift drift{catalog};
  std::unique_ptr<control::Registry> registry;
  std::unique_ptr<control::Streams> streams;
  std::unique_ptr<Api> api;
};

}  // namespace millrace::api
