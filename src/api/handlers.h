// One function for each route of routes.cc; they differ in what they do, not in how they are reached.
#pragma once
#include "api/call.h"
#include "api/context.h"

namespace millrace::api {

using Answer = io::Task<http::ServerResponse>;
using Handler = Answer(Context& context, Call const& call);  // both outlive the Task

// streams.cc
Handler list_streams, make_stream, show_stream, change_stream, delete_stream, duplicate_stream;
Handler activate_stream, deactivate_stream;
// stream_history.cc
Handler stream_attempts, stream_undelivered, stream_health, test_stream;
// events.cc
Handler show_event, list_dead_letters, show_dead_letter, list_accounts;
// event_types.cc
Handler list_event_types, show_event_type, list_drift;
// access.cc
Handler list_tokens, make_token, revoke_token, list_access_keys, make_access_key, revoke_access_key,
    list_audit;
// operation.cc
Handler list_signing_keys, rotate_signing_keys, show_jwks, show_metrics, show_healthz, show_readyz,
    show_openapi, show_welcome;

}  // namespace millrace::api
