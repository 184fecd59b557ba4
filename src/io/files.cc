#include "io/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace millrace::io {
namespace {

// The only place where errno becomes a Fault.
std::unexpected<Error> system_failure(int code, std::string_view doing, std::string_view path) {
  auto const fault = [code] {
    switch (code) {
      case ENOENT:
      case ENOTDIR:
        return Fault::missing;
      case EEXIST:
        return Fault::conflict;
      case EACCES:
      case EPERM:
      case EROFS:
        return Fault::denied;
      case ENOSPC:
      case EDQUOT:
      case EMFILE:
      case ENFILE:
        return Fault::busy;
      default:
        return Fault::io;
    }
  }();
  // The system has one word for both.
  std::string_view const hint =
      code == ENOSPC ? " (the disk is full, or its inodes are used up)" : "";
  return fail(
      fault, fmt::format("{}: {}: {}{}", path, doing, std::generic_category().message(code), hint));
}

class DiskFile final : public File {
 public:
  DiskFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~DiskFile() override { ::close(fd_); }

  Result<std::size_t> read(std::uint64_t at, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      auto const n =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_failure(errno, "read", path_);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }
  Result<void> write(std::uint64_t at, std::span<std::byte const> bytes) override {
    while (!bytes.empty()) {
      auto const n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_failure(errno, "write", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      at += static_cast<std::uint64_t>(n);
    }
    return {};
  }
  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
      return system_failure(errno, "truncate", path_);
    return {};
  }
  Result<void> sync() override {
    if (::fdatasync(fd_) != 0)
      return fail(Fault::io,
                  fmt::format("{}: sync: {}", path_, std::generic_category().message(errno)));
    return {};
  }
  Result<std::uint64_t> size() override {
    struct stat status{};
    if (::fstat(fd_, &status) != 0) return system_failure(errno, "size", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }
  Result<void> reserve(std::uint64_t size) override {
    if (int const code = ::posix_fallocate(fd_, 0, static_cast<off_t>(size)); code != 0)
      return system_failure(code, "reserve", path_);
    return {};
  }
  Result<void> lock() override {
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK) return fail(Fault::conflict, path_ + ": in use by another process");
    return system_failure(errno, "lock", path_);
  }

 private:
  int fd_;
  std::string path_;
};

std::string folder_of(std::string const& path) {
  auto const folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

Result<std::string> Files::read_all(std::string const& path, std::uint64_t limit) {
  auto file = open(path, OpenMode::read);
  if (!file) return pass(file);
  auto const size = (*file)->size();
  if (!size) return pass(size);
  if (*size > limit)
    return fail(Fault::invalid, fmt::format("{}: has {} bytes, more than {}", path, *size, limit));
  std::string content(*size, '\0');
  auto const got = (*file)->read(0, std::as_writable_bytes(std::span(content)));
  if (!got) return pass(got);
  content.resize(*got);
  return content;
}

Result<void> Files::write_all(std::string const& path, std::string_view content,
                              unsigned permissions) {
  auto const beside = path + ".new";
  {
    auto file = open(beside, OpenMode::create, permissions);
    if (!file) return pass(file);
    if (auto done = (*file)->truncate(0); !done) return done;
    if (auto done = (*file)->write(0, std::as_bytes(std::span(content))); !done) return done;
    if (auto done = (*file)->sync(); !done) return done;
  }
  if (auto done = rename(beside, path); !done) return done;
  return sync_folder(folder_of(path));
}

Result<std::unique_ptr<File>> DiskFiles::open(std::string const& path, OpenMode mode,
                                              unsigned permissions) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::read:
      flags |= O_RDONLY;
      break;
    case OpenMode::write:
      flags |= O_RDWR;
      break;
    case OpenMode::create:
      flags |= O_RDWR | O_CREAT;
      break;
    case OpenMode::create_fresh:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  int const fd = ::open(path.c_str(), flags, static_cast<mode_t>(permissions));
  if (fd < 0) return system_failure(errno, "open", path);
  return std::make_unique<DiskFile>(fd, path);
}

Result<bool> DiskFiles::exists(std::string const& path) {
  if (::access(path.c_str(), F_OK) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return system_failure(errno, "look at", path);
}

Result<void> DiskFiles::remove(std::string const& path) {
  if (::unlink(path.c_str()) != 0) return system_failure(errno, "remove", path);
  return {};
}

Result<void> DiskFiles::rename(std::string const& from, std::string const& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return system_failure(errno, "rename to " + to, from);
  return {};
}

Result<void> DiskFiles::make_folders(std::string const& path, unsigned permissions) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    auto const part = path.substr(0, at);
    if (::mkdir(part.c_str(), permissions) != 0 && errno != EEXIST)
      return system_failure(errno, "make folder", part);
  }
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return system_failure(errno, "look at", path);
  if (!S_ISDIR(status.st_mode)) return fail(Fault::conflict, path + ": is not a folder");
  return {};
}

Result<std::vector<std::string>> DiskFiles::list(std::string const& folder) {
  std::unique_ptr<DIR, int (*)(DIR*)> const open(::opendir(folder.c_str()), &::closedir);
  if (!open) return system_failure(errno, "list", folder);
  std::vector<std::string> names;
  errno = 0;
  while (auto const* entry = ::readdir(open.get())) {
    std::string_view const name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return system_failure(errno, "list", folder);
  std::ranges::sort(names);
  return names;
}

Result<void> DiskFiles::sync_folder(std::string const& folder) {
  int const fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_failure(errno, "open folder", folder);
  int const code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (code != 0)
    return fail(Fault::io,
                fmt::format("{}: sync: {}", folder, std::generic_category().message(code)));
  return {};
}

Result<Space> DiskFiles::space(std::string const& folder) {
  struct statvfs status{};
  if (::statvfs(folder.c_str(), &status) != 0)
    return system_failure(errno, "look at space", folder);
  return Space{status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize};
}

}  // namespace millrace::io
