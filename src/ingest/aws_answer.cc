#include "ingest/aws_answer.h"

#include <fmt/format.h>

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

http::ServerResponse aws_answer(std::string body, std::string const& request_id) {
  return {200,
          {{"x-amzn-RequestId", request_id}, {"Content-Type", std::string(json_1_1)}},
          std::move(body)};
}

http::ServerResponse aws_answer(AwsError const& error, std::string const& request_id) {
  std::string body = R"({"__type":)";
  json::append_string(body, error.type);
  if (!error.message.empty()) {
    body += error.type == "SerializationException" ? R"(,"Message":)" : R"(,"message":)";
    json::append_string(body, error.message);
  }
  body += '}';
  auto answer = aws_answer(std::move(body), request_id);
  answer.status = error.status;
  return answer;
}

}  // namespace millrace::ingest
