// Reading JSON from outside without changing a byte of it: the whole text is validated, and what is wanted is cut out of it raw.
//   Valid    RFC 8259, UTF-8 without lone surrogates (escaped ones included), within Limits; numbers of any size.
//   Threads  A Parser keeps buffers between texts: one for each loop or worker. Not thread-safe.
//   Lifetime What is returned borrows from the text, and where it says so from the Parser until its next call.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::json {

struct Limits {
  std::size_t bytes = 1024 * 1024;
  std::size_t depth = 64;  // objects and arrays inside each other; {} is 1
};

struct Member {
  std::string key;         // unescaped
  std::string_view value;  // raw, byte for byte, without the white space around
};

// One event as a producer sends it. All of it borrows from the text, or (names with escapes in them) from the Parser.
struct Envelope {
  std::string_view metadata;  // raw object: the value of "attributes" or "metadata"
  std::string_view body;      // raw object
  bool attributes = false;    // the key was "attributes", as Canvas's own code sends it
  // Unescaped. event_name: 1 to 255 bytes without control characters. The others: empty where the member is absent or null.
  std::string_view event_name;  // metadata.event_name
  std::string_view event_time;  // metadata.event_time, as it was written: not checked to be a time
  std::string_view metadata_root_account;  // metadata.root_account_uuid
  std::string_view body_root_account;      // body.root_account_uuid

  // Where the event belongs: the body's account where there is one; empty: to none.
  std::string_view account() const {
    return body_root_account.empty() ? metadata_root_account : body_root_account;
  }
};

class Parser {
 public:
  Parser();
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  // The members of an object, in order. Fails with: invalid (not valid, not an object, a key twice).
  Result<std::vector<Member>> members(std::string_view json, Limits limits = {});
  // The elements of an array, raw, in order. Fails with: invalid (not valid, not an array).
  Result<std::vector<std::string_view>> elements(std::string_view json, Limits limits = {});
  // As validate(), and no object at any depth may have a key twice. Fails with: invalid.
  Result<void> validate_unique(std::string_view json, Limits limits = {});
  // Only looks whether the text is valid. Fails with: invalid.
  Result<void> validate(std::string_view json, Limits limits = {});

  struct State;

 private:
  friend Result<Envelope> split_event(std::string_view json, Parser& parser);
  std::unique_ptr<State> state_;
};

// The border for events: exactly the two keys ("attributes" or "metadata", and "body"), each once and an object; a key that decides
// about the way of the event (event_name, event_time, root_account_uuid) at most once in each; at most 1 MiB, 64 deep.
// Fails with: invalid, in a sentence that says where and what.
Result<Envelope> split_event(std::string_view json, Parser& parser);

// The string that a raw JSON string stands for; nullopt when `raw` is not a string. `raw` comes from a validated text.
std::optional<std::string> unquoted(std::string_view raw);

}  // namespace millrace::json
