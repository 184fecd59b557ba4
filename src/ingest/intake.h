// The border that both doors share: what is an event, whose it is, and how it gets into the store.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/aside.h"
#include "ingest/ingest.h"
#include "json/strict.h"
#include "model/event_block.h"

namespace millrace::ingest {

// At most `bytes` of `text`, cut between UTF-8 characters.
std::string_view cut(std::string_view text, std::size_t bytes);

// Without the byte order mark that some tools put in front of UTF-8.
inline std::string_view without_bom(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

enum class Refusal : std::uint8_t { invalid, too_large, no_account, denied };

struct Refused {
  Refusal why;
  std::string reason;  // for people; at most 300 bytes
};

// Sorts the events of one request into a block. One loop's, for one request: keeps a parser between its events.
class Sorter {
 public:
  // `credential`: what the caller showed, as messages name it ("key", "token").
  Sorter(model::Principal const& who, std::string_view credential)
      : who_(who), credential_(credential) {}

  // Adds the event that `text` is to the block, byte for byte; or says why not. A byte order mark is passed over.
  std::optional<Refused> add(std::string_view text);
  // The same with what Aside takes. Nothing else is called meanwhile; `text` and the Sorter outlive the Task.
  io::Task<std::optional<Refused>> add(std::string_view text, Aside& aside);
  // Whether what was refused as invalid is JSON at least.
  bool is_json(std::string_view text);
  model::EventBlock& block() { return block_; }

 private:
  bool may_send_for(std::string_view account);

  model::Principal const& who_;
  std::string_view credential_;
  json::Parser parser_;
  model::EventBlock block_;
  std::string allowed_;  // the account that was last looked up and may be sent for
};

void count(RejectCounts& counts, Refusal why, std::uint64_t events = 1);

// Why a request that one of our own data streams has made is refused; empty: it is none. It is counted and told to the log.
std::string loop_refusal(IngestParts const& parts, http::ServerRequest const& request,
                         RejectCounts& counts);

// Appends. While the store is busy it is asked again, at growing intervals, for `hold` at most; then the answer is its busy.
// `rebuild` makes the same block again; it is called once, and only after a first busy: the store keeps no block that it refuses,
// and copying each one beforehand would cost every request what few need.
// What is referred to outlives the Task; `rebuild` makes a Task of what outlives it too.
io::Task<Result<store::Appended>> append_held(IngestParts const& parts, model::EventBlock block,
                                              std::function<io::Task<model::EventBlock>()> rebuild,
                                              std::optional<store::RepeatKey> repeat,
                                              Duration hold);

}  // namespace millrace::ingest
