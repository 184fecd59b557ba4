// Refusals and failures as RFC 9457 problems. The one place where a Fault becomes an HTTP status.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "http/message.h"
#include "model/data_stream.h"

namespace millrace::api {

using FieldFaults = std::vector<model::FieldFault>;

int status_of(Fault fault);

http::ServerResponse problem(int status, std::string const& detail, FieldFaults const& errors = {});
// Of a failed call. What is wrong inside (io, corrupt) is told in general words only: the log has the rest.
http::ServerResponse problem(Error const& error);
http::ServerResponse bad_input(FieldFaults const& errors);  // 400, with all faults

}  // namespace millrace::api
