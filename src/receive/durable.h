// Folders that are there after a crash too.
#pragma once
#include <string>
#include <vector>

#include "io/files.h"
#include "receive/paths.h"

namespace millrace::receive {

// Who may read what a receiver writes; the process's umask takes from it. The spool is its user's alone.
struct Permissions {
  unsigned file = 0600;
  unsigned folder() const {  // whoever may read a file may look for it
    return 0700U | ((file & 0040U) != 0 ? 0050U : 0U) | ((file & 0004U) != 0 ? 0005U : 0U);
  }
};

// Makes `path` and those above it, and syncs the folder above each that is new. Fails with: denied, busy, io.
inline Result<void> make_durable_folders(io::Files& files, std::string const& path,
                                         unsigned permissions = 0700) {
  std::vector<std::string> above;  // of those that are new
  for (auto folder = path; folder != "/" && folder != "."; folder = folder_of(folder)) {
    auto const there = files.exists(folder);
    if (!there) return pass(there);
    if (*there) break;
    above.push_back(folder_of(folder));
  }
  if (auto made = files.make_folders(path, permissions); !made) return made;
  for (auto const& folder : above)
    if (auto synced = files.sync_folder(folder); !synced) return synced;
  return {};
}

}  // namespace millrace::receive
