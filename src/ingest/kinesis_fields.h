// Within room ingest: the fields of Kinesis requests and what is allowed in them, whatever form they come in.
#pragma once
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/kinesis_request.h"

namespace millrace::ingest {

// One record, as it is being read. Views: of the request, or of what its reader keeps until the record's end.
struct RecordFields {
  std::optional<std::string_view> data;  // Base64 in JSON
  std::size_t data_bytes = 0;            // of what it stands for
  std::optional<std::string_view> partition_key, hash_key;

  // `place`: "" or "records.N.member.", asked for only where something is wrong.
  void judge(Violations& wrong, std::function<std::string()> const& place) const;
};

struct StreamFields {
  std::optional<std::string> name, arn;

  void judge(Violations& wrong, bool required) const;
  StreamRef ref() const;
  // What a request that is otherwise read says.
  std::expected<StreamRef, AwsError> judged(Violations& wrong, bool required) const;
};

// The records of a PutRecords, one after the other.
class RecordsJudge {
 public:
  // An error ends the reading: there are too many. `take(data)` keeps the data, while nothing was wrong.
  using Take = std::function<std::optional<AwsError>(std::string_view data)>;
  explicit RecordsJudge(Take take) : take_(std::move(take)) {}
  std::optional<AwsError> add(RecordFields const& record);
  // Once the whole request was read. `seen`: it had Records, which were not null.
  std::expected<StreamRef, AwsError> end(bool seen, StreamFields const& stream);

 private:
  Take take_;
  Violations wrong_;
  std::size_t count_ = 0;
};

}  // namespace millrace::ingest
