#include "testing/crashing_files.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "io/shared.h"

namespace millrace::testing {
namespace {

constexpr std::size_t sector = 512;

struct Change {  // of a file's bytes, not yet synced
  std::uint64_t at = 0;
  std::string bytes;
  std::optional<std::uint64_t> truncate;
  bool lost = false;  // a sync failed over it: it never reaches the disk, whatever comes
};

void apply(std::string& content, Change const& change, std::size_t from, std::size_t to) {
  if (change.truncate) {
    content.resize(*change.truncate, '\0');
    return;
  }
  auto const end = change.at + to;
  if (content.size() < end) content.resize(end, '\0');
  std::memcpy(content.data() + change.at + from, change.bytes.data() + from, to - from);
}

struct Node {
  std::string now;   // as the running system sees it
  std::string safe;  // what a crash leaves at least
  std::vector<Change> unsynced;
  void const* locked = nullptr;
};
using SharedNode = std::shared_ptr<Node>;

struct NameChange {  // of a folder, not yet synced
  std::string folder, name;
  SharedNode node;  // null: the name is gone
};

std::string folder_of(std::string const& path) {
  auto const slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::uint64_t next_luck(std::uint64_t& seed) {  // splitmix64
  auto x = seed += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

struct State {
  std::map<std::string, SharedNode> names;
  std::map<std::string, SharedNode> safe_names;
  std::vector<NameChange> name_changes;
  std::set<std::string> folders;
  std::uint64_t operation = 0;
  std::uint64_t life = 1;  // restarts; a File of an earlier one is dead
  std::optional<std::uint64_t> fail_at, stop_at;
  std::uint64_t fail_times = 1;
  Fault fault = Fault::io;
  bool stopped = false;
  bool failed = false;
  std::uint64_t space = 1ULL << 40;

  std::uint64_t used() const {
    std::uint64_t sum = 0;
    for (auto const& [name, node] : names) sum += node->now.size();
    return sum;
  }
  Result<void> up(std::string const& path) const {
    if (stopped) return fail(Fault::io, path + ": the machine has stopped");
    return {};
  }
  // Counts one operation; fails when its turn has come.
  Result<void> step(std::string const& path) {
    auto const number = operation++;
    if (stop_at && number >= *stop_at) stopped = true;
    if (auto is_up = up(path); !is_up) return is_up;
    if (fail_at && number >= *fail_at && number - *fail_at < fail_times) {
      failed = true;
      return fail(fault, path + ": fails as it was told");
    }
    return {};
  }
  void rename_to(std::string const& path, SharedNode node) {
    name_changes.push_back({folder_of(path), path, node});
    if (node)
      names[path] = std::move(node);
    else
      names.erase(path);
  }
};

}  // namespace

struct CrashingFiles::Disk {
  io::Locked<State> state;
};

namespace {

using Disk = CrashingFiles::Disk;

class MemoryFile final : public io::File {
 public:
  MemoryFile(std::shared_ptr<Disk> disk, SharedNode node, std::string path, std::uint64_t life,
             bool writable)
      : disk_(std::move(disk)),
        node_(std::move(node)),
        path_(std::move(path)),
        life_(life),
        writable_(writable) {}
  ~MemoryFile() override {
    disk_->state.with([&](State&) {
      if (node_->locked == this) node_->locked = nullptr;
    });
  }

  Result<std::size_t> read(std::uint64_t at, std::span<std::byte> out) override {
    return disk_->state.with([&](State& state) -> Result<std::size_t> {
      if (auto good = alive(state); !good) return pass(good);
      if (at >= node_->now.size()) return std::size_t{0};
      auto const size = std::min<std::size_t>(out.size(), node_->now.size() - at);
      std::memcpy(out.data(), node_->now.data() + at, size);
      return size;
    });
  }
  Result<void> write(std::uint64_t at, std::span<std::byte const> bytes) override {
    return disk_->state.with([&](State& state) -> Result<void> {
      bool const was_up = life_ == state.life && !state.stopped && writable_;
      if (auto good = change(state); !good) {
        if (was_up) put(at, bytes.first(bytes.size() / 2 / sector * sector));
        return good;
      }
      auto const end = at + bytes.size();
      auto const room = state.space - std::min(state.space, state.used());
      if (end > node_->now.size() && end - node_->now.size() > room) {
        put(at,
            bytes.first(std::min<std::size_t>(
                bytes.size(), node_->now.size() + room - std::min(at, node_->now.size() + room))));
        return fail(Fault::busy, path_ + ": write: no space left on device");
      }
      put(at, bytes);
      return {};
    });
  }
  Result<void> truncate(std::uint64_t size) override {
    return disk_->state.with([&](State& state) -> Result<void> {
      if (auto good = change(state); !good) return good;
      resize(size);
      return {};
    });
  }
  Result<void> reserve(std::uint64_t size) override {
    return disk_->state.with([&](State& state) -> Result<void> {
      if (auto good = change(state); !good) return good;
      if (size <= node_->now.size()) return {};
      if (state.used() + size - node_->now.size() > state.space)
        return fail(Fault::busy, path_ + ": reserve: no space left on device");
      resize(size);
      return {};
    });
  }
  Result<void> sync() override {
    return disk_->state.with([&](State& state) -> Result<void> {
      if (auto good = alive(state); !good) return good;
      if (auto good = state.step(path_); !good) {
        // As Linux does it: what could not be written counts as clean from now on.
        for (auto& one : node_->unsynced) one.lost = true;
        return good;
      }
      for (auto const& one : node_->unsynced)
        if (!one.lost) apply(node_->safe, one, 0, one.bytes.size());
      std::erase_if(node_->unsynced, [](Change const& one) { return !one.lost; });
      return {};
    });
  }
  Result<std::uint64_t> size() override {
    return disk_->state.with([&](State& state) -> Result<std::uint64_t> {
      if (auto good = alive(state); !good) return pass(good);
      return node_->now.size();
    });
  }
  Result<void> lock() override {
    return disk_->state.with([&](State& state) -> Result<void> {
      if (auto good = alive(state); !good) return good;
      if (node_->locked != nullptr && node_->locked != this)
        return fail(Fault::conflict, path_ + ": in use by another process");
      node_->locked = this;
      return {};
    });
  }

 private:
  Result<void> alive(State const& state) const {
    if (life_ != state.life) return fail(Fault::io, path_ + ": was open before the restart");
    return state.up(path_);
  }
  Result<void> change(State& state) const {
    if (auto good = alive(state); !good) return good;
    if (!writable_) return fail(Fault::io, path_ + ": is open for reading");
    return state.step(path_);
  }
  void put(std::uint64_t at, std::span<std::byte const> bytes) {
    if (bytes.empty()) return;
    Change made{at, std::string(reinterpret_cast<char const*>(bytes.data()), bytes.size()),
                std::nullopt};
    apply(node_->now, made, 0, bytes.size());
    node_->unsynced.push_back(std::move(made));
  }
  void resize(std::uint64_t size) {
    Change made;
    made.truncate = size;
    apply(node_->now, made, 0, 0);
    node_->unsynced.push_back(std::move(made));
  }

  std::shared_ptr<Disk> disk_;
  SharedNode node_;
  std::string path_;
  std::uint64_t life_;
  bool writable_;
};

}  // namespace

CrashingFiles::CrashingFiles() : disk_(std::make_shared<Disk>()) {}
CrashingFiles::~CrashingFiles() = default;

std::uint64_t CrashingFiles::operations() const {
  return disk_->state.with([](State const& state) { return state.operation; });
}
void CrashingFiles::fail_at(std::uint64_t operation, Fault fault, std::uint64_t times) {
  disk_->state.with([&](State& state) {
    state.fail_at = operation;
    state.fail_times = times;
    state.fault = fault;
  });
}
void CrashingFiles::stop_at(std::uint64_t operation) {
  disk_->state.with([&](State& state) { state.stop_at = operation; });
}
void CrashingFiles::stop() {
  disk_->state.with([](State& state) { state.stopped = true; });
}
bool CrashingFiles::is_stopped() const {
  return disk_->state.with([](State const& state) { return state.stopped; });
}
bool CrashingFiles::has_failed() const {
  return disk_->state.with([](State const& state) { return state.failed; });
}

void CrashingFiles::restart(std::uint64_t seed) {
  disk_->state.with([&](State& state) {
    auto luck = seed;
    std::set<Node*> seen;
    auto const settle = [&](SharedNode const& node) {
      if (!seen.insert(node.get()).second) return;
      for (auto const& one : node->unsynced) {
        auto const roll = next_luck(luck) % 4;
        if (one.lost || roll == 0) continue;
        auto const size = one.bytes.size();
        if (roll != 1 || size == 0) {
          apply(node->safe, one, 0, size);
          continue;
        }
        // Torn: some sectors from the front or from the back.
        auto const part =
            std::min<std::size_t>(size, next_luck(luck) % (size / sector + 1) * sector +
                                            next_luck(luck) % 2 * (size % sector));
        if (next_luck(luck) % 2 == 0)
          apply(node->safe, one, 0, part);
        else
          apply(node->safe, one, part, size);
      }
      node->unsynced.clear();
      node->now = node->safe;
      node->locked = nullptr;
    };
    // Names change in order, as in a journal: some of the first are kept.
    auto const kept =
        state.name_changes.empty() ? 0 : next_luck(luck) % (state.name_changes.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) {
      auto const& one = state.name_changes[i];
      if (one.node)
        state.safe_names[one.name] = one.node;
      else
        state.safe_names.erase(one.name);
    }
    state.name_changes.clear();
    state.names = state.safe_names;
    for (auto const& [name, node] : state.names) settle(node);
    state.stopped = false;
    state.failed = false;
    state.fail_at.reset();
    state.stop_at.reset();
    state.operation = 0;
    ++state.life;
  });
}

void CrashingFiles::copy_from(CrashingFiles const& other) {
  replace_disk();
  auto const folders = other.disk_->state.with([](State const& state) { return state.folders; });
  auto const names = other.disk_->state.with([](State const& state) { return state.names; });
  disk_->state.with([&](State& state) {
    state.folders = folders;
    for (auto const& [name, node] : names) {
      auto copy = std::make_shared<Node>();
      copy->now = copy->safe = node->now;
      state.names[name] = state.safe_names[name] = std::move(copy);
    }
  });
}

void CrashingFiles::replace_disk() { disk_ = std::make_shared<Disk>(); }
void CrashingFiles::limit_space(std::uint64_t bytes) {
  disk_->state.with([&](State& state) { state.space = bytes; });
}
std::uint64_t CrashingFiles::used_space() const {
  return disk_->state.with([](State const& state) { return state.used(); });
}
void CrashingFiles::flip_bit(std::string const& path, std::uint64_t byte, unsigned bit) {
  disk_->state.with([&](State& state) {
    auto const at = state.names.find(path);
    check(at != state.names.end() && byte < at->second->now.size(), "there is a bit to flip");
    for (auto* const content : {&at->second->now, &at->second->safe})
      if (byte < content->size())
        (*content)[byte] = static_cast<char>((*content)[byte] ^ static_cast<char>(1U << bit));
  });
}
void CrashingFiles::cut(std::string const& path, std::uint64_t size) {
  disk_->state.with([&](State& state) {
    auto const at = state.names.find(path);
    check(at != state.names.end(), "there is a file to cut");
    at->second->now.resize(size);
    at->second->safe.resize(std::min<std::size_t>(size, at->second->safe.size()));
  });
}
std::uint64_t CrashingFiles::size_of(std::string const& path) const {
  return disk_->state.with([&](State const& state) -> std::uint64_t {
    auto const at = state.names.find(path);
    return at == state.names.end() ? 0 : at->second->now.size();
  });
}

Result<std::unique_ptr<io::File>> CrashingFiles::open(std::string const& path, io::OpenMode mode,
                                                      unsigned) {
  return disk_->state.with([&](State& state) -> Result<std::unique_ptr<io::File>> {
    if (auto up = state.up(path); !up) return pass(up);
    auto at = state.names.find(path);
    bool const create = mode == io::OpenMode::create || mode == io::OpenMode::create_fresh;
    if (at != state.names.end() && mode == io::OpenMode::create_fresh)
      return fail(Fault::conflict, path + ": open: File exists");
    if (at == state.names.end()) {
      if (!create || !state.folders.contains(folder_of(path)))
        return fail(Fault::missing, path + ": open: No such file or directory");
      if (auto good = state.step(path); !good) return pass(good);
      state.rename_to(path, std::make_shared<Node>());
      at = state.names.find(path);
    }
    return std::make_unique<MemoryFile>(disk_, at->second, path, state.life,
                                        mode != io::OpenMode::read);
  });
}

Result<bool> CrashingFiles::exists(std::string const& path) {
  return disk_->state.with([&](State& state) -> Result<bool> {
    if (auto up = state.up(path); !up) return pass(up);
    return state.names.contains(path) || state.folders.contains(path);
  });
}

Result<void> CrashingFiles::remove(std::string const& path) {
  return disk_->state.with([&](State& state) -> Result<void> {
    if (auto up = state.up(path); !up) return up;
    if (!state.names.contains(path))
      return fail(Fault::missing, path + ": remove: No such file or directory");
    if (auto good = state.step(path); !good) return good;
    state.rename_to(path, nullptr);
    return {};
  });
}

Result<void> CrashingFiles::rename(std::string const& from, std::string const& to) {
  return disk_->state.with([&](State& state) -> Result<void> {
    if (auto up = state.up(from); !up) return up;
    auto const at = state.names.find(from);
    if (at == state.names.end())
      return fail(Fault::missing, from + ": rename: No such file or directory");
    if (auto good = state.step(from); !good) return good;
    auto node = at->second;
    state.rename_to(to, node);
    state.rename_to(from, nullptr);
    return {};
  });
}

Result<void> CrashingFiles::make_folders(std::string const& path, unsigned) {
  return disk_->state.with([&](State& state) -> Result<void> {
    if (auto up = state.up(path); !up) return up;
    for (auto folder = path; !folder.empty() && folder != "."; folder = folder_of(folder)) {
      if (!state.folders.insert(folder).second) break;
    }
    return {};
  });
}

Result<std::vector<std::string>> CrashingFiles::list(std::string const& folder) {
  return disk_->state.with([&](State& state) -> Result<std::vector<std::string>> {
    if (auto up = state.up(folder); !up) return pass(up);
    if (!state.folders.contains(folder))
      return fail(Fault::missing, folder + ": list: No such file or directory");
    std::vector<std::string> names;
    for (auto const& [path, node] : state.names)
      if (folder_of(path) == folder) names.push_back(path.substr(folder.size() + 1));
    return names;
  });
}

Result<void> CrashingFiles::sync_folder(std::string const& folder) {
  return disk_->state.with([&](State& state) -> Result<void> {
    if (auto good = state.step(folder); !good) return good;
    std::erase_if(state.name_changes, [&](NameChange const& one) {
      if (one.folder != folder) return false;
      if (one.node)
        state.safe_names[one.name] = one.node;
      else
        state.safe_names.erase(one.name);
      return true;
    });
    return {};
  });
}

Result<io::Space> CrashingFiles::space(std::string const& folder) {
  return disk_->state.with([&](State& state) -> Result<io::Space> {
    if (auto up = state.up(folder); !up) return pass(up);
    auto const used = state.used();
    return io::Space{used > state.space ? 0 : state.space - used, state.space};
  });
}

}  // namespace millrace::testing
