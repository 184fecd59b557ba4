// Folders that are there after a crash too.
#pragma once
#include <string>
#include <vector>

#include "io/files.h"
#include "receive/paths.h"

namespace millrace::receive {

// Makes `path` and those above it, and syncs the folder above each that is new. Fails with: denied, busy, io.
inline Result<void> make_durable_folders(io::Files& files, std::string const& path) {
  std::vector<std::string> above;  // of those that are new
  for (auto folder = path; folder != "/" && folder != "."; folder = folder_of(folder)) {
    auto const there = files.exists(folder);
    if (!there) return pass(there);
    if (*there) break;
    above.push_back(folder_of(folder));
  }
  if (auto made = files.make_folders(path); !made) return made;
  for (auto const& folder : above)
    if (auto synced = files.sync_folder(folder); !synced) return synced;
  return {};
}

}  // namespace millrace::receive
