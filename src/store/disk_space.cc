#include "store/disk_space.h"

#include <algorithm>

namespace millrace::store {
namespace {
constexpr auto look_every = std::chrono::milliseconds(250);
constexpr std::string_view reserve_name = "reserve.bin";
}  // namespace

void DiskSpace::open() {
  seen_.with([&](Seen& seen) {
    // One that an earlier process made serves this one: on a full disk it could not be made anew.
    seen.reserve = folder_.files.exists(folder_.path(reserve_name)).value_or(false);
    look(seen);
  });
}

bool DiskSpace::is_low() {
  return seen_.with([&](Seen& seen) {
    if (!seen.known || folder_.clock.now() - seen.at >= look_every) look(seen);
    return seen.low;
  });
}

void DiskSpace::look(Seen& seen) {
  seen.at = folder_.clock.now();
  seen.known = true;
  auto const space = folder_.files.space(folder_.settings.folder);
  // A disk that cannot be asked is not called full: writes will say what is wrong.
  if (!space) return;
  auto const watermark = std::min(folder_.settings.least_free_bytes, space->total_bytes / 50);
  bool const low = space->free_bytes < watermark;
  if (low != seen.low) {
    if (low)
      folder_.log.error("disk is nearly full: no new events are taken",
                        {{"folder", folder_.settings.folder},
                         {"free_bytes", space->free_bytes},
                         {"needed_bytes", watermark}});
    else
      folder_.log.info("disk has room again: new events are taken",
                       {{"folder", folder_.settings.folder}, {"free_bytes", space->free_bytes}});
  }
  seen.low = low;
  if (!seen.reserve && space->free_bytes > watermark + 2 * folder_.settings.reserve_bytes)
    seen.reserve = make_reserve();
}

bool DiskSpace::make_reserve() {
  if (folder_.settings.reserve_bytes == 0) return false;
  auto file = folder_.files.open(folder_.path(reserve_name), io::OpenMode::create);
  if (file && (*file)->reserve(folder_.settings.reserve_bytes)) return true;
  static_cast<void>(folder_.files.remove(folder_.path(reserve_name)));
  return false;
}

bool DiskSpace::release_reserve() {
  return seen_.with([&](Seen& seen) {
    if (!seen.reserve) return false;
    // What is short may be descriptors or inodes: the reserve is for bytes.
    auto const space = folder_.files.space(folder_.settings.folder);
    if (space &&
        space->free_bytes > std::max<std::uint64_t>(folder_.settings.reserve_bytes, 1 << 20))
      return false;
    seen.reserve = false;
    // Only the name goes: its blocks are free at once, for this user as for others.
    bool const gone = folder_.files.remove(folder_.path(reserve_name)).has_value();
    if (gone)
      folder_.log.warning("disk is full: the reserve is used for the state of streams",
                          {{"folder", folder_.settings.folder}});
    return gone;
  });
}

}  // namespace millrace::store
