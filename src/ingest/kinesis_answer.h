// What the Kinesis door answers: to puts, record by record, and to the questions about its streams.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "ingest/aws_answer.h"
#include "ingest/kinesis_sort.h"
#include "store/store.h"

namespace millrace::ingest {

// The sequence number of a record: 56 digits, greater than those of what was stored before it. `record`: its index in the request;
// of a request in which no record was an event, a number that no other such record gets.
std::string sequence_number(store::Position at, std::uint64_t record);

struct PutOutcome {
  store::Position first;               // of the request's first event
  std::uint64_t first_record = 0;      // counts on from here
  bool events = true, letters = true;  // stored, where there were any
};

// In turns. What is referred to outlives the Task.
io::Task<http::ServerResponse> answer_put_records(SortedRecords const& sorted,
                                                  PutOutcome const& outcome, Reply const& reply,
                                                  TurnMeter* meter);
http::ServerResponse answer_put_record(SortedRecords const& sorted, PutOutcome const& outcome,
                                       Reply const& reply);

// Described alike, whichever stream it is.
struct StreamFacts {
  std::string_view region;
  WallTime created;
};
// DescribeStream, or (`summary`) DescribeStreamSummary.
http::ServerResponse answer_describe(std::string_view stream, bool summary, StreamFacts facts,
                                     Reply const& reply);
http::ServerResponse answer_list_streams(std::vector<std::string> const& streams, StreamFacts facts,
                                         Reply const& reply);
http::ServerResponse answer_list_shards(Reply const& reply);

}  // namespace millrace::ingest
