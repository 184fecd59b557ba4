// The Kinesis door: what an unmodified Canvas, or any AWS SDK, calls, in JSON 1.1 or CBOR 1.1.
//   Records  What is no event, or nobody's, or not the key's to send, becomes a dead letter and is answered as stored: every other
//            answer makes Canvas drop its whole batch, or send the record for ever (DESIGN 6).
//   Busy     The answer is held; then each record is answered with InternalFailure, the one code that Canvas sends again.
//   Threads  handle() runs on any loop.
#pragma once
#include <atomic>
#include <expected>
#include <optional>
#include <string>

#include "ingest/aside.h"
#include "ingest/aws_answer.h"
#include "ingest/expanded_memory.h"
#include "ingest/ingest.h"
#include "ingest/kinesis_sort.h"

namespace millrace::ingest {

class Kinesis {
 public:
  Kinesis(IngestParts const& parts, IngestSettings const& settings, RejectCounts& rejected,
          ExpandedMemory& expanded, Aside& aside);
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
  static std::optional<Action> action_of(std::string_view target);
  io::Task<std::string> hash_aside(http::ServerRequest const& request);
  std::expected<Caller, AwsError> authenticate(http::ServerRequest const& request,
                                               std::string body_hash) const;
  std::optional<store::RepeatKey> repeat_key(http::ServerRequest const& request,
                                             Caller const& caller) const;
  io::Task<std::optional<AwsError>> expand_body(http::ServerRequest& request,
                                                ExpandedMemory::Hold& held);
  io::Task<std::expected<StreamRef, AwsError>> read(http::ServerRequest& request, Action action,
                                                    Wire wire, RecordData& records);
  io::Task<http::ServerResponse> put(http::ServerRequest request, Caller caller, Action action,
                                     Reply reply);
  io::Task<bool> store_letters(SortedRecords& sorted, Caller const& caller);
  io::Task<http::ServerResponse> describe(http::ServerRequest request, Action action, Caller caller,
                                          Reply reply);
  std::optional<AwsError> unknown_stream(std::string const& name) const;
  std::string next_request_id();
  std::uint64_t letter_numbers(std::size_t count);

  IngestParts const& parts_;
  IngestSettings const& settings_;
  RejectCounts& rejected_;
  ExpandedMemory& expanded_;
  Aside& aside_;
  WallTime begun_;
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> next_letter_{0};
};

}  // namespace millrace::ingest
