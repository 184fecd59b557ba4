#include "commands/emit_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/encoding.h"
#include "base/uuid.h"
#include "json/reader.h"
#include "json/write.h"

namespace millrace::commands {
namespace {

constexpr Duration longest_wait = std::chrono::seconds(20);
constexpr std::size_t largest_answer = 16 * 1024 * 1024;

std::string fresh_id(SendTo& to) {
  return Uuid::v7(to.desk.clock().wall(), to.random.bits(), to.random.bits()).text();
}

bool worth_another_try(int status) { return status == 429 || status >= 500; }

Duration asked_for(http::client::Answer const& answer) {
  auto const value = http::find_header(answer.headers, "Retry-After");
  int seconds = 0;
  if (!value) return {};
  auto const [end, error] = std::from_chars(value->data(), value->data() + value->size(), seconds);
  if (error != std::errc() || seconds < 0) return {};
  return std::chrono::seconds(std::min(seconds, 60));
}

std::size_t letters_of(http::client::Answer const& answer) {
  auto const value = http::find_header(answer.headers, "Millrace-Dead-Letters").value_or("");
  std::size_t letters = 0;
  std::from_chars(value.data(), value.data() + value.size(), letters);
  return letters;
}

Error no_answer(SendTo const& to, http::client::Answer const& answer) {
  return {Fault::unreachable, fmt::format("{}: {}; is the server running there? (--to URL)",
                                          harmless(to.shown), harmless(answer.reason))};
}

// Line ends are white space in valid JSON; in NDJSON they would cut the event.
std::string on_one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  std::ranges::replace(text, '\r', ' ');
  return text;
}

class JsonSender final : public EmitSender {
 public:
  JsonSender(SendTo to, std::string token) : to_(std::move(to)), token_(std::move(token)) {
    if (to_.url.target == "/") to_.url.target = "/api/v1/events";
  }
  std::size_t batch_events() const override { return 1000; }
  std::size_t batch_bytes() const override { return 4 * 1024 * 1024; }

  Result<SendOutcome> send(std::vector<EmitEvent> const& batch) override {
    std::string body;
    for (auto const& event : batch) body += on_one_line(event.json) + '\n';
    auto const head = fmt::format(
        "Authorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\nAccept: "
        "application/json\r\nIdempotency-Key: {}\r\n",
        token_, fresh_id(to_));
    http::client::Ask ask;
    ask.url = &to_.url;
    ask.head = head;
    ask.body = body;
    ask.deadline = std::chrono::seconds(60);
    ask.kept_body = largest_answer;
    for (int next = 2;; ++next) {
      auto const answer = to_.desk.ask(ask);
      bool const answered = answer.trouble == http::client::Trouble::none;
      if (answered && (answer.status == 200 || answer.status == 422))
        if (auto outcome = read(answer.body, batch); outcome || answer.status == 200)
          return outcome;
      if (answered && !worth_another_try(answer.status)) return std::unexpected(refusal(answer));
      if (next > most_tries)
        return std::unexpected(answered ? refusal(answer) : no_answer(to_, answer));
      to_.desk.sleep(wait_before(next, to_.random.unit(), asked_for(answer)));
    }
  }

 private:
  Result<SendOutcome> read(std::string const& body, std::vector<EmitEvent> const& batch) const {
    auto const parsed = json::parse(body, {.bytes = largest_answer, .depth = 32});
    auto const* const rejected =
        parsed && parsed->is_object() ? parsed->get_object().if_contains("rejected") : nullptr;
    if (rejected == nullptr || !rejected->is_array())
      return fail(Fault::io, fmt::format("{}: its answer is no Millrace server's; check --to",
                                         harmless(to_.shown)));
    SendOutcome outcome;
    for (auto const& item : rejected->get_array()) {
      if (!item.is_object()) continue;
      auto const* const index = item.get_object().if_contains("index");
      std::size_t const at = index != nullptr && index->is_int64() && index->get_int64() >= 0
                                 ? static_cast<std::size_t>(index->get_int64())
                                 : batch.size();
      outcome.refused.push_back(
          {at < batch.size() ? batch[at].where : "?", shown(item.get_object(), "error")});
    }
    outcome.accepted = batch.size() - std::min(batch.size(), outcome.refused.size());
    return outcome;
  }

