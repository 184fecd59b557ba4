#include "ingest/kinesis_answer.h"

#include <fmt/format.h>

#include "ingest/cbor.h"
#include "json/write.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view shard_id = "shardId-000000000000";
constexpr std::string_view account_id = "000000000000";
constexpr std::size_t batch_digits = 30, index_digits = 10, record_digits = 14;
constexpr std::size_t entries_an_item = 1000, entry_bytes = 256;
constexpr std::string_view failed =
    R"({"ErrorCode":"InternalFailure","ErrorMessage":"Internal service failure."})";
constexpr std::string_view left =
    R"({"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"With the other records )"
    R"(this request is more than 10,000 events, or more than 14 MiB expanded: send this one again."})";

// Writes `value` into `digits` places that end before `end`, with leading zeros.
void write_digits(char* end, std::size_t digits, std::uint64_t value) {
  for (; digits != 0; --digits, value /= 10) *--end = static_cast<char>('0' + value % 10);
}

// One stored record's part of an answer. All are alike but for some digits: those are written over, the rest is copied.
class StoredEntry {
 public:
  StoredEntry(std::uint64_t batch, Wire wire) {
    auto const number = sequence_number({batch, 0}, 0);
    text_ = fmt::format(R"({{"SequenceNumber":"{}","ShardId":"{}"}})", number, shard_id);
    if (wire == Wire::cbor) text_ = cbor_of_json(text_);
    end_ = text_.find(number) + number.size();
  }
  std::string_view at(std::uint32_t index, std::uint64_t record) {
    auto* const end = text_.data() + end_;
    write_digits(end, record_digits, record);
    write_digits(end - record_digits, index_digits, index);
    return text_;
  }

 private:
  std::string text_;
  std::size_t end_ = 0;  // of the number within it
};

bool is_stored(RecordFate const& fate, PutOutcome const& outcome) {
  return !fate.left && (fate.events == 0 || outcome.events) &&
         (fate.letters == 0 || outcome.letters);
}

// Where each record lies: an event's own place; what is none shares its neighbour's.
class Places {
 public:
  explicit Places(store::Position first) : at_(first), next_(first.index) {}
  std::uint32_t of(RecordFate const& fate) {
    if (fate.events == 0) return at_.index;
    at_.index = next_;
    next_ += fate.events;
    return std::exchange(at_.index, next_ - 1);
  }

 private:
  store::Position at_;
  std::uint32_t next_;
};

std::string arn_of(std::string_view region, std::string_view stream) {
  return fmt::format("arn:aws:kinesis:{}:{}:stream/{}", region, account_id, stream);
}

// Seconds in JSON, milliseconds in CBOR: so AWS's SDKs for Java read them.
std::int64_t timestamp(WallTime time, Wire wire) {
  return wire == Wire::cbor ? unix_ms(time) : unix_ms(time) / 1000;
}

std::string shards() {
  return fmt::format(
      R"([{{"HashKeyRange":{{"EndingHashKey":"340282366920938463463374607431768211455","StartingHashKey":"0"}},)"
      R"("SequenceNumberRange":{{"StartingSequenceNumber":"{}"}},"ShardId":"{}"}}])",
      sequence_number({0, 0}, 0), shard_id);
}

// What tells the caller how many of its records are no events; they were answered as stored.
void note_letters(SortedRecords const& sorted, PutOutcome const& outcome,
                  http::ServerResponse& answer) {
  if (!sorted.letters_made || !outcome.letters) return;
  answer.headers.push_back({"Millrace-Dead-Letters", fmt::to_string(sorted.letters_made)});
}

}  // namespace

std::string sequence_number(store::Position at, std::uint64_t record) {
  return fmt::format("49{:0{}}{:0{}}{:0{}}", at.batch, batch_digits, at.index, index_digits, record,
                     record_digits);
}

http::ServerResponse answer_put_record(SortedRecords const& sorted, PutOutcome const& outcome,
                                       Reply const& reply) {
  auto const& fate = sorted.fates[0];
  if (fate.left)
    return aws_answer(AwsError{400, "ProvisionedThroughputExceededException",
                               "There is no memory for expanding the record now: send it again."},
                      reply);
  if (!is_stored(fate, outcome))
    return aws_answer(AwsError{500, "InternalFailure", "Internal service failure."}, reply);
  auto answer = aws_answer(fmt::format(R"({{"ShardId":"{}","SequenceNumber":"{}"}})", shard_id,
                                       sequence_number(outcome.first, outcome.first_record)),
                           reply);
  note_letters(sorted, outcome, answer);
  return answer;
}

