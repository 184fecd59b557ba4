#include "ingest/kinesis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/encoding.h"
#include "base/uuid.h"
#include "crypto/digest.h"
#include "crypto/sigv4.h"
#include "ingest/intake.h"
#include "ingest/kinesis_request.h"
#include "json/write.h"

namespace millrace::ingest {
namespace {

using store::DeadLetter;
using store::Position;

constexpr std::string_view target_prefix = "Kinesis_20131202.";
constexpr std::string_view shard_id = "shardId-000000000000";
constexpr std::string_view account_id = "000000000000";
constexpr std::size_t letter_bytes = 64 * 1024;
constexpr std::size_t body_bytes = 14 * 1024 * 1024;
constexpr Duration repeat_time =
    std::chrono::minutes(15);  // an SDK's own tries are over within a minute or two

// A media type without its parameters, in lower case.
std::string media_type(std::string_view header) {
  auto type = header.substr(0, header.find(';'));
  type = type.substr(0, type.find_last_not_of(" \t") + 1);
  std::string out(type);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

http::ServerResponse plain(int status, std::string body, std::string type,
                           std::string const& request_id) {
  http::ServerResponse answer{status, {{"x-amzn-RequestId", request_id}}, std::move(body)};
  if (!type.empty()) answer.headers.push_back({"Content-Type", std::move(type)});
  return answer;
}

// Answers to what is no request of the protocol at all, as recorded from AWS-like servers.
std::optional<http::ServerResponse> not_the_protocol(http::ServerRequest const& request,
                                                     std::string const& request_id) {
  if (request.method == "OPTIONS") {
    auto answer = plain(200, "", "", request_id);
    answer.headers.push_back({"Access-Control-Allow-Origin", "*"});
    answer.headers.push_back({"Access-Control-Max-Age", "172800"});
    return answer;
  }
  if (request.method != "POST")
    return plain(403,
                 "<AccessDeniedException>\n  <Message>Unable to determine service/operation name "
                 "to be authorized</Message>\n"
                 "</AccessDeniedException>\n",
                 "", request_id);
  auto const type = media_type(request.header("Content-Type").value_or(""));
  if (type == "application/json")
    return plain(
        404,
        R"({"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"})",
        type, request_id);
  if (type != json_1_1) return plain(404, "<UnknownOperationException/>\n", "", request_id);
  return std::nullopt;
}

// Access key id and region as an Authorization header claims them, nothing being checked.
std::pair<std::string, std::string> claimed(http::ServerRequest const& request) {
  std::string_view const header = request.header("Authorization").value_or("");
  auto const at = header.find("Credential=");
  if (at == header.npos) return {};
  auto scope = header.substr(at + 11);
  scope = scope.substr(0, scope.find_first_of(", "));
  std::array<std::string_view, 3> parts;  // key id, date, region
  for (auto& part : parts) {
    part = scope.substr(0, scope.find('/'));
    scope.remove_prefix(std::min(part.size() + 1, scope.size()));
  }
  return {std::string(cut(parts[0], 128)), std::string(cut(parts[2], 64))};
}

AwsError signature_error(crypto::SignatureFault const& fault) {
  using crypto::SignatureTrouble;
  switch (fault.trouble) {
    case SignatureTrouble::missing:
      return {400, "MissingAuthenticationTokenException", fault.message};
    case SignatureTrouble::incomplete:
      return {400, "IncompleteSignatureException", fault.message};
    case SignatureTrouble::unknown_key:
      return {400, "UnrecognizedClientException", fault.message};
    case SignatureTrouble::expired:
    case SignatureTrouble::mismatch:
      return {400, "InvalidSignatureException", fault.message};
  }
  std::abort();
}

// What a request says of itself, fit to stand in an answer.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, 255));
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) c = '?';
  return out;
}

// A signature that fits everywhere else usually fails for one of two reasons; AWS's words tell only of the secret. This is the other.
std::string host_remark(http::ServerRequest const& request) {
  auto out = fmt::format("The request arrived here with the header 'Host: {}'",
                         shown(request.header("Host").value_or("")));
  if (auto const forwarded = request.header("X-Forwarded-Host"))
    out += fmt::format(", and its X-Forwarded-Host is '{}'", shown(*forwarded));
  return out +
         ". The client has signed the host and port that it called: where that was another, a "
         "proxy "
         "on the way has rewritten it and must pass it on unchanged (nginx: proxy_set_header Host "
         "$http_host; Caddy does so by itself). Where it was this one, the secret access key "
         "differs.";
}

std::string arn_of(std::string_view region, std::string_view stream) {
  return fmt::format("arn:aws:kinesis:{}:{}:stream/{}", region, account_id, stream);
}

constexpr std::size_t batch_digits = 30, index_digits = 10, record_digits = 14;

// Writes `value` into `digits` places that end before `end`, with leading zeros.
void write_digits(char* end, std::size_t digits, std::uint64_t value) {
  for (; digits != 0; --digits, value /= 10) *--end = static_cast<char>('0' + value % 10);
}

// One stored record's part of an answer. All are alike but for some digits: those are written over, the rest is copied.
class StoredEntry {
 public:
  explicit StoredEntry(std::uint64_t batch)
      : text_(fmt::format(R"({{"SequenceNumber":"{}","ShardId":"{}"}})",
                          sequence_number({batch, 0}, 0), shard_id)) {}
  std::string_view at(std::uint32_t index, std::uint32_t record) {
    auto* const end = text_.data() + before.size() + 2 + batch_digits + index_digits;
    write_digits(end, index_digits, index);
    write_digits(end + record_digits, record_digits, record);
    return text_;
  }