  Error refusal(http::client::Answer const& answer) const {
    std::string why = fmt::format("answered {}", answer.status);
    if (auto const parsed = json::parse(answer.body); parsed && parsed->is_object())
      if (auto const detail = json::text_at(parsed->get_object(), "detail"))
        why += fmt::format(": {}", harmless(*detail));
    if (answer.status == 401 || answer.status == 403)
      why +=
          "; give a producer's token by --token or MILLRACE_TOKEN (millrace tokens add --role "
          "producer)";
    return {worth_another_try(answer.status) ? Fault::busy : Fault::denied,
            fmt::format("{}: {}", harmless(to_.shown), why)};
  }

  SendTo to_;
  std::string token_;
};

class KinesisSender final : public EmitSender {
 public:
  KinesisSender(SendTo to, crypto::AwsCredentials credentials, std::string region,
                std::string stream)
      : to_(std::move(to)),
        credentials_(std::move(credentials)),
        region_(std::move(region)),
        stream_(std::move(stream)) {}
  std::size_t batch_events() const override { return 500; }
  std::size_t batch_bytes() const override { return 5'000'000; }

  Result<SendOutcome> send(std::vector<EmitEvent> const& batch) override {
    SendOutcome outcome;
    std::vector<EmitEvent const*> left;
    for (auto const& event : batch) left.push_back(&event);
    // Records that failed on their own make up the next request; one that fails at every try is told.
    for (int round = 1; !left.empty(); ++round) {
      auto const results = put(left, outcome.dead_letters);
      if (!results) return pass(results);
      std::vector<EmitEvent const*> again;
      for (std::size_t i = 0; i < left.size(); ++i) {
        auto const& result = (*results)[i];
        if (result.code.empty())
          ++outcome.accepted;
        else if (round < most_tries && (result.code == "InternalFailure" ||
                                        result.code == "ProvisionedThroughputExceededException"))
          again.push_back(left[i]);
        else
          outcome.refused.push_back(
              {left[i]->where,
               result.code + (result.message.empty() ? "" : ": " + result.message)});
      }
      left = std::move(again);
      if (!left.empty()) to_.desk.sleep(wait_before(round + 1, to_.random.unit(), {}));
    }
    return outcome;
  }

 private:
  struct RecordResult {
    std::string code, message;  // empty: stored
  };

  std::string body_of(std::vector<EmitEvent const*> const& events) {
    std::string body = R"({"StreamName":)";
    json::append_string(body, stream_);
    body += R"(,"Records":[)";
    for (std::size_t i = 0; i < events.size(); ++i)
      body += fmt::format(R"({}{{"Data":"{}","PartitionKey":"{}"}})", i == 0 ? "" : ",",
                          base64(events[i]->json), to_.random.bits());
    return body += "]}";
  }

  // Adds to `dead_letters` what the server says of them.
  Result<std::vector<RecordResult>> put(std::vector<EmitEvent const*> const& events,
                                        std::size_t& dead_letters) {
    auto const body = body_of(events);
    auto const invocation = fresh_id(to_);  // the same for each try: it is stored once
    for (int next = 2;; ++next) {
      auto const answer = ask(body, invocation);
      bool const answered = answer.trouble == http::client::Trouble::none;
      if (answered && answer.status == 200) {
        dead_letters += letters_of(answer);
        return read(answer.body, events.size());
      }
      auto const why = answered ? refusal(answer) : no_answer(to_, answer);
      if (next > most_tries || (answered && why.fault != Fault::busy)) return std::unexpected(why);
      to_.desk.sleep(wait_before(next, to_.random.unit(), asked_for(answer)));
    }
  }

