// What concerns the process itself: descriptors, signals, what systemd hands over.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::commands {

// Raises the limit of open descriptors to what the system allows; answers how many that is.
std::uint64_t raise_descriptor_limit();

// How many connections of clients a process can hold that may open so many descriptors (0: nobody knows): `wanted`, or fewer. A quarter of
// the descriptors, and 64 at least, stay for files and for connections to others.
std::size_t connections_within(std::size_t wanted, std::uint64_t descriptors);

// A peer that goes away is an error of a write, never the end of the process.
void ignore_broken_pipes();

// The first socket that systemd handed over (LISTEN_PID, LISTEN_FDS), if any. The variables are removed, so that children do not take
// it for theirs. Before any thread is started.
std::optional<int> take_handed_socket();

// The variables of the environment whose names begin with `prefix`.
std::map<std::string, std::string> environment_with(std::string const& prefix);

// How this program is called again from a shell: "millrace" when it was found on the PATH, else the whole path of its file.
std::string program_word();
// `text` as one word of a POSIX shell, quoted where it must be.
std::string shell_word(std::string_view text);

}  // namespace millrace::commands
