// The forms that Caliper 1.1 asks of texts: what is an IRI, a time, a duration. Pure; any thread.
#pragma once
#include <string_view>

namespace millrace::formats {

// An absolute IRI (RFC 3987), or a blank node `_:x` (JSON-LD 1.0). Brackets are taken in the query and the fragment too, where browsers
// write them as they are. `text` is valid UTF-8.
bool is_iri(std::string_view text);

// Whether the text may stand within the path of an IRI as it is: no spaces, no control characters, nothing that ends a path.
bool is_iri_part(std::string_view text);

// Whether the text may stand as the host of an http URL: letters, digits, '-', '.', and a port. Nothing is looked up.
bool is_host(std::string_view text);

// "urn:uuid:" in any case, and a UUID (RFC 4122).
bool is_uuid_urn(std::string_view text);

// YYYY-MM-DDTHH:mm:ss.SSSZ of a day that exists, which is the form that Caliper asks for (1.1, section 3.2); the same without
// milliseconds; or anything else, which may still be a time in another form.
enum class TimeForm { exact, without_milliseconds, other };
TimeForm time_form(std::string_view text);
inline bool is_time(std::string_view text) { return time_form(text) == TimeForm::exact; }

// ISO 8601: P1Y2M3DT4H5M6.7S with any of its parts left out but not all, in this order; or weeks alone, P2W. Only the last part may have
// a fraction.
bool is_duration(std::string_view text);

}  // namespace millrace::formats
