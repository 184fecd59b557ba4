#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "crypto/digest.h"
#include "ingest/aggregated.h"
#include "ingest/cbor.h"
#include "ingest/expand.h"
#include "ingest/kinesis_request.h"
#include "json/split.h"
#include "json/strict.h"
#include "targets.h"

namespace millrace::fuzz {
namespace {

using ingest::Expander;
using ingest::Wire;

constexpr std::size_t most_expanded = 64 * 1024;

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

struct Expanded {
  Expander::State state = Expander::State::more;
  std::string text;
};

Expanded expanded(ingest::Coding coding, std::string_view input, std::size_t step) {
  auto const expander = Expander::make(coding, input, most_expanded);
  Expanded out;
  // A step looks at a byte at least, or makes one; gzip also ends members, which need not be more than twenty bytes.
  for (std::size_t steps = 0; out.state == Expander::State::more; ++steps) {
    check(steps <= 4 * (input.size() + most_expanded) + 16, "expanding ends");
    out.state = expander->step(out.text, step);
  }
  check(out.text.size() <= most_expanded + 1, "no more comes of it than may");
  return out;
}

void user_records(std::string_view data) {
  auto const records = ingest::read_aggregated(data, 100);
  if (!records) return;
  check(records->size() <= 100, "no more records are given than may be");
  for (auto const record : *records) check(lies_in(record, data), "a record is part of the whole");
}

}  // namespace

void cbor(std::string_view input) {
  ingest::CborReader reader(input);
  while (auto const item = reader.next())
    if (!reader.skip(*item)) break;
  std::string body(input);
  ingest::RecordData records, record;
  if (ingest::read_put_records(Wire::cbor, body, records)) {
    check(records.size() <= ingest::KinesisLimits::records, "records have a limit");
    check(records.bytes.size() <= input.size(), "data is part of the request");
  }
  if (ingest::read_put_record(Wire::cbor, body, record))
    check(record.size() == 1, "a put has its one record");
  static_cast<void>(ingest::read_stream(Wire::cbor, body, true));
}

void aggregated(std::string_view input) {
  user_records(input);
  user_records("\xF3\x89\x9A\xC2" + std::string(input) + crypto::md5(input));
}

void expand(std::string_view input) {
  for (auto const coding : {ingest::Coding::gzip, ingest::Coding::zstd}) {
    auto const whole = expanded(coding, input, 1 << 20);
    auto const steps = expanded(coding, input, 7);
    check(whole.state == steps.state, "the size of the steps does not matter");
    check(whole.state != Expander::State::done || whole.text == steps.text,
          "the text is the same in steps");
  }
}

void split(std::string_view input) {
  auto const text = "[" + std::string(input);
  json::Parser parser;
  json::Splitter splitter(text, json::Splitter::Row::array);
  std::vector<std::string_view> values;
  bool valid = true;
  for (auto found = json::Splitter::Found::pause; found != json::Splitter::Found::end;) {
    found = splitter.next(3);
    valid = valid && found != json::Splitter::Found::trouble;
    if (!valid) break;
    if (found != json::Splitter::Found::value) continue;
    values.push_back(splitter.value());
    valid = parser.validate(values.back(), {}).has_value();
  }
  auto const whole = parser.elements(text, {.depth = json::Limits{}.depth + 1});
  check(valid == whole.has_value(), "an array cut up is as valid as the whole");
  check(!valid || values == *whole, "its elements are the same");
  json::Splitter row(input, json::Splitter::Row::sequence);
  for (auto found = row.next(5);
       found != json::Splitter::Found::end && found != json::Splitter::Found::trouble;
       found = row.next(5))
    check(lies_in(row.value(), input), "a value is part of the text");
}

}  // namespace millrace::fuzz
