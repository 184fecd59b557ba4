// The disk. Calls block: make them on a Worker. Paths are as the system takes them.
//   Crash  What was written is safe only after sync() of the File; a new, removed or renamed name only after sync_folder().
//   Threads  A Files may be used from any thread; a File by one at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace millrace::io {

class File {
 public:
  virtual ~File() = default;  // closes; errors of a close after sync() do not matter

  // Reads up to out.size() bytes at `at`; fewer only at the end of the file. Fails with: io.
  virtual Result<std::size_t> read(std::uint64_t at, std::span<std::byte> out) = 0;
  // Writes all, extending the file if needed. Fails with: busy (no space is left: errno ENOSPC, EDQUOT), io.
  virtual Result<void> write(std::uint64_t at, std::span<std::byte const> bytes) = 0;
  // Shorter or longer, with zeros; durable by sync(). Fails with: busy (no space), io.
  virtual Result<void> truncate(std::uint64_t size) = 0;
  // Makes what was written durable. After a failure the file's state is unknown: end the process, do not retry. Fails with: io.
  virtual Result<void> sync() = 0;
  virtual Result<std::uint64_t> size() = 0;  // bytes, now. Fails with: io
  // Allocates real blocks for the file's first `size` bytes. Fails with: busy (no space), io.
  virtual Result<void> reserve(std::uint64_t size) = 0;
  // Takes an exclusive lock that ends with the File or the process. Fails with: conflict (somebody has it), io.
  virtual Result<void> lock() = 0;
};

enum class OpenMode {
  read,          // must exist
  write,         // read and write; must exist
  create,        // read and write; made when absent
  create_fresh,  // read and write; conflict when it exists
};

struct Space {
  std::uint64_t free_bytes;  // for this user
  std::uint64_t total_bytes;
};

class Files {
 public:
  virtual ~Files() = default;
  // `permissions` of a file that is made. Fails with: missing, conflict, denied, busy (no space, no descriptors), io.
  virtual Result<std::unique_ptr<File>> open(std::string const& path, OpenMode mode,
                                             unsigned permissions = 0600) = 0;
  // Of a file or a folder. A failure is not "no": it is not known. Fails with: denied, io.
  virtual Result<bool> exists(std::string const& path) = 0;
  virtual Result<void> remove(std::string const& path) = 0;  // missing is a failure
  virtual Result<void> rename(std::string const& from,
                              std::string const& to) = 0;  // replaces `to` at once
  // And those above; `permissions` of those that are made. No failure when it is there.
  virtual Result<void> make_folders(std::string const& path, unsigned permissions = 0700) = 0;
  virtual Result<std::vector<std::string>> list(
      std::string const& folder) = 0;  // names, sorted; no folders' contents
  // Makes the names in it durable: what was made, renamed, removed. Fails as sync() does.
  virtual Result<void> sync_folder(std::string const& folder) = 0;
  // Of the disk that the folder is on. Fails with: missing, io.
  virtual Result<Space> space(std::string const& folder) = 0;

  // The whole file; at most `limit` bytes. Fails with: missing, invalid (larger than limit), io.
  Result<std::string> read_all(std::string const& path, std::uint64_t limit);
  // Replaces the file so that a crash leaves the old or the new one, whole: writes beside it, syncs, renames, syncs the folder.
  Result<void> write_all(std::string const& path, std::string_view content,
                         unsigned permissions = 0600);
};

class DiskFiles final : public Files {
 public:
  Result<std::unique_ptr<File>> open(std::string const& path, OpenMode mode,
                                     unsigned permissions) override;
  Result<bool> exists(std::string const& path) override;
  Result<void> remove(std::string const& path) override;
  Result<void> rename(std::string const& from, std::string const& to) override;
  Result<void> make_folders(std::string const& path, unsigned permissions = 0700) override;
  Result<std::vector<std::string>> list(std::string const& folder) override;
  Result<void> sync_folder(std::string const& folder) override;
  Result<Space> space(std::string const& folder) override;
};

}  // namespace millrace::io
