// Question: what does an event cost the ingest doors themselves, on one core, without network and disk? From the request's bytes to
// the answer's: signature, JSON, Base64, the checks, the block that the store gets. A request is built anew each time, outside the clock.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "ingest/fixture.h"
#include "ingest/ingest.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace {
namespace {

using namespace ingest::fixture;

// About 1.3 KB, as a page view of a logged-in user has.
std::string event(std::int64_t i) {
  return fmt::format(
      R"({{"attributes":{{"client_ip":"203.0.113.{0}","context_account_id":"21070000000000079","context_id":"21070000000{1:06}","context_role":"StudentEnrollment",)"
      R"("context_sis_source_id":null,"context_type":"Course","event_name":"asset_accessed","event_time":"2026-11-21T19:11:{2:02}.123Z","hostname":"school.example.edu",)"
      R"("http_method":"GET","producer":"canvas","referrer":"https://school.example.edu/courses/{1}/modules","request_id":"1dd9dc6f-2fb0-4c19-a6c5-{1:012}",)"
      R"("root_account_id":"21070000000000001","root_account_lti_guid":"7db438071375c02373713c12c73869ff2f470b68.school.example.edu",)"
      R"("root_account_uuid":"VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs","session_id":"ef686f8ed684abf78cbfa1f6a58112b5","time_zone":"America/Denver",)"
      R"("url":"https://school.example.edu/courses/{1}/pages/week-{0}","user_account_id":"21070000000000001","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",)"
      R"("user_id":"21070000000{1:06}","user_login":"student{1}@example.edu","user_sis_id":"S{1:08}"}},"body":{{"asset_id":"21070000000{1:06}","asset_name":"Week {0}: Réactions chimiques",)"
      R"("asset_subtype":null,"asset_type":"wiki_page","category":"wiki","context_account_id":"21070000000000079","display_name":"Week {0}","domain":"school.example.edu","enrollment_id":"2107000000012345","filename":null,"role":"StudentEnrollment","section_id":"4501"}}}})",
      i % 250, i, i % 60);
}

struct Door {
  Door() {
    credentials.add_key({"*"});
    credentials.add_token("secret", model::Role::producer, {"*"});
  }
  template <class Call>
  void run(benchmark::State& state, std::int64_t events, http::ServerRequest const& request,
           Call call) {
    std::int64_t requests = 0;
    for (auto _ : state) {
      state.PauseTiming();
      auto copy = request;
      if (++requests % 16 == 0) static_cast<void>(sim.run(store.retain(sim.clock().wall())));
      state.ResumeTiming();
      auto const answer = sim.run(call(std::move(copy)));
      check(answer.status == 200, "the benchmark's request is right");
      benchmark::DoNotOptimize(answer.body.data());
    }
    state.SetItemsProcessed(state.iterations() * events);  // shown as events a second
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(request.body.size()));
    check(store.letters().empty() && store.range().next > 1, "every event was stored");
  }

  testing::Sim sim;
  testing::MemoryStore store{
      sim.clock(),
      {.batch_bytes = 64U << 20U, .keep = std::chrono::hours(24), .keep_bytes = 32U << 20U}};
  FakeCredentials credentials;
};

void kinesis(benchmark::State& state, bool any_signature) {
  Door door;
  auto const ingest =
      ingest::Ingest::make({door.store, door.credentials, door.sim.clock(), door.sim.log()},
                           {.any_signature = any_signature});
  std::vector<std::string> records;
  for (std::int64_t i = 0; i < state.range(0); ++i) records.push_back(event(i));
  auto request = kinesis_request("PutRecords", put_records(records));
  sign(request, door.sim.clock().wall());
  door.run(state, state.range(0), request,
           [&](http::ServerRequest r) { return ingest->kinesis(std::move(r)); });
}
void kinesis_signed(benchmark::State& state) { kinesis(state, false); }
void kinesis_any_signature(benchmark::State& state) { kinesis(state, true); }

void json_lines(benchmark::State& state) {
  Door door;
  auto const ingest =
      ingest::Ingest::make({door.store, door.credentials, door.sim.clock(), door.sim.log()}, {});
  std::string body;
  for (std::int64_t i = 0; i < state.range(0); ++i) body += event(i) + "\n";
  auto const request = events_request(body, "secret", "application/x-ndjson");
  door.run(state, state.range(0), request,
           [&](http::ServerRequest r) { return ingest->events(std::move(r)); });
}

void json_array(benchmark::State& state) {
  Door door;
  auto const ingest =
      ingest::Ingest::make({door.store, door.credentials, door.sim.clock(), door.sim.log()}, {});
  std::string body = "[";
  for (std::int64_t i = 0; i < state.range(0); ++i) body += (i == 0 ? "" : ",") + event(i);
  auto const request = events_request(body + "]", "secret", "application/json");
  door.run(state, state.range(0), request,
           [&](http::ServerRequest r) { return ingest->events(std::move(r)); });
}

BENCHMARK(kinesis_signed)->ArgName("events")->Arg(1)->Arg(10)->Arg(100)->Arg(500)->Arg(5000);
BENCHMARK(kinesis_any_signature)->ArgName("events")->Arg(500);
BENCHMARK(json_lines)->ArgName("events")->Arg(1)->Arg(10)->Arg(100)->Arg(500)->Arg(5000);
BENCHMARK(json_array)->ArgName("events")->Arg(500);

}  // namespace
}  // namespace millrace
