// What the handlers of data streams share.
#pragma once
#include <boost/json/object.hpp>
#include <memory>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/context.h"
#include "json/reader.h"

namespace millrace::api {

// Each event type of the stream that its format has no form for, by name and with the reason; event_types.cc.
FieldFaults form_faults(Context const& context, model::DataStream const& stream);

// What cannot be used of the stream's authorities, certificate and key, which the model takes as texts; stream_tls.cc.
FieldFaults tls_faults(model::DataStream const& stream, WallTime now);
// What can, but may be refused by the receiver: "client certificate: expired on 2026-10-01".
std::vector<std::string> tls_warnings(model::DataStream const& stream, WallTime now);

// The stream that the path names; null where there is none, or none on the caller's side of the wall.
std::shared_ptr<model::DataStream const> visible_stream(Context& context, Call const& call);
http::ServerResponse no_such_stream();

FieldFaults told(std::vector<json::FieldTrouble> troubles);

// The body as one JSON object ({} when it is empty). Fails with: invalid.
Result<boost::json::object> body_object(Call const& call);

}  // namespace millrace::api