io::Task<http::ServerResponse> answer_put_records(SortedRecords const& sorted,
                                                  PutOutcome const& outcome, Reply const& reply,
                                                  TurnMeter* meter) {
  bool const cbor = reply.wire == Wire::cbor;
  std::size_t failures = 0;
  for (auto const& fate : sorted.fates) failures += is_stored(fate, outcome) ? 0 : 1;
  std::string body;
  body.reserve(64 + sorted.fates.size() * entry_bytes);
  if (cbor) {
    append_cbor_map(body, 2);
    append_cbor_text(body, "FailedRecordCount");
    append_cbor_number(body, failures);
    append_cbor_text(body, "Records");
    append_cbor_array(body, sorted.fates.size());
  } else {
    fmt::format_to(std::back_inserter(body), R"({{"FailedRecordCount":{},"Records":[)", failures);
  }
  auto const failed_entry = cbor ? cbor_of_json(failed) : std::string(failed);
  auto const left_entry = cbor ? cbor_of_json(left) : std::string(left);
  StoredEntry stored_entry(outcome.first.batch, reply.wire);
  Places places(outcome.first);
  Turns turns(meter);
  for (std::size_t i = 0; i < sorted.fates.size(); ++i) {
    if (i % entries_an_item == 0 && turns.spend(entries_an_item * entry_bytes))
      co_await turns.next();
    auto const& fate = sorted.fates[i];
    auto const index = places.of(fate);
    if (!cbor && i != 0) body += ',';
    if (is_stored(fate, outcome))
      body += stored_entry.at(index, outcome.first_record + i);
    else
      body += fate.left ? left_entry : failed_entry;
  }
  if (!cbor) body += "]}";
  auto answer = aws_answer_as_is(std::move(body), reply);
  note_letters(sorted, outcome, answer);
  co_return answer;
}

http::ServerResponse answer_describe(std::string_view stream, bool summary, StreamFacts facts,
                                     Reply const& reply) {
  json::Writer w;
  w.begin_object().key(summary ? "StreamDescriptionSummary" : "StreamDescription").begin_object();
  w.key("EncryptionType").text("NONE");
  w.key("EnhancedMonitoring").raw(R"([{"ShardLevelMetrics":[]}])");
  if (summary)
    w.key("ConsumerCount").number(0).key("OpenShardCount").number(1);
  else
    w.key("HasMoreShards").flag(false).key("Shards").raw(shards());
  w.key("RetentionPeriodHours").number(168).key("StreamARN").text(arn_of(facts.region, stream));
  w.key("StreamCreationTimestamp").number(timestamp(facts.created, reply.wire));
  w.key("StreamModeDetails").raw(R"({"StreamMode":"PROVISIONED"})");
  w.key("StreamName").text(stream).key("StreamStatus").text("ACTIVE");
  w.end_object().end_object();
  return aws_answer(std::move(w).take(), reply);
}

http::ServerResponse answer_list_streams(std::vector<std::string> const& streams, StreamFacts facts,
                                         Reply const& reply) {
  json::Writer w;
  w.begin_object().key("HasMoreStreams").flag(false).key("StreamNames").begin_array();
  for (auto const& name : streams) w.text(name);
  w.end_array().key("StreamSummaries").begin_array();
  for (auto const& name : streams) {
    w.begin_object().key("StreamARN").text(arn_of(facts.region, name));
    w.key("StreamCreationTimestamp").number(timestamp(facts.created, reply.wire));
    w.key("StreamModeDetails").raw(R"({"StreamMode":"PROVISIONED"})");
    w.key("StreamName").text(name).key("StreamStatus").text("ACTIVE").end_object();
  }
  w.end_array().end_object();
  return aws_answer(std::move(w).take(), reply);
}

http::ServerResponse answer_list_shards(Reply const& reply) {
  return aws_answer(fmt::format(R"({{"Shards":{}}})", shards()), reply);
}

}  // namespace millrace::ingest
