// Keeps the disk from getting full: tells when too little is free, and holds a reserve that state.db may use then. Any thread.
#pragma once
#include <atomic>
#include <memory>

#include "io/shared.h"
#include "store/folder.h"

namespace millrace::store {

class DiskSpace {
 public:
  explicit DiskSpace(Folder& folder) : folder_(folder) {}

  void open();    // takes over the reserve of an earlier process, or makes one when there is room
  bool is_low();  // looks at most four times a second; below the watermark appends are refused
  // Gives the reserve back to the disk. False when there is none, or when bytes are not what is short.
  bool release_reserve();

 private:
  struct Seen {
    SteadyTime at{};
    bool known = false;
    bool low = false;
    bool reserve = false;
  };
  void look(Seen& seen);
  bool make_reserve();

  Folder& folder_;
  io::Locked<Seen> seen_;
};

}  // namespace millrace::store
