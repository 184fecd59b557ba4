// What each fuzz target does with one input. A broken promise ends the process (check()), so that both libFuzzer and the ordinary
// test of the corpus see it.
#pragma once
#include <string_view>

namespace millrace::fuzz {

void event(std::string_view input);   // the border for events, and the claims that are made of them
void strict(std::string_view input);  // simdjson and our own checks against Boost.JSON
void split(std::string_view input);   // values in a row, cut out in small steps, against a parser
void cbor(std::string_view input);    // a Kinesis request of AWS's SDKs for Java
void aggregated(std::string_view input);  // a record of the Kinesis Producer Library
void expand(std::string_view input);      // gzip and zstd, in steps and in one go
void jwt(std::string_view input);         // a token that a receiver gets
void jwks(std::string_view input);        // a document of keys from outside
void sigv4(
    std::string_view
        input);  // a signed request: METHOD PATH?QUERY, header lines, an empty line, the body
void caliper(std::string_view input);        // an event, in the Caliper form of every type
void caliper_check(std::string_view input);  // a document, held against Caliper 1.1
void data_stream(std::string_view input);    // what a client of the API sends
void http1_answer(std::string_view input);   // what an endpoint answers, in pieces
void http1_request(std::string_view input);  // what several clients of one server send, in pieces
void http2_frames(
    std::string_view input);  // the same over HTTP/2, with several exchanges under way
void http2_requests(
    std::string_view input);  // what clients send over HTTP/2, on several connections and streams
void log_segment(
    std::string_view input);  // a file of the event log, as damage or a stranger left it

}  // namespace millrace::fuzz
