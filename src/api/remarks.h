// What an input is told beside its faults: names that are probably slips, and what is right but may surprise.
#pragma once
#include <string>
#include <vector>

#include "api/context.h"
#include "api/problem.h"

namespace millrace::api {

struct Remarks {
  FieldFaults faults;
  std::vector<std::string> warnings;  // whole sentences, for `warnings` of the answer
};

// Of a stream that is to be stored; `before`: as it was, or null. What it had already is not remarked on again.
//   Event types  One that is in the catalogue, or came in at the caller's accounts, is right. Another is a fault where it is written like
//                none can be ("course_*", "a,b") or is nearly one of the catalogue, and a warning else: Canvas sends some that nobody has described.
//   Account      One of which nothing is known is a warning, with the nearest that the caller sees.
//   Name         One that another stream of the account has is a warning.
// Fails with: io, corrupt.
io::Task<Result<Remarks>> stream_remarks(Context& context, model::Principal const& who,
                                         model::DataStream const& stream,
                                         model::DataStream const* before);

// Of the accounts that a credential is given.
io::Task<Result<std::vector<std::string>>> account_warnings(
    Context& context, model::Principal const& who, std::vector<std::string> const& accounts);

}  // namespace millrace::api
