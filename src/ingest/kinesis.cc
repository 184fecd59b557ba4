#include "ingest/kinesis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/encoding.h"
#include "base/uuid.h"
#include "crypto/digest.h"
#include "crypto/sigv4.h"
#include "ingest/expand.h"
#include "ingest/intake.h"
#include "ingest/kinesis_answer.h"
#include "ingest/kinesis_request.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view target_prefix = "Kinesis_20131202.";
constexpr std::string_view account_id = "000000000000";
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
  if (type != json_1_1 && type != cbor_1_1)
    return plain(404, "<UnknownOperationException/>\n", "", request_id);
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

// The block of records that were sorted before.
io::Task<model::EventBlock> sorted_again(RecordData const& records, model::Principal const& who,
                                         WallTime now, ExpandedMemory::Hold& held,
                                         std::vector<RecordFate> const& fates, Aside& aside) {
  auto again = co_await sort_records(records, who, now, held, aside, &fates);
  co_return std::move(again.block);
}

}  // namespace

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

Kinesis::Kinesis(IngestParts const& parts, IngestSettings const& settings, RejectCounts& rejected,
                 ExpandedMemory& expanded, Aside& aside)
    : parts_(parts),
      settings_(settings),
      rejected_(rejected),
      expanded_(expanded),
      aside_(aside),
      begun_(parts.clock.wall()) {}