 private:
  static constexpr std::string_view before = R"({"SequenceNumber":")";
  std::string text_;
};

}  // namespace

std::string sequence_number(Position at, std::uint32_t record) {
  return fmt::format("49{:0{}}{:0{}}{:0{}}", at.batch, batch_digits, at.index, index_digits, record,
                     record_digits);
}

std::optional<Kinesis::Action> Kinesis::action_of(std::string_view target) {
  if (!target.starts_with(target_prefix)) return std::nullopt;
  target.remove_prefix(target_prefix.size());
  if (target == "PutRecords") return Action::put_records;
  if (target == "PutRecord") return Action::put_record;
  if (target == "DescribeStream") return Action::describe_stream;
  if (target == "DescribeStreamSummary") return Action::describe_stream_summary;
  if (target == "ListStreams") return Action::list_streams;
  if (target == "ListShards") return Action::list_shards;
  return std::nullopt;
}

// A put, taken apart.
struct Kinesis::Sorted {
  StreamRef stream;
  model::EventBlock block;
  std::vector<bool> is_event;  // a record each
  std::vector<DeadLetter> letters;
  std::array<std::uint64_t, 4> refused{};  // by Refusal
};

Kinesis::Kinesis(IngestParts const& parts, IngestSettings const& settings, RejectCounts& rejected)
    : parts_(parts), settings_(settings), rejected_(rejected), begun_(parts.clock.wall()) {}

