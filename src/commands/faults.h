// A problem that the server found in the input, told in the words of the command line.
#pragma once
#include <string>
#include <string_view>

namespace millrace::commands {

// "--url" for "/delivery/url", "--event-type" for "/event_types/2", "--since" for "?since"; a field that no flag sets stays as it is.
std::string flag_of(std::string_view field);

// A problem document (RFC 9457) in one line: its detail, or each fault with its flag, and what to do where the command line knows it.
// `sent`: the JSON that the server judged. No control characters.
std::string problem_text(int status, std::string_view answer, std::string_view sent);

}  // namespace millrace::commands
