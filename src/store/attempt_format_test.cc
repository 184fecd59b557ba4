#include "store/attempt_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"

namespace millrace::store {
namespace {

using namespace std::chrono_literals;

std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
}

model::Attempt failed() {
  model::Attempt attempt;
  attempt.stream = *StreamId::parse("0192f0c1-0000-7000-8000-000000000001");
  attempt.event = *EventId::parse("0192f0c1-1111-7000-8000-000000000002");
  attempt.event_type = "grade_change";
  attempt.run = model::Run::redelivery;
  attempt.kind = model::TryKind::probe;
  attempt.number = 3;
  attempt.resent = true;
  attempt.at = *parse_time("2026-11-21T19:05:12.123Z");
  attempt.outcome = model::AttemptOutcome::waiting;
  attempt.failure = model::FailureClass::http;
  attempt.status = 503;
  attempt.took = 31'250us;
  attempt.timing = {.dns = 1ms, .connect = 2ms, .tls = 3500us, .answer = 24ms};
  attempt.address = "203.0.113.7:443";
  attempt.reason = "status 503";
  attempt.response_headers = "Server: nginx\n";
  attempt.response_body = "busy";
  return attempt;
}

model::Attempt delivered() {
  model::Attempt attempt;
  attempt.event_type = "x";
  attempt.reused = true;
  attempt.status = 204;
  return attempt;
}

std::shared_ptr<model::PeerCertificate const> certificate(std::string name) {
  return std::make_shared<model::PeerCertificate const>(model::PeerCertificate{
      std::move(name), "CN=R11,O=Let's Encrypt,C=US", "2027-02-01", std::string(64, 'a')});
}

std::vector<std::string> shown(std::vector<model::Attempt> const& attempts) {
  std::vector<std::string> texts;
  for (auto const& one : attempts) texts.push_back(one.stream.text() + model::to_json(one));
  return texts;
}

// Bytes as versions before 0.1.0's last ones have written them.
TEST(AttemptFormatTest, reads_blocks_of_the_first_form) {
  auto const attempts = decode_attempts(from_hex(
      "0114010000dad4a4de28b52ffd60140085050014090200000000700000c1f0920101008000701111c1f092010200"
      "800c00000067726164655f6368616e676501010301c0e4a41fd824ea180202f70150d6dc010000000040420f841e"
      "e0673500366e010f0000003230332e302e3131332e373a3434330a000000737461747573203530330e0000005365"
      "727665723a206e67696e780a040000006275737901000000780000cc0c00000754f0c0069b212c0f609520100401"
      "37561a265558409b05a004"));

  ASSERT_TRUE(attempts) << attempts.error().what;
  EXPECT_EQ(shown(*attempts), shown({failed(), delivered()}));
}

TEST(AttemptFormatTest, all_of_an_attempt_comes_back) {
  auto first = failed();
  first.timing.first_byte = 20ms;
  first.timing.body = 700ns;
  first.http = model::HttpVersion::http2;
  first.tls_version = "TLSv1.3";
  first.certificate = certificate("hooks.example.edu");
  auto second = first;  // the same certificate, read from another connection
  second.certificate = certificate("hooks.example.edu");
  second.address = "[2001:db8::1]:443";
  auto third = first;
  third.certificate = certificate("other.example.edu");
  third.took = Duration(-1);  // never, but it must not break the rest

  auto const attempts = decode_attempts(encode_attempts({first, delivered(), second, third}));

  ASSERT_TRUE(attempts) << attempts.error().what;
  EXPECT_EQ(shown(*attempts), shown({first, delivered(), second, third}));
  EXPECT_EQ((*attempts)[0].certificate, (*attempts)[2].certificate) << "one copy for both";
}

TEST(AttemptFormatTest, facts_of_a_connection_cost_once_a_block) {
  std::vector<model::Attempt> bare, full;
  for (int i = 0; i < 500; ++i) {
    bare.push_back(failed());
    bare.back().event.uuid.low += static_cast<std::uint64_t>(i) * 7919;
    full.push_back(bare.back());
    full.back().http = model::HttpVersion::http1;
    full.back().tls_version = "TLSv1.3";
    full.back().certificate = certificate("hooks.example.edu");
  }

  EXPECT_LE(encode_attempts(full).size(), encode_attempts(bare).size() + 300);
}

TEST(AttemptFormatTest, a_block_that_is_cut_or_changed_is_refused) {
  auto const good = encode_attempts({failed(), delivered()});
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_EQ(decode_attempts(good.substr(0, i)).error().fault, Fault::corrupt) << i;
    auto bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    EXPECT_EQ(decode_attempts(bad).error().fault, Fault::corrupt) << i;
  }
}

}  // namespace
}  // namespace millrace::store
