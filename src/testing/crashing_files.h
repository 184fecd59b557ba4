// A disk in memory that fails or stops when told, and then forgets what was not synced. Stricter than a real one: without
// sync_folder() a new name is not safe, though the file behind it was synced.
//   Threads  any.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/files.h"

namespace millrace::testing {

class CrashingFiles final : public io::Files {
 public:
  CrashingFiles();
  ~CrashingFiles() override;

  // Operations are those that change something: open that makes a file, write, truncate, reserve, sync, remove, rename, sync_folder.
  std::uint64_t operations() const;  // so far
  // That one, and those behind it up to `times`; 0 is the first. A write that fails, or finds no room, leaves a part written.
  void fail_at(std::uint64_t operation, Fault fault = Fault::io, std::uint64_t times = 1);
  void stop_at(std::uint64_t operation);  // that one and all after it, until restart()
  void stop();                            // now
  bool is_stopped() const;
  bool has_failed() const;  // fail_at() was reached
  // The machine starts again. Each thing that was not synced is kept, torn or dropped, by `seed`. Open Files are dead.
  void restart(std::uint64_t seed);

  // The disk becomes a copy of another's files, all of them safe; nothing may be open here.
  void copy_from(CrashingFiles const& other);
  void replace_disk();  // by a new, empty one; nothing may be open

  void limit_space(std::uint64_t bytes);  // in all; more is refused as busy
  std::uint64_t used_space() const;
  void flip_bit(std::string const& path, std::uint64_t byte,
                unsigned bit = 0);  // on the disk itself
  void cut(std::string const& path, std::uint64_t size);
  std::uint64_t size_of(std::string const& path) const;

  Result<std::unique_ptr<io::File>> open(std::string const& path, io::OpenMode mode,
                                         unsigned permissions) override;
  Result<bool> exists(std::string const& path) override;
  Result<void> remove(std::string const& path) override;
  Result<void> rename(std::string const& from, std::string const& to) override;
  Result<void> make_folders(std::string const& path, unsigned permissions) override;
  Result<std::vector<std::string>> list(std::string const& folder) override;
  Result<void> sync_folder(std::string const& folder) override;
  Result<io::Space> space(std::string const& folder) override;

  struct Disk;

 private:
  std::shared_ptr<Disk> disk_;
};

}  // namespace millrace::testing