std::string Kinesis::next_request_id() {
  auto const number = requests_.fetch_add(1, std::memory_order_relaxed);
  return Uuid::v7(parts_.clock.wall(), number >> 48, number * 0x9E37'79B9'7F4A'7C15U).text();
}

std::expected<Kinesis::Caller, AwsError> Kinesis::authenticate(
    http::ServerRequest const& request) const {
  if (settings_.any_signature) {
    auto [key, region] = claimed(request);
    model::Principal anyone{key, "any signature", model::Role::producer, {"*"}};
    return Caller{std::move(anyone), std::move(key),
                  region.empty() ? "us-east-1" : std::move(region), ""};
  }
  crypto::AwsRequest signed_request{request.method, request.path, request.query, {}, request.body};
  signed_request.headers.reserve(request.headers.size());
  for (auto const& [name, value] : request.headers)
    signed_request.headers.emplace_back(name, value);

  std::optional<model::AccessKey> key;
  auto const secret_of = [&](std::string_view id) -> std::optional<std::string> {
    key = parts_.credentials.access_key(id);
    return key ? std::optional(key->secret_access_key) : std::nullopt;
  };
  auto const verified = crypto::verify_v4(signed_request, secret_of, parts_.clock.wall());
  if (!verified) {
    auto error = signature_error(verified.error());
    if (verified.error().differs) error.message += ' ' + host_remark(request);
    return std::unexpected(std::move(error));
  }
  if (verified->service != "kinesis")
    return std::unexpected(AwsError{400, "InvalidSignatureException",
                                    "Credential should be scoped to correct service: 'kinesis'. "});
  if (!key->principal.may_produce())
    return std::unexpected(
        AwsError{400, "AccessDeniedException", "This access key may not send events."});
  return Caller{std::move(key->principal), verified->access_key_id, verified->region,
                verified->body_hash};
}

std::expected<Kinesis::Sorted, AwsError> Kinesis::sort(std::string& body, Action action,
                                                       model::Principal const& who) const {
  Sorted sorted;
  Sorter sorter(who, "key");
  sorter.block().reserve(body.size() / 4 * 3, body.size() / 1024 + 1);  // Base64 takes 4 for 3
  std::string data;
  auto const now = parts_.clock.wall();
  auto const take = [&](std::string_view base64) -> std::optional<AwsError> {
    data.clear();
    if (auto error = append_blob(base64, data)) return error;
    auto refused = sorter.add(data);
    sorted.is_event.push_back(!refused);
    if (!refused) return std::nullopt;
    ++sorted.refused[static_cast<std::size_t>(refused->why)];
    // The account of a letter decides who may see it: the key's own, never one that the record claims.
    std::string account =
        who.accounts.size() == 1 && !who.sees_all() ? who.accounts.front() : std::string();
    sorted.letters.push_back({"", now, "kinesis", std::move(account), std::move(refused->reason),
                              data.substr(0, letter_bytes)});
    return std::nullopt;
  };
  auto stream =
      action == Action::put_records ? read_put_records(body, take) : read_put_record(body, take);
  if (!stream) return std::unexpected(std::move(stream.error()));
  sorted.stream = std::move(*stream);
  sorted.block = std::move(sorter.block());
  return sorted;
}

std::optional<AwsError> Kinesis::unknown_stream(std::string const& name) const {
  if (std::ranges::find(settings_.stream_names, name) != settings_.stream_names.end())
    return std::nullopt;
  return AwsError{400, "ResourceNotFoundException",
                  fmt::format("Stream {} under account {} not found.", name, account_id)};
}

std::optional<store::RepeatKey> Kinesis::repeat_key(http::ServerRequest const& request,
                                                    Caller const& caller) const {
  auto const id = request.header("amz-sdk-invocation-id");
  if (!id || id->empty() || id->size() > 128) return std::nullopt;
  auto hash = caller.body_hash.size() == 32 ? caller.body_hash : crypto::sha256(request.body);
  // With the hash in the key: an invocation id that comes with two bodies marks no repeat, and both are stored.
  return store::RepeatKey{fmt::format("kinesis:{}:{}:{}", caller.access_key_id, *id, hex(hash)),
                          std::move(hash), "", repeat_time};
}

io::Task<http::ServerResponse> Kinesis::put(http::ServerRequest request, Caller caller,
                                            Action action, std::string request_id) {
  auto repeat = repeat_key(request, caller);
  auto sorted = sort(request.body, action, caller.principal);
  if (!sorted) co_return aws_answer(sorted.error(), request_id);
  if (auto const error = unknown_stream(*sorted->stream.name))
    co_return aws_answer(*error, request_id);

  // With no event in it, a request has no place in the log; its numbers lie just before the next batch's.
  Position first{parts_.store.range().next - 1, std::numeric_limits<std::uint32_t>::max()};
  Stored stored;
  if (!sorted->block.empty()) {
    auto const events = sorted->block.size();
    auto const rebuild = [&] {
      auto again = sort(request.body, action, caller.principal);
      check(again.has_value(), "what could be read once can be read again");
      request.body = {};  // the block is the only copy from here on
      return std::move(again->block);
    };
    auto appended =
        co_await append_held(parts_, std::move(sorted->block), rebuild, repeat, settings_.hold);
    if (appended) {
      first = appended->first;
    } else {
      stored.events = false;
      rejected_.busy.add(events);
      parts_.log.warning(
          "events not stored",
          {{"door", "kinesis"}, {"events", events}, {"error", appended.error().what}});
    }
  }
  // Only now: a request that is sent again because of its events must not leave its letters twice.
  if (!stored.events) stored.letters = false;
  if (stored.events && !sorted->letters.empty()) {
    auto const letters = sorted->letters.size();
    auto reason = sorted->letters.front().reason;
    auto const added = co_await parts_.store.add_dead_letters(std::move(sorted->letters));
    stored.letters = added.has_value();
    if (added) {
      for (std::size_t i = 0; i < sorted->refused.size(); ++i)
        count(rejected_, static_cast<Refusal>(i), sorted->refused[i]);
      parts_.log.info("dead letters", {{"door", "kinesis"},
                                       {"records", letters},
                                       {"access_key", caller.access_key_id},
                                       {"first_reason", reason}});
    } else {
      parts_.log.warning("dead letters not stored",
                         {{"records", letters}, {"error", added.error().what}});
    }
  }
  co_return answer_put(action, *sorted, first, stored, request_id);
}

http::ServerResponse Kinesis::answer_put(Action action, Sorted const& sorted, Position first,
                                         Stored stored, std::string const& request_id) const {
  constexpr std::string_view failed =
      R"({"ErrorCode":"InternalFailure","ErrorMessage":"Internal service failure."})";
  std::string body;
  auto const records = sorted.is_event.size();
  if (action == Action::put_record) {
    if (!(sorted.is_event[0] ? stored.events : stored.letters))
      return aws_answer(AwsError{500, "InternalFailure", "Internal service failure."}, request_id);
    body = fmt::format(R"({{"ShardId":"{}","SequenceNumber":"{}"}})", shard_id,
                       sequence_number(first, 0));
    return aws_answer(std::move(body), request_id);
  }
  auto const events = static_cast<std::size_t>(std::ranges::count(sorted.is_event, true));
  auto const failures = (stored.events ? 0 : events) + (stored.letters ? 0 : records - events);
  body.reserve(64 + records * 128);
  fmt::format_to(std::back_inserter(body), R"({{"FailedRecordCount":{},"Records":[)", failures);
  StoredEntry stored_entry(first.batch);
  auto place = first;
  bool begun = false;  // an event came before
  for (std::size_t i = 0; i < records; ++i) {
    if (i != 0) body += ',';
    if (sorted.is_event[i]) place.index += begun ? 1 : 0;
    begun = begun || sorted.is_event[i];
    if (sorted.is_event[i] ? stored.events : stored.letters) {
      body += stored_entry.at(place.index, static_cast<std::uint32_t>(i));
    } else {
      body += failed;
    }
  }
  body += "]}";
  return aws_answer(std::move(body), request_id);
}

http::ServerResponse Kinesis::describe(std::string& body, Action action, Caller const& caller,
                                       std::string const& request_id) const {
  auto const stream = read_stream(body, action != Action::list_streams);
  if (!stream) return aws_answer(stream.error(), request_id);
  if (action == Action::list_streams) {
    json::Writer w;
    w.begin_object().key("HasMoreStreams").flag(false).key("StreamNames").begin_array();
    for (auto const& name : settings_.stream_names) w.text(name);
    w.end_array().key("StreamSummaries").begin_array();
    for (auto const& name : settings_.stream_names) {
      w.begin_object().key("StreamARN").text(arn_of(caller.region, name));
      w.key("StreamCreationTimestamp").number(unix_ms(begun_) / 1000);
      w.key("StreamModeDetails").raw(R"({"StreamMode":"PROVISIONED"})");
      w.key("StreamName").text(name).key("StreamStatus").text("ACTIVE").end_object();
    }
    w.end_array().end_object();
    return aws_answer(std::move(w).take(), request_id);
  }
  if (auto const error = unknown_stream(*stream->name)) return aws_answer(*error, request_id);

  auto const shards = fmt::format(
      R"([{{"HashKeyRange":{{"EndingHashKey":"340282366920938463463374607431768211455","StartingHashKey":"0"}},)"
      R"("SequenceNumberRange":{{"StartingSequenceNumber":"{}"}},"ShardId":"{}"}}])",
      sequence_number({0, 0}, 0), shard_id);
  if (action == Action::list_shards)
    return aws_answer(fmt::format(R"({{"Shards":{}}})", shards), request_id);

  json::Writer w;
  w.begin_object()
      .key(action == Action::describe_stream ? "StreamDescription" : "StreamDescriptionSummary")
      .begin_object();
  w.key("EncryptionType")
      .text("NONE")
      .key("EnhancedMonitoring")
      .raw(R"([{"ShardLevelMetrics":[]}])");
  if (action == Action::describe_stream) {
    w.key("HasMoreShards").flag(false).key("Shards").raw(shards);
  } else {
    w.key("ConsumerCount").number(0).key("OpenShardCount").number(1);
  }
  w.key("RetentionPeriodHours")
      .number(168)
      .key("StreamARN")
      .text(arn_of(caller.region, *stream->name));
  w.key("StreamCreationTimestamp")
      .number(unix_ms(begun_) / 1000)
      .key("StreamModeDetails")
      .raw(R"({"StreamMode":"PROVISIONED"})");
  w.key("StreamName")
      .text(*stream->name)
      .key("StreamStatus")
      .text("ACTIVE")
      .end_object()
      .end_object();
  return aws_answer(std::move(w).take(), request_id);
}

io::Task<http::ServerResponse> Kinesis::handle(http::ServerRequest request) {
  auto request_id = next_request_id();
  if (auto answer = not_the_protocol(request, request_id)) co_return std::move(*answer);
  if (request.body.size() > body_bytes)
    co_return aws_answer(
        AwsError{413, "RequestEntityTooLargeException", "The request is larger than 14 MiB."},
        request_id);
  auto const action = action_of(request.header("X-Amz-Target").value_or(""));
  if (!action) co_return aws_answer(AwsError{400, "UnknownOperationException", ""}, request_id);
  auto caller = authenticate(request);
  if (!caller) co_return aws_answer(caller.error(), request_id);
  if (auto loop = loop_refusal(parts_, request, rejected_); !loop.empty())
    co_return aws_answer(AwsError{508, "LoopDetectedException", std::move(loop)}, request_id);
  if (*action == Action::put_records || *action == Action::put_record)
    co_return co_await put(std::move(request), std::move(*caller), *action, std::move(request_id));
  co_return describe(request.body, *action, *caller, request_id);
}

}  // namespace millrace::ingest