std::string Kinesis::next_request_id() {
  auto const number = requests_.fetch_add(1, std::memory_order_relaxed);
  return Uuid::v7(parts_.clock.wall(), number >> 48, number * 0x9E37'79B9'7F4A'7C15U).text();
}

// The hash of a large body, which its signature is over, and its repeats are known by; empty: it is small, or who sends it is unknown.
io::Task<std::string> Kinesis::hash_aside(http::ServerRequest const& request) {
  if (!aside_.takes(request.body.size())) co_return std::string();
  auto const key = crypto::claimed_key(request.header("Authorization").value_or(""));
  if (!settings_.any_signature && !parts_.credentials.access_key(key)) co_return std::string();
  co_return co_await aside_.run([&body = request.body] { return crypto::sha256(body); });
}

// `body_hash`: empty where it is not known yet.
std::expected<Kinesis::Caller, AwsError> Kinesis::authenticate(http::ServerRequest const& request,
                                                               std::string body_hash) const {
  if (settings_.any_signature) {
    auto [key, region] = claimed(request);
    model::Principal anyone{key, "any signature", model::Role::producer, {"*"}};
    return Caller{std::move(anyone), std::move(key),
                  region.empty() ? "us-east-1" : std::move(region), std::move(body_hash)};
  }
  crypto::AwsRequest signed_request{request.method, request.path, request.query, {}, request.body};
  signed_request.body_hash = body_hash;
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

// The body as the producer had it before it was compressed; its signature was over what came.
io::Task<std::optional<AwsError>> Kinesis::expand_body(http::ServerRequest& request,
                                                       ExpandedMemory::Hold& held) {
  auto const coding = coding_named(request.header("Content-Encoding"));
  if (!coding) co_return AwsError{415, "UnsupportedMediaTypeException", coding.error()};
  if (!*coding) co_return std::nullopt;
  auto expanded = co_await expand(**coding, request.body, body_bytes, held, parts_.turns);
  if (expanded) {
    request.body = std::move(*expanded);
    co_return std::nullopt;
  }
  switch (expanded.error()) {
    case ExpandTrouble::damaged:
      co_return serialization_error("The compressed body is damaged, or of another encoding.");
    case ExpandTrouble::too_large:
      co_return AwsError{413, "RequestEntityTooLargeException",
                         "The request is larger than 14 MiB when it is expanded."};
    case ExpandTrouble::no_memory:
      co_return AwsError{503, "ServiceUnavailable",
                         "There is no memory for expanding the request now: send it again."};
  }
  std::abort();
}

// The records of a put; the body is gone then: they are the only copy from here on.
io::Task<std::expected<StreamRef, AwsError>> Kinesis::read(http::ServerRequest& request,
                                                           Action action, Wire wire,
                                                           RecordData& records) {
  auto const job = [&request, &records, action, wire] {
    auto stream = action == Action::put_records ? read_put_records(wire, request.body, records)
                                                : read_put_record(wire, request.body, records);
    std::string().swap(request.body);
    return stream;
  };
  if (aside_.takes(request.body.size())) co_return co_await aside_.run(job);
  co_return job();
}

io::Task<http::ServerResponse> Kinesis::put(http::ServerRequest request, Caller caller,
                                            Action action, Reply reply) {
  auto repeat = repeat_key(request, caller);
  ExpandedMemory::Hold held(expanded_, caller.access_key_id);
  if (auto const error = co_await expand_body(request, held)) co_return aws_answer(*error, reply);
  RecordData records;
  auto const stream = co_await read(request, action, reply.wire, records);
  if (!stream) co_return aws_answer(stream.error(), reply);
  if (auto const error = unknown_stream(*stream->name)) co_return aws_answer(*error, reply);

  auto const now = parts_.clock.wall();
  auto sorted = co_await sort_records(records, caller.principal, now, held, aside_);
  PutOutcome outcome;
  if (sorted.block.empty()) {
    // With no event in it, a request has no place in the log; its numbers lie just before the next batch's.
    outcome.first = {parts_.store.range().next - 1, std::numeric_limits<std::uint32_t>::max()};
    outcome.first_record = letter_numbers(records.size());
  } else {
    auto const events = sorted.block.size();
    auto const rebuild = [&] {
      return sorted_again(records, caller.principal, now, held, sorted.fates, aside_);
    };
    auto appended =
        co_await append_held(parts_, std::move(sorted.block), rebuild, repeat, settings_.hold);
    if (appended) {
      outcome.first = appended->first;
    } else {
      // Its letters are not stored either: a request that is sent again because of its events must not leave them twice.
      outcome.events = outcome.letters = false;
      rejected_.busy.add(events);
      parts_.log.warning(
          "events not stored",
          {{"door", "kinesis"}, {"events", events}, {"error", appended.error().what}});
    }
  }
  if (outcome.letters && !sorted.letters.empty())
    outcome.letters = co_await store_letters(sorted, caller);
  if (action == Action::put_record) co_return answer_put_record(sorted, outcome, reply);
  co_return co_await answer_put_records(sorted, outcome, reply, parts_.turns);
}

io::Task<bool> Kinesis::store_letters(SortedRecords& sorted, Caller const& caller) {
  auto const reason = sorted.letters.front().reason;
  auto const added = co_await parts_.store.add_dead_letters(std::move(sorted.letters));
  if (!added) {
    parts_.log.warning("dead letters not stored",
                       {{"records", sorted.letters_made}, {"error", added.error().what}});
    co_return false;
  }
  for (std::size_t i = 0; i < sorted.refused.size(); ++i)
    count(rejected_, static_cast<Refusal>(i), sorted.refused[i]);
  parts_.log.info("dead letters", {{"door", "kinesis"},
                                   {"records", sorted.letters_made},
                                   {"access_key", caller.access_key_id},
                                   {"first_reason", reason}});
  co_return true;
}

// The first of `count` numbers that no other record gets, in tenths of milliseconds since 1970 or just behind the last ones.
std::uint64_t Kinesis::letter_numbers(std::size_t count) {
  auto const now = static_cast<std::uint64_t>(unix_ms(parts_.clock.wall())) * 10;
  auto next = next_letter_.load(std::memory_order_relaxed);
  while (!next_letter_.compare_exchange_weak(next, std::max(next, now) + count)) {
  }
  return std::max(next, now);
}

io::Task<http::ServerResponse> Kinesis::describe(http::ServerRequest request, Action action,
                                                 Caller caller, Reply reply) {
  ExpandedMemory::Hold held(expanded_, caller.access_key_id);
  if (auto const error = co_await expand_body(request, held)) co_return aws_answer(*error, reply);
  auto const job = [&request, action, wire = reply.wire] {
    return read_stream(wire, request.body, action != Action::list_streams);
  };
  bool const large = aside_.takes(request.body.size());
  auto const stream = large ? co_await aside_.run(job) : job();
  if (!stream) co_return aws_answer(stream.error(), reply);
  StreamFacts const facts{caller.region, begun_};
  if (action == Action::list_streams)
    co_return answer_list_streams(settings_.stream_names, facts, reply);
  if (auto const error = unknown_stream(*stream->name)) co_return aws_answer(*error, reply);
  if (action == Action::list_shards) co_return answer_list_shards(reply);
  co_return answer_describe(*stream->name, action == Action::describe_stream_summary, facts, reply);
}

io::Task<http::ServerResponse> Kinesis::handle(http::ServerRequest request) {
  Reply reply{next_request_id()};
  if (auto answer = not_the_protocol(request, reply.request_id)) co_return std::move(*answer);
  if (media_type(request.header("Content-Type").value_or("")) == cbor_1_1) reply.wire = Wire::cbor;
  if (request.body.size() > body_bytes)
    co_return aws_answer(
        AwsError{413, "RequestEntityTooLargeException", "The request is larger than 14 MiB."},
        reply);
  auto const action = action_of(request.header("X-Amz-Target").value_or(""));
  if (!action) co_return aws_answer(AwsError{400, "UnknownOperationException", ""}, reply);
  auto caller = authenticate(request, co_await hash_aside(request));
  if (!caller) co_return aws_answer(caller.error(), reply);
  if (auto loop = loop_refusal(parts_, request, rejected_); !loop.empty())
    co_return aws_answer(AwsError{508, "LoopDetectedException", std::move(loop)}, reply);
  if (*action == Action::put_records || *action == Action::put_record)
    co_return co_await put(std::move(request), std::move(*caller), *action, std::move(reply));
  co_return co_await describe(std::move(request), *action, std::move(*caller), std::move(reply));
}

}  // namespace millrace::ingest
