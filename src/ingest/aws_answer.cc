#include "ingest/aws_answer.h"

#include <fmt/format.h>

#include "ingest/cbor.h"
#include "ingest/intake.h"
#include "json/write.h"

namespace millrace::ingest {

AwsError serialization_error(std::string message) {
  return {400, "SerializationException", std::move(message)};
}

void Violations::add_null(std::string_view path) {
  if (told_.size() == 10) return;
  told_.push_back(fmt::format(
      "Value null at '{}' failed to satisfy constraint: Member must not be null", path));
}

void Violations::add(std::string_view value, std::string_view path, std::string_view constraint) {
  if (told_.size() == 10) return;
  told_.push_back(fmt::format("Value '{}' at '{}' failed to satisfy constraint: {}",
                              cut(value, 1024), path, constraint));
}

AwsError Violations::error() const {
  return {400, "ValidationException",
          fmt::format("{} validation error{} detected: {}", told_.size(),
                      told_.size() == 1 ? "" : "s", fmt::join(told_, "; "))};
}

http::ServerResponse aws_answer_as_is(std::string body, Reply const& reply) {
  auto const type = reply.wire == Wire::cbor ? cbor_1_1 : json_1_1;
  return {200,
          {{"x-amzn-RequestId", reply.request_id}, {"Content-Type", std::string(type)}},
          std::move(body)};
}

http::ServerResponse aws_answer(std::string json, Reply const& reply) {
  return aws_answer_as_is(reply.wire == Wire::cbor ? cbor_of_json(json) : std::move(json), reply);
}

http::ServerResponse aws_answer(AwsError const& error, Reply const& reply) {
  std::string body = R"({"__type":)";
  json::append_string(body, error.type);
  if (!error.message.empty()) {
    body += error.type == "SerializationException" ? R"(,"Message":)" : R"(,"message":)";
    json::append_string(body, error.message);
  }
  body += '}';
  auto answer = aws_answer(std::move(body), reply);
  answer.status = error.status;
  return answer;
}

}  // namespace millrace::ingest
