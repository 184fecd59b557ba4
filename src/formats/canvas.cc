#include "formats/canvas.h"

#include <fmt/format.h>

#include "base/error.h"
#include "json/write.h"

namespace millrace::formats {

std::string claims(std::string_view event_json, std::string_view issuer, WallTime accepted_at,
                   EventId event) {
  auto const end = event_json.find_last_of('}');
  check(end != event_json.npos && end > 1, "an event is a JSON object with members");
  auto const seconds =
      std::chrono::floor<std::chrono::seconds>(accepted_at).time_since_epoch().count();
  std::string out;
  out.reserve(end + issuer.size() + 96);
  out.append(event_json.substr(0, end)).append(R"(,"iss":)");
  json::append_string(out, issuer);
  fmt::format_to(std::back_inserter(out), R"(,"iat":{},"jti":"{}"}})", seconds, event.text());
  return out;
}

}  // namespace millrace::formats