  http::client::Answer ask(std::string const& body, std::string const& invocation) {
    auto const host = to_.url.host_header();
    auto const question = to_.url.target.find('?');
    std::string const path = to_.url.target.substr(0, question);
    std::string const query =
        question == std::string::npos ? "" : to_.url.target.substr(question + 1);
    std::vector<std::pair<std::string_view, std::string_view>> headers{
        {"host", host},
        {"content-type", "application/x-amz-json-1.1"},
        {"x-amz-target", "Kinesis_20131202.PutRecords"},
        {"amz-sdk-invocation-id", invocation}};
    // Signed anew at each try: a signature is good for five minutes only.
    auto const added = crypto::sign_v4({"POST", path, query, headers, body}, credentials_, region_,
                                       "kinesis", to_.desk.clock().wall());
    std::string head;
    for (auto const& [name, value] : headers)
      if (name != "host") head += fmt::format("{}: {}\r\n", name, value);
    for (auto const& [name, value] : added) head += fmt::format("{}: {}\r\n", name, value);
    http::client::Ask ask;
    ask.url = &to_.url;
    ask.head = head;
    ask.body = body;
    ask.deadline = std::chrono::seconds(60);
    ask.kept_body = largest_answer;
    return to_.desk.ask(ask);
  }

  Error refusal(http::client::Answer const& answer) const {
    std::string code, message;
    if (auto const parsed = json::parse(answer.body); parsed && parsed->is_object()) {
      code = shown(parsed->get_object(), "__type");
      message = shown(parsed->get_object(), "message");
      if (message.empty()) message = shown(parsed->get_object(), "Message");
    }
    code = code.substr(code.rfind('#') == std::string::npos ? 0 : code.rfind('#') + 1);
    bool const busy = worth_another_try(answer.status) ||
                      code == "ProvisionedThroughputExceededException" ||
                      code == "LimitExceededException" || code == "ThrottlingException";
    std::string why = fmt::format("{}: answered {} {}{}{}", harmless(to_.shown), answer.status,
                                  code, message.empty() ? "" : ": ", message);
    if (code == "UnrecognizedClientException" || code == "InvalidSignatureException" ||
        code == "MissingAuthenticationTokenException")
      why += "; check --access-key and --secret-key (millrace access-keys add makes a pair)";
    return {busy ? Fault::busy : Fault::denied, why};
  }

  Result<std::vector<RecordResult>> read(std::string const& body, std::size_t count) const {
    auto const parsed = json::parse(body, {.bytes = largest_answer, .depth = 32});
    auto const* const records =
        parsed && parsed->is_object() ? parsed->get_object().if_contains("Records") : nullptr;
    if (records == nullptr || !records->is_array() || records->get_array().size() != count)
      return fail(Fault::io, fmt::format("{}: does not answer as Kinesis does; check --to",
                                         harmless(to_.shown)));
    std::vector<RecordResult> results;
    for (auto const& record : records->get_array()) {
      RecordResult result;
      if (record.is_object()) {
        result.code = shown(record.get_object(), "ErrorCode");
        result.message = shown(record.get_object(), "ErrorMessage");
      }
      results.push_back(std::move(result));
    }
    return results;
  }

  SendTo to_;
  crypto::AwsCredentials credentials_;
  std::string region_, stream_;
};

}  // namespace

Duration wait_before(int next, double luck, Duration asked) {
  Duration const base = std::chrono::milliseconds(300) * (1 << std::clamp(next - 2, 0, 10));
  auto const jittered =
      std::chrono::duration_cast<Duration>(std::min(base, longest_wait) * (0.5 + luck / 2));
  return std::max(jittered, asked);
}

std::unique_ptr<EmitSender> json_sender(SendTo to, std::string token) {
  return std::make_unique<JsonSender>(std::move(to), std::move(token));
}

std::unique_ptr<EmitSender> kinesis_sender(SendTo to, crypto::AwsCredentials credentials,
                                           std::string region, std::string stream) {
  return std::make_unique<KinesisSender>(std::move(to), std::move(credentials), std::move(region),
                                         std::move(stream));
}

}  // namespace millrace::commands
