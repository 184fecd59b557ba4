// Events to send, one after the other, out of files: a JSON object, an array, a line each, or objects one after another; with a byte
// order mark or without. Large NDJSON files are not held in memory.
#pragma once
#include <cstdint>
#include <deque>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::commands {

struct EmitEvent {
  std::string json;   // as it stood in the file; not checked
  std::string where;  // "events.ndjson:3", for people
};

class EmitSource {
 public:
  // `files`: paths; "-" is standard input. Fails with: missing (a file), io.
  static Result<EmitSource> open(std::vector<std::string> files);
  // Made-up ones.
  static EmitSource of(std::vector<std::string> events);

  // The next event; nullopt at the end. Fails with: invalid (an array that is not JSON; UTF-16; a compressed file), io.
  Result<std::optional<EmitEvent>> next();
  std::uint64_t read_bytes() const { return read_; }
  std::uint64_t total_bytes() const { return total_; }  // 0: not known

 private:
  struct Open {
    std::unique_ptr<std::ifstream> file;  // null: standard input
    std::string name;
    std::uint64_t line;
    std::istream& stream() const;
  };
  Result<void> begin(std::string const& path);
  std::optional<std::string> line();
  // Adds the event that a text is, or each where objects follow each other in it.
  void add(std::string_view text, std::string const& where);

  std::deque<std::string> files_;
  std::deque<EmitEvent> ready_;
  std::optional<Open> open_;
  std::uint64_t read_ = 0, total_ = 0;
};

}  // namespace millrace::commands
