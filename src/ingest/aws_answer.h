// Answers of the Kinesis door, byte for byte in AWS's form (wire facts: errors recorded in 1.3).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace millrace::ingest {

inline constexpr std::string_view json_1_1 = "application/x-amz-json-1.1";
inline constexpr std::string_view cbor_1_1 = "application/x-amz-cbor-1.1";

enum class Wire : std::uint8_t { json, cbor };

// How a request is to be answered: in its own form, under its own id.
struct Reply {
  std::string request_id;  // goes into x-amzn-RequestId
  Wire wire = Wire::json;
};

// An error of the whole request. Written as {"__type":TYPE,"message":MESSAGE}; a SerializationException's key is "Message".
struct AwsError {
  int status = 400;
  std::string type;
  std::string message;  // empty: the key is left out
};

AwsError serialization_error(std::string message = {});

// Violated constraints of one request; AWS tells at most ten at once.
class Violations {
 public:
  // `value`: "null", or the text that gets quotes round it.
  void add_null(std::string_view path);
  void add(std::string_view value, std::string_view path, std::string_view constraint);
  bool empty() const { return told_.empty(); }
  AwsError error() const;

 private:
  std::vector<std::string> told_;
};

// `json`: the answer, translated where it is to be CBOR.
http::ServerResponse aws_answer(std::string json, Reply const& reply);
// `body`: the answer as it is to be sent.
http::ServerResponse aws_answer_as_is(std::string body, Reply const& reply);
http::ServerResponse aws_answer(AwsError const& error, Reply const& reply);

}  // namespace millrace::ingest
