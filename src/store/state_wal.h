// Looks at the write-ahead log of state.db before SQLite does, which reads it up to the first wrong byte and says nothing of the rest.
//   An unfinished transaction, as a crash leaves it, has one commit mark at most. A second one of the same salt behind the end that will
//   be recovered belongs to a transaction that was stored later: what is between is damage.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "io/files.h"

namespace millrace::store {

struct WalEnd {
  std::uint64_t bytes = 0;    // where what will be recovered ends
  std::uint64_t commits = 0;  // marks behind it, of the same salt; from 2 on it is damage
  bool rest = false;          // frames of the same salt are behind it
};

// nullopt: there is no such file, or nothing in it that SQLite would read. Fails with: io.
Result<std::optional<WalEnd>> find_wal_end(io::Files& files, std::string const& path);

}  // namespace millrace::store
