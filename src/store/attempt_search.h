// Looks for attempts in their files, beside whoever writes them: with a connection of its own, so that no search, however long, keeps
// attempts from being written.
//   Threads  One at a time.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "store/attempt_log.h"
#include "store/database.h"
#include "store/folder.h"

namespace millrace::store {

class AttemptSearch {
 public:
  explicit AttemptSearch(Folder& folder) : folder_(folder) {}

  // Newest first. It reads at most query.most_blocks blocks, and `next` goes on from there. `files`: oldest first. What cannot be read is
  // logged and left out. Fails with: invalid (no cursor of this list).
  Result<Page<model::Attempt>> find(AttemptQuery const& query,
                                    std::vector<AttemptFile> const& files);
  void close() { open_.reset(); }

 private:
  struct Search;
  Result<bool> search_file(AttemptFile const& file, Search& search);
  Result<Database*> opened(AttemptFile const& file);

  Folder& folder_;
  std::unique_ptr<Database> open_;  // the file that was looked at last
  std::uint64_t open_start_ = 0;
};

}  // namespace millrace::store
