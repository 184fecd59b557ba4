// A store in a folder, by URL and layout.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "receive/rolling_store.h"

namespace millrace::receive {

enum class Layout : std::uint8_t { rolling, per_event };

struct FolderSettings {
  std::string url;    // file:///path
  std::string spool;  // folder of the spool; empty: `.spool` in the store
  Layout layout = Layout::rolling;
  std::uint64_t roll_bytes = 64 * 1024 * 1024;
  Duration roll_time = std::chrono::minutes(5);
  Permissions permissions = {};
};

// "/path" of "file:///path", with %XX decoded. Fails with: invalid, saying what a store URL is, and that s3:// and gs:// are not
// there yet.
Result<std::string> folder_of_url(std::string_view url);

// Fails with: invalid (URL), conflict (another receiver works there), denied, io.
Result<std::unique_ptr<EventStore>> open_folder_store(RollingParts parts, FolderSettings settings);

}  // namespace millrace::receive
