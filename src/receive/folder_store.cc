#include "receive/folder_store.h"

#include <fmt/format.h>

#include <utility>

#include "base/encoding.h"
#include "receive/per_event_store.h"

namespace millrace::receive {

Result<std::string> folder_of_url(std::string_view url) {
  if (url.starts_with("s3://") || url.starts_with("gs://"))
    return fail(
        Fault::invalid,
        fmt::format("store {}: buckets are not in this version yet; use file:///path", url));
  std::string_view rest = url;
  if (!rest.starts_with("file://"))
    return fail(Fault::invalid, fmt::format("store {}: is not a URL like file:///path", url));
  rest.remove_prefix(7);
  if (rest.starts_with("localhost/")) rest.remove_prefix(9);
  if (!rest.starts_with('/'))
    return fail(Fault::invalid, fmt::format("store {}: needs an absolute path, file:///path", url));
  std::string path;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '%') {
      path += rest[i];
      continue;
    }
    auto const byte = unhex(rest.substr(i + 1, 2));
    if (!byte || byte->size() != 1 || byte->front() == '\0')
      return fail(Fault::invalid, fmt::format("store {}: has a bad %-escape", url));
    path += *byte;
    i += 2;
  }
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Result<std::unique_ptr<EventStore>> open_folder_store(RollingParts parts, FolderSettings settings) {
  auto const root = folder_of_url(settings.url);
  if (!root) return pass(root);
  if (settings.layout == Layout::per_event)
    return open_per_event(parts.files, io::thread_worker("receive-commit"), *root,
                          settings.permissions);
  RollingSettings rolling;
  rolling.folders = {*root, settings.spool.empty() ? *root + "/.spool" : settings.spool,
                     settings.permissions};
  rolling.roll_bytes = settings.roll_bytes;
  rolling.roll_time = settings.roll_time;
  return open_rolling(std::move(parts), std::move(rolling), io::thread_worker("receive-commit"),
                      io::thread_worker("receive-roll", 5));
}

}  // namespace millrace::receive
