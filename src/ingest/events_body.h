// The bodies of POST /api/v1/events, taken apart as common tools write them.
//   Forms    One event; an array; one on each line; objects one after another; a JSON text sequence (RFC 7464). A byte order mark in
//            front of any is passed over.
//   Time     Linear in the body, in turns of a few milliseconds; what is too much is refused where it is met.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"
#include "ingest/aside.h"
#include "ingest/intake.h"
#include "io/task.h"
#include "model/access.h"
#include "model/event_block.h"

namespace millrace::ingest {

enum class BodyForm : std::uint8_t { json, lines, sequence };

// What a Content-Type means (none: json); or, as the error, what to send instead.
std::expected<BodyForm, std::string> form_of(std::optional<std::string_view> content_type);

struct EventsOfBody {
  model::EventBlock block;
  std::size_t events = 0;                  // taken or not
  std::string rejected;                    // the items of the answer's array, with commas between
  std::array<std::uint64_t, 4> refused{};  // by Refusal
};

// The error is the answer to a body that cannot be read as a whole, of which nothing is stored: 400, or 413 where it holds more events
// than `most_events`. What is referred to outlives the Task.
io::Task<std::expected<EventsOfBody, http::ServerResponse>> read_events(std::string_view body,
                                                                        BodyForm form,
                                                                        model::Principal const& who,
                                                                        std::size_t most_events,
                                                                        Aside& aside);

}  // namespace millrace::ingest
