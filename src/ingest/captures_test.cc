// Requests recorded from unmodified clients, where the recordings are at hand: beside the checkout, they are no part of the product.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ingest/fixture.h"
#include "ingest/ingest.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::ingest {
namespace {

using namespace fixture;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

fs::path const captures = fs::path(MILLRACE_SOURCE_DIR) / "../shared/wire/captures/kinesis";

std::string content_of(fs::path const& file) {
  std::ifstream in(file, std::ios::binary);
  return (std::ostringstream() << in.rdbuf()).str();
}

struct Message {
  std::string first_line;
  std::vector<http::Header> headers;
  std::string body;
};

Message message_of(fs::path const& file) {
  auto const text = content_of(file);
  auto const end = text.find("\r\n\r\n");
  Message message;
  message.body = text.substr(end + 4);
  std::istringstream head(text.substr(0, end + 2));
  std::getline(head, message.first_line);
  for (std::string line; std::getline(head, line);) {
    line.pop_back();
    auto const colon = line.find(':');
    auto value = line.substr(colon + 1);
    value.erase(0, value.find_first_not_of(' '));
    message.headers.push_back({line.substr(0, colon), value});
  }
  return message;
}

http::ServerRequest request_of(fs::path const& file) {
  auto message = message_of(file);
  http::ServerRequest request;
  request.method = message.first_line.substr(0, message.first_line.find(' '));
  request.target = request.path = "/";
  request.headers = std::move(message.headers);
  request.body = std::move(message.body);
  return request;
}

WallTime time_of(http::ServerRequest const& request) {
  auto const stamp = std::string(request.header("X-Amz-Date").value_or(""));  // 20261121T192330Z
  return *parse_time(fmt::format("{}-{}-{}T{}:{}:{}Z", stamp.substr(0, 4), stamp.substr(4, 2),
                                 stamp.substr(6, 2), stamp.substr(9, 2), stamp.substr(11, 2),
                                 stamp.substr(13, 2)));
}

struct Door {
  explicit Door(IngestSettings settings) {
    credentials.add_key({"*"});
    ingest = Ingest::make({store, credentials, sim.clock(), sim.log()}, std::move(settings));
  }
  http::ServerResponse call(http::ServerRequest request) {
    return sim.run(ingest->kinesis(std::move(request)));
  }

  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  FakeCredentials credentials;
  std::unique_ptr<Ingest> ingest;
};

std::vector<fs::path> requests_in(std::string_view folder) {
  std::vector<fs::path> found;
  for (auto const& entry : fs::directory_iterator(captures / folder))
    if (entry.path().string().ends_with(".req.bin")) found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

TEST(CapturesTest, every_signed_request_of_a_real_client_is_accepted) {
  if (!fs::exists(captures)) GTEST_SKIP() << "no recordings beside the checkout";
  std::size_t tried = 0;
  for (std::string_view const folder :
       {"ruby-aws-sdk-kinesis-1.70.0__kinesalite", "ruby-aws-sdk-v1-1.67.0__kinesalite",
        "ruby-errors", "boto3-1.43.11__kinesalite", "awscli-2.9.19__kinesalite",
        "SYNTHETIC-cbor__kinesalite"}) {
    for (auto const& file : requests_in(folder)) {
      SCOPED_TRACE(file.filename().string());
      Door door({});
      auto const request = request_of(file);
      door.sim.clock().step_wall(time_of(request) - door.sim.clock().wall());

      auto const answer = door.call(request);

      bool const names_no_such_stream = file.string().find("NoStream") != std::string::npos ||
                                        file.string().find("nostream") != std::string::npos;
      bool const cbor = request.header("Content-Type") == "application/x-amz-cbor-1.1";
      EXPECT_EQ(answer.status, names_no_such_stream ? 400 : 200) << answer.body;
      if (names_no_such_stream) {
        EXPECT_THAT(answer.body, HasSubstr("ResourceNotFoundException"));
      }
      auto records = std::string::size_type{0};
      auto const data = cbor ? "dData" : "\"Data\"";
      for (std::size_t at = 0; (at = request.body.find(data, at)) != std::string::npos; ++at)
        ++records;
      EXPECT_EQ(http::find_header(answer.headers, "Content-Type"), request.header("Content-Type"));
      if (!names_no_such_stream)
        EXPECT_EQ(door.store.payloads().size() + door.store.letters().size(), records);
      ++tried;
    }
  }
  EXPECT_GE(tried, 25U);
}

TEST(CapturesTest, malformed_requests_are_answered_byte_for_byte_as_recorded) {
  if (!fs::exists(captures)) GTEST_SKIP() << "no recordings beside the checkout";
  std::size_t tried = 0;
  for (auto const& file : requests_in("curl-errors__kinesalite")) {
    SCOPED_TRACE(file.filename().string());
    auto const name = file.filename().string();
    // Their signatures are zeros: what is wrong with the signature itself is told with checking, the rest without.
    Door door({.any_signature =
                   !(name.starts_with("01") || name.starts_with("02") || name.starts_with("03"))});
    auto const request = request_of(file);
    auto const recorded =
        message_of(file.string().substr(0, file.string().size() - 8) + ".res.bin");

    auto const answer = door.call(request);

    EXPECT_EQ(std::to_string(answer.status), recorded.first_line.substr(9, 3));
    EXPECT_EQ(http::find_header(answer.headers, "Content-Type"),
              http::find_header(recorded.headers, "Content-Type"));
    if (answer.status == 200 && !answer.body.empty()) {  // its sequence numbers are its own
      EXPECT_THAT(answer.body, HasSubstr(R"({"FailedRecordCount":0,"Records":[{)"));
    } else {
      EXPECT_EQ(answer.body, recorded.body);
    }
    ++tried;
  }
  EXPECT_EQ(tried, 19U);
}

}  // namespace
}  // namespace millrace::ingest
