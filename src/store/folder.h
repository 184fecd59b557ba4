// What all parts of a folder's store use.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "io/trusted_time.h"
#include "store/open.h"
#include "store/sqlite_vfs.h"

namespace millrace::store {

struct Folder {
  Folder(FolderSettings with, io::Files& on, io::Clock& by, io::Random& chance, Log& to)
      : settings(std::move(with)),
        files(on),
        clock(by),
        random(chance),
        log(to),
        time(by),
        vfs(on, settings.fatal) {}

  std::string path(std::string_view name) const {
    return settings.folder + "/" + std::string(name);
  }
  StoreMeters& meters() const { return *settings.meters; }

  FolderSettings settings;
  io::Files& files;
  io::Clock& clock;
  io::Random& random;
  Log& log;
  io::TrustedTime time;
  SqliteVfs vfs;
  std::atomic<std::uint64_t> changes{
      0};  // of records: the newest number. Written by the state worker
  std::atomic<std::uint64_t> commits{0};  // of state.db, that were answered; likewise
  // What state.db is to remember of other files, so that a start knows what is gone.
  std::atomic<std::uint64_t> newest_attempts{0};  // the number in the name of that file; 0: none
  std::atomic<std::uint64_t> attempts_blocks{0};  // the number of the last block in it
  std::atomic<std::uint64_t> log_oldest{0};       // the first batch that is kept; 0: not known
  std::unique_ptr<io::File> lock;  // while it is open no other process uses the folder
};

}  // namespace millrace::store
