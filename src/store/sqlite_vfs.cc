#include "store/sqlite_vfs.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

#include "base/encoding.h"
#include "io/shared.h"

namespace millrace::store {
namespace {

// What the connections of one database share: instead of locks on the file and of a mapped -shm file.
struct SharedFile {
  int open = 0;
  int shared = 0;  // connections that hold SHARED or more
  void const* reserved = nullptr;
  void const* pending = nullptr;
  void const* exclusive = nullptr;

  int mapped = 0;  // connections that use the regions
  std::vector<std::unique_ptr<std::byte[]>> regions;
  std::array<int, SQLITE_SHM_NLOCK> readers{};
  std::array<void const*, SQLITE_SHM_NLOCK> writer{};
};

struct Failure {
  std::uint64_t order = 0;
  Error error{};
};

struct Tables {
  std::map<std::string, SharedFile> files;  // by path
  std::set<std::string> fresh;              // made, but their folder was not synced since
  std::map<std::string, Failure> failures;  // the latest of each path that nobody has taken
  std::uint64_t failed = 0;
};

std::string folder_of(std::string const& path) {
  auto const folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

struct SqliteVfs::Inside {
  io::Files& files;
  std::function<void(std::string const&)> fatal;
  std::string name;
  sqlite3_vfs vfs{};
  sqlite3_vfs* usual = nullptr;
  io::Locked<Tables> tables;
};

namespace {

using Inside = SqliteVfs::Inside;

struct OpenFile {
  Inside& in;
  std::string path;
  std::unique_ptr<io::File> file;
  bool main = false;  // a database, not its WAL
  std::size_t page_bytes =
      0;  // of one whose pages have checksums; 0: they have none, or it is not known yet
  int level = SQLITE_LOCK_NONE;
  bool mapped = false;
};

struct VfsFile {  // SQLite allocates it and knows only its first member
  sqlite3_file base;
  OpenFile* open;
};

OpenFile& self(sqlite3_file* file) { return *reinterpret_cast<VfsFile*>(file)->open; }
Inside& self(sqlite3_vfs* vfs) { return *static_cast<Inside*>(vfs->pAppData); }

// SQLite knows codes only: what really happened is kept for take_failure().
int code_of(Inside& in, std::string const& path, Error const& error, int otherwise) {
  in.tables.with([&](Tables& tables) {
    tables.failures.insert_or_assign(path, Failure{++tables.failed, error});
  });
  return error.fault == Fault::busy ? SQLITE_FULL : otherwise;
}
int code_of(OpenFile& open, Error const& error, int otherwise) {
  return code_of(open.in, open.path, error, otherwise);
}

// A connection that ends gives back all that it holds.
void unlock_regions(OpenFile& open, SharedFile& shared) {
  for (auto& writer : shared.writer)
    if (writer == &open) writer = nullptr;
  if (!open.mapped) return;
  open.mapped = false;
  if (--shared.mapped == 0) shared.regions.clear();
}

void lower(OpenFile& open, SharedFile& shared, int level) {
  if (shared.exclusive == &open) shared.exclusive = nullptr;
  if (shared.pending == &open) shared.pending = nullptr;
  if (shared.reserved == &open) shared.reserved = nullptr;
  if (level == SQLITE_LOCK_NONE && open.level >= SQLITE_LOCK_SHARED) --shared.shared;
  open.level = level;
}

int file_close(sqlite3_file* file) {
  auto& open = self(file);
  open.in.tables.with([&](Tables& tables) {
    auto const at = tables.files.find(open.path);
    if (at == tables.files.end()) return;
    unlock_regions(open, at->second);
    lower(open, at->second, SQLITE_LOCK_NONE);
    if (--at->second.open == 0) tables.files.erase(at);
  });
  delete &open;
  return SQLITE_OK;
}

// ---- checksums of pages

constexpr std::size_t unsummed_page = 16 * 1024;

// The first bytes of a database say how long its pages are.
void learn_page_bytes(OpenFile& open, std::uint64_t at, std::span<std::byte const> bytes) {
  if (!open.main || at != 0 || bytes.size() < 18) return;
  auto const size =
      std::to_integer<std::size_t>(bytes[16]) << 8 | std::to_integer<std::size_t>(bytes[17]);
  open.page_bytes = size == unsummed_page || size < 512 ? 0 : size;
}
bool is_summed(OpenFile const& open, std::uint64_t at, std::size_t size) {
  return open.page_bytes != 0 && size == open.page_bytes && at % size == 0;
}
// Its place goes in, too: a page that was written to another place is not this one.
std::array<std::byte, SqliteVfs::sum_bytes> sum_of(std::span<std::byte const> page,
                                                   std::uint64_t at) {
  auto const content = page.first(page.size() - SqliteVfs::sum_bytes);
  auto const number = static_cast<std::uint32_t>(at / page.size() + 1);
  std::uint32_t const parts[] = {
      crc32c({reinterpret_cast<char const*>(content.data()), content.size()}, number), number};
  std::array<std::byte, SqliteVfs::sum_bytes> sum{};
  std::memcpy(sum.data(), parts, sizeof parts);
  return sum;
}
bool is_right(std::span<std::byte const> page, std::uint64_t at) {
  auto const sum = sum_of(page, at);
  if (std::ranges::equal(page.last(SqliteVfs::sum_bytes), sum)) return true;
  return std::ranges::all_of(page, [](std::byte byte) { return byte == std::byte{}; });
}

int file_read(sqlite3_file* file, void* out, int size, sqlite3_int64 at) {
  auto& open = self(file);
  auto const from = static_cast<std::uint64_t>(at);
  auto const bytes = std::span(static_cast<std::byte*>(out), static_cast<std::size_t>(size));
  auto const got = open.file->read(from, bytes);
  if (!got) return code_of(open, got.error(), SQLITE_IOERR_READ);
  if (*got == bytes.size()) {
    learn_page_bytes(open, from, bytes);
    if (!is_summed(open, from, bytes.size()) || is_right(bytes, from)) return SQLITE_OK;
    return code_of(
        open,
        {Fault::corrupt, fmt::format("page {} is not what was written", from / bytes.size() + 1)},
        SQLITE_IOERR_DATA);
  }
  std::memset(bytes.data() + *got, 0, bytes.size() - *got);
  return SQLITE_IOERR_SHORT_READ;
}

int file_write(sqlite3_file* file, void const* in, int size, sqlite3_int64 at) {
  auto& open = self(file);
  auto const to = static_cast<std::uint64_t>(at);
  auto bytes = std::span(static_cast<std::byte const*>(in), static_cast<std::size_t>(size));
  learn_page_bytes(open, to, bytes);
  std::vector<std::byte> page;
  if (is_summed(open, to, bytes.size())) {
    page.assign(bytes.begin(), bytes.end());
    std::ranges::copy(sum_of(page, to), page.end() - SqliteVfs::sum_bytes);
    bytes = page;
  }
  auto const done = open.file->write(to, bytes);
  return done ? SQLITE_OK : code_of(open, done.error(), SQLITE_IOERR_WRITE);
}

int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
  auto const done = self(file).file->truncate(static_cast<std::uint64_t>(size));
  return done ? SQLITE_OK : code_of(self(file), done.error(), SQLITE_IOERR_TRUNCATE);
}

int file_sync(sqlite3_file* file, int) {
  auto& open = self(file);
  if (auto const done = open.file->sync(); !done) {
    open.in.fatal(done.error().what);
    return SQLITE_IOERR_FSYNC;
  }
  // The name of a new file is safe only now: whichever connection made it, the first sync of its bytes brings its name along.
  bool const fresh =
      open.in.tables.with([&](Tables& tables) { return tables.fresh.contains(open.path); });
  if (!fresh) return SQLITE_OK;
  if (auto const done = open.in.files.sync_folder(folder_of(open.path)); !done) {
    open.in.fatal(done.error().what);
    return SQLITE_IOERR_DIR_FSYNC;
  }
  open.in.tables.with([&](Tables& tables) { tables.fresh.erase(open.path); });
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  auto const found = self(file).file->size();
  if (!found) return code_of(self(file), found.error(), SQLITE_IOERR_FSTAT);
  *size = static_cast<sqlite3_int64>(*found);
  return SQLITE_OK;
}

int file_lock(sqlite3_file* file, int level) {
  auto& open = self(file);
  return open.in.tables.with([&](Tables& tables) {
    auto& shared = tables.files[open.path];
    if (open.level >= level) return SQLITE_OK;
    auto const foreign = [&open](void const* holder) {
      return holder != nullptr && holder != &open;
    };
    if (open.level == SQLITE_LOCK_NONE) {
      if (foreign(shared.pending) || foreign(shared.exclusive)) return SQLITE_BUSY;
      ++shared.shared;
      open.level = SQLITE_LOCK_SHARED;
    }
    if (level == SQLITE_LOCK_SHARED) return SQLITE_OK;
    if (foreign(shared.reserved)) return SQLITE_BUSY;
    shared.reserved = &open;
    if (level == SQLITE_LOCK_RESERVED) {
      open.level = level;
      return SQLITE_OK;
    }
    shared.pending = &open;
    open.level = SQLITE_LOCK_PENDING;
    if (shared.shared > 1) return SQLITE_BUSY;
    shared.exclusive = &open;
    open.level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
  });
}

int file_unlock(sqlite3_file* file, int level) {
  auto& open = self(file);
  return open.in.tables.with([&](Tables& tables) {
    if (open.level > level) lower(open, tables.files[open.path], level);
    return SQLITE_OK;
  });
}

int file_is_reserved(sqlite3_file* file, int* reserved) {
  auto& open = self(file);
  *reserved = open.in.tables.with(
                  [&](Tables& tables) { return tables.files[open.path].reserved != nullptr; })
                  ? 1
                  : 0;
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int file_sector_size(sqlite3_file*) { return 4096; }
// A write that a crash tears harms no byte outside of it: true of every disk since drives keep whole sectors.
int file_characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int file_shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  auto& open = self(file);
  return open.in.tables.with([&](Tables& tables) {
    auto& shared = tables.files[open.path];
    if (!open.mapped) {
      open.mapped = true;
      ++shared.mapped;
    }
    *out = nullptr;
    auto const wanted = static_cast<std::size_t>(region);
    if (shared.regions.size() <= wanted && extend == 0) return SQLITE_OK;
    while (shared.regions.size() <= wanted)
      shared.regions.push_back(std::make_unique<std::byte[]>(static_cast<std::size_t>(size)));
    *out = shared.regions[wanted].get();
    return SQLITE_OK;
  });
}

int file_shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  auto& open = self(file);
  auto const first = static_cast<std::size_t>(offset);
  auto const end = first + static_cast<std::size_t>(count);
  return open.in.tables.with([&](Tables& tables) {
    auto& shared = tables.files[open.path];
    bool const exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
      for (auto i = first; i < end; ++i) {
        if (exclusive && shared.writer[i] == &open) shared.writer[i] = nullptr;
        if (!exclusive && shared.readers[i] > 0) --shared.readers[i];
      }
      return SQLITE_OK;
    }
    for (auto i = first; i < end; ++i) {
      if (shared.writer[i] != nullptr && shared.writer[i] != &open) return SQLITE_BUSY;
      if (exclusive && shared.readers[i] > 0) return SQLITE_BUSY;
    }
    for (auto i = first; i < end; ++i) {
      if (exclusive)
        shared.writer[i] = &open;
      else
        ++shared.readers[i];
    }
    return SQLITE_OK;
  });
}

void file_shm_barrier(sqlite3_file* file) {
  self(file).in.tables.with([](Tables&) {});  // taking and leaving the lock orders memory
}

int file_shm_unmap(sqlite3_file* file, int) {
  auto& open = self(file);
  open.in.tables.with([&](Tables& tables) { unlock_regions(open, tables.files[open.path]); });
  return SQLITE_OK;
}

constexpr sqlite3_io_methods methods = {
    2,
    file_close,
    file_read,
    file_write,
    file_truncate,
    file_sync,
    file_size,
    file_lock,
    file_unlock,
    file_is_reserved,
    file_control,
    file_sector_size,
    file_characteristics,
    file_shm_map,
    file_shm_lock,
    file_shm_barrier,
    file_shm_unmap,
    nullptr,
    nullptr,
};

int vfs_open(sqlite3_vfs* vfs, char const* path, sqlite3_file* file, int flags, int* out_flags) {
  auto& in = self(vfs);
  file->pMethods = nullptr;
  if (path == nullptr) return SQLITE_CANTOPEN;  // temporary files stay in memory
  bool const create = (flags & SQLITE_OPEN_CREATE) != 0;
  if (create) {
    auto const there = in.files.exists(path);
    if (!there) return code_of(in, path, there.error(), SQLITE_CANTOPEN);
    if (!*there) in.tables.with([&](Tables& tables) { tables.fresh.insert(path); });
  }
  auto const mode =
      create ? io::OpenMode::create
             : ((flags & SQLITE_OPEN_READONLY) != 0 ? io::OpenMode::read : io::OpenMode::write);
  auto opened = in.files.open(path, mode);
  if (!opened) return code_of(in, path, opened.error(), SQLITE_CANTOPEN);
  auto owned = std::make_unique<OpenFile>(
      OpenFile{in, path, std::move(*opened), (flags & SQLITE_OPEN_MAIN_DB) != 0});
  in.tables.with([&](Tables& tables) { ++tables.files[owned->path].open; });
  reinterpret_cast<VfsFile*>(file)->open = owned.release();
  file->pMethods = &methods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* vfs, char const* path, int sync_folder) {
  auto& in = self(vfs);
  if (auto const done = in.files.remove(path); !done)
    return done.error().fault == Fault::missing
               ? SQLITE_IOERR_DELETE_NOENT
               : code_of(in, path, done.error(), SQLITE_IOERR_DELETE);
  if (sync_folder == 0) return SQLITE_OK;
  if (auto const done = in.files.sync_folder(folder_of(path)); !done) {
    in.fatal(done.error().what);
    return SQLITE_IOERR_DIR_FSYNC;
  }
  return SQLITE_OK;
}

int vfs_access(sqlite3_vfs* vfs, char const* path, int, int* there) {
  auto const found = self(vfs).files.exists(path);
  if (!found) return code_of(self(vfs), path, found.error(), SQLITE_IOERR_ACCESS);
  *there = *found ? 1 : 0;
  return SQLITE_OK;
}

int vfs_full_path(sqlite3_vfs*, char const* path, int size, char* out) {
  auto const length = std::strlen(path);
  if (length + 1 > static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(out, path, length + 1);
  return SQLITE_OK;
}

int vfs_random(sqlite3_vfs* vfs, int size, char* out) {
  auto* const usual = self(vfs).usual;
  return usual->xRandomness(usual, size, out);
}
int vfs_sleep(sqlite3_vfs* vfs, int us) {
  auto* const usual = self(vfs).usual;
  return usual->xSleep(usual, us);
}
int vfs_time(sqlite3_vfs* vfs, double* days) {
  auto* const usual = self(vfs).usual;
  return usual->xCurrentTime(usual, days);
}
int vfs_time_ms(sqlite3_vfs* vfs, sqlite3_int64* ms) {
  auto* const usual = self(vfs).usual;
  return usual->xCurrentTimeInt64(usual, ms);
}
int vfs_last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

SqliteVfs::SqliteVfs(io::Files& files, std::function<void(std::string const&)> fatal)
    : inside_(new Inside{files, std::move(fatal), {}, {}, sqlite3_vfs_find(nullptr), {}}) {
  check(inside_->usual != nullptr, "SQLite has a usual VFS");
  inside_->name = fmt::format("millrace-{}", static_cast<void const*>(inside_.get()));
  auto& vfs = inside_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(VfsFile);
  vfs.mxPathname = 4096;
  vfs.zName = inside_->name.c_str();
  vfs.pAppData = inside_.get();
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_path;
  vfs.xRandomness = vfs_random;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  vfs.xCurrentTimeInt64 = vfs_time_ms;
  vfs.xGetLastError = vfs_last_error;
  check(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK, "SQLite takes a VFS");
}

SqliteVfs::~SqliteVfs() { sqlite3_vfs_unregister(&inside_->vfs); }

char const* SqliteVfs::name() const { return inside_->name.c_str(); }

std::optional<Error> SqliteVfs::take_failure(std::string const& path) const {
  return inside_->tables.with([&](Tables& tables) -> std::optional<Error> {
    Failure newest;
    for (auto const* const part : {"", "-wal", "-journal"}) {
      auto taken = tables.failures.extract(path + part);
      if (taken && taken.mapped().order > newest.order) newest = std::move(taken.mapped());
    }
    if (newest.order == 0) return std::nullopt;
    return std::move(newest.error);
  });
}

}  // namespace millrace::store
