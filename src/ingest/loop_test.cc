// An event that one of our own data streams delivers to ourselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/fixture.h"
#include "ingest/ingest.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace fixture;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LoopTest : public ::testing::Test {
 protected:
  LoopTest() {
    credentials.add_key({"*"});
    credentials.add_token("secret", model::Role::producer, {"acc-1"});
  }
  http::ServerResponse post(std::string from, std::string_view token = "secret") {
    auto request = events_request(canvas_event("a"), token);
    request.headers.push_back({"Millrace-Stream-Id", std::move(from)});
    return sim.run(ingest->events(std::move(request)));
  }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeCredentials credentials;
  StreamId const ours = *StreamId::parse("0192f0c1-0000-7000-8000-000000000001");
  std::unique_ptr<Ingest> ingest =
      Ingest::make({store, credentials, sim.clock(), sim.log(),
                    [id = ours](StreamId stream) { return stream == id; }},
                   {});
};

TEST_F(LoopTest, is_refused_at_the_json_door) {
  auto const looped = post(ours.text());

  EXPECT_EQ(looped.status, 508);
  EXPECT_THAT(looped.body, HasSubstr("Loop Detected"));
  EXPECT_THAT(looped.body, HasSubstr("comes from data stream " + ours.text()));
  EXPECT_THAT(store.payloads(), IsEmpty());
  EXPECT_EQ(ingest->rejected().loop.value(), 1U);
}

TEST_F(LoopTest, is_refused_at_the_kinesis_door) {
  auto request = kinesis_request("PutRecords", put_records({canvas_event("a")}));
  request.headers.push_back({"Millrace-Stream-Id", ours.text()});
  sign(request, sim.clock().wall());

  auto const looped = sim.run(ingest->kinesis(std::move(request)));

  EXPECT_EQ(looped.status, 508);
  EXPECT_THAT(looped.body, HasSubstr("LoopDetectedException"));
  EXPECT_THAT(store.payloads(), IsEmpty());
}

TEST_F(LoopTest, other_streams_and_strangers_are_treated_as_ever) {
  EXPECT_EQ(post("0192f0c1-0000-7000-8000-000000000002").status, 200) << "another node's";
  EXPECT_EQ(post("junk").status, 200);
  EXPECT_EQ(post(ours.text(), "wrong").status, 401) << "a stranger learns of no stream";
  EXPECT_EQ(ingest->rejected().loop.value(), 0U);
}

}  // namespace
}  // namespace millrace::ingest
