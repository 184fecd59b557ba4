// How functions say that they failed, and how the program says that it is wrong.
//   Failure of the outside world or of input: a Result. Bug of ours: check(), which ends the process.
// The names of room `base` live in namespace millrace itself: every other room uses them unqualified.
#pragma once
#include <cstdint>
#include <expected>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

// What the caller can do about a failure. Add one only where some caller will act differently on it.
enum class Fault : std::uint8_t {
  invalid,      // the input is wrong; the same call will fail again
  denied,       // not allowed
  missing,      // there is no such thing
  conflict,     // the thing is in a state that forbids this
  busy,         // a limit is reached; later it may work
  unreachable,  // it did not happen: nothing left this process
  uncertain,    // it may have happened
  corrupt,      // stored bytes are not what was written
  io,           // the disk or the system refused
  fenced,       // another owner has taken over: the caller must end what it does
};

std::string_view name_of(Fault fault);

struct Error {
  Fault fault;
  std::string what;  // for people: the thing, then the trouble; never a secret; never compared

  friend bool operator==(Error const&, Error const&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

// `return fail(Fault::invalid, "name: is empty");`
[[nodiscard]] inline std::unexpected<Error> fail(Fault fault, std::string what) {
  return std::unexpected(Error{fault, std::move(what)});
}

// Passes a failure on: `if (!x) return pass(x);`
template <class T>
[[nodiscard]] std::unexpected<Error> pass(std::expected<T, Error>& failed) {
  return std::unexpected(std::move(failed.error()));
}
template <class T>
[[nodiscard]] std::unexpected<Error> pass(std::expected<T, Error> const& failed) {
  return std::unexpected(failed.error());
}
template <class T>
[[nodiscard]] std::unexpected<Error> pass(std::expected<T, Error>&& failed) {
  return std::unexpected(std::move(failed.error()));
}

// A claim that only a bug of ours can break: says where on stderr and ends the process, in release too.
void check(bool claim, std::string_view claimed,
           std::source_location where = std::source_location::current());

}  // namespace millrace
