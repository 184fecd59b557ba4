// The Kinesis door: what an unmodified Canvas, or any AWS SDK in JSON 1.1, calls.
//   Records  What is no event, or nobody's, or not the key's to send, becomes a dead letter and is answered as stored: every other
//            answer makes Canvas drop its whole batch, or send the record for ever (DESIGN 6).
//   Busy     The answer is held; then each record is answered with InternalFailure, the one code that Canvas sends again.
//   Threads  handle() runs on any loop.
#pragma once
#include <atomic>
#include <expected>
#include <optional>
#include <string>

#include "ingest/aws_answer.h"
#include "ingest/ingest.h"

namespace millrace::ingest {

class Kinesis {
 public:
  Kinesis(IngestParts const& parts, IngestSettings const& settings, RejectCounts& rejected);
  io::Task<http::ServerResponse> handle(http::ServerRequest request);

 private:
  struct Caller {
    model::Principal principal;
    std::string access_key_id, region;
    std::string body_hash;  // raw; empty: not computed yet
  };
  enum class Action {
    put_records,
    put_record,
    describe_stream,
    describe_stream_summary,
    list_streams,
    list_shards
  };
  struct Sorted;
  struct Stored {
    bool events = true, letters = true;
  };

  static std::optional<Action> action_of(std::string_view target);
  std::expected<Caller, AwsError> authenticate(http::ServerRequest const& request) const;
  std::expected<Sorted, AwsError> sort(std::string& body, Action action,
                                       model::Principal const& who) const;
  std::optional<store::RepeatKey> repeat_key(http::ServerRequest const& request,
                                             Caller const& caller) const;
  io::Task<http::ServerResponse> put(http::ServerRequest request, Caller caller, Action action,
                                     std::string request_id);
  http::ServerResponse answer_put(Action action, Sorted const& sorted, store::Position first,
                                  Stored stored, std::string const& request_id) const;
  http::ServerResponse describe(std::string& body, Action action, Caller const& caller,
                                std::string const& request_id) const;
  std::optional<AwsError> unknown_stream(std::string const& name) const;
  std::string next_request_id();

  IngestParts const& parts_;
  IngestSettings const& settings_;
  RejectCounts& rejected_;
  WallTime begun_;
  std::atomic<std::uint64_t> requests_{0};
};

// The sequence number of a record: 56 digits, greater than those of what was stored before it. `record`: its index in the request;
// records of one request that became dead letters share their neighbour's place.
std::string sequence_number(store::Position at, std::uint32_t record);

}  // namespace millrace::ingest
