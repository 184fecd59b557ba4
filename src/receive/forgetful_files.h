// For tests: a disk in memory that forgets what was not synced, stricter than real ones: a name is durable only when its folder was
// synced, and a rename across folders is two entries, each for itself.
#pragma once
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/encoding.h"
#include "io/files.h"
#include "receive/paths.h"

namespace millrace::receive {

class ForgetfulFiles final : public io::Files {
 public:
  // What a crash leaves of what was not synced.
  enum class Crash { nothing, all, torn };

  // Operation number `at` (0 is the next) and all after it fail: the machine has stopped. nullopt: never.
  void stop_at(std::optional<std::uint64_t> at) { stop_at_ = at, done_ = 0, stopped_ = false; }
  // Only operation number `at` fails, with this fault.
  void fail_at(std::uint64_t at, Fault fault) {
    fail_at_ = at, fault_ = fault, done_ = 0, failed_ = false;
  }
  bool stopped() const { return stopped_; }
  bool failed() const { return failed_; }
  bool lying_sync = false;  // syncs answer, and do nothing

  void crash(Crash kind) {
    stop_at(std::nullopt);
    fail_at_.reset();
    if (kind != Crash::all) {
      names_ = durable_names_;
      folders_ = durable_folders_;
    }
    // What stands in a folder that is not there is not there.
    std::erase_if(folders_, [this](auto const& folder) { return !reachable(folder, folders_); });
    std::erase_if(names_, [this](auto const& name) { return !reachable(name.first, folders_); });
    for (auto const& [name, node] : names_) {
      if (kind == Crash::nothing) node->now = node->durable;
      if (kind == Crash::torn && node->now.starts_with(node->durable))
        node->now.resize((node->now.size() + node->durable.size()) / 2);
      node->durable = node->now;
      node->locked = false;
    }
    durable_names_ = names_;
    durable_folders_ = folders_;
  }

  // Every file below `folder`, by path.
  std::map<std::string, std::string> under(std::string const& folder) const {
    std::map<std::string, std::string> found;
    for (auto const& [name, node] : names_)
      if (name.starts_with(folder + '/')) found[name] = node->now;
    return found;
  }

  Result<std::unique_ptr<io::File>> open(std::string const& path, io::OpenMode mode,
                                         unsigned) override {
    if (auto went = step(); !went) return pass(went);
    auto const it = names_.find(path);
    if (it != names_.end()) {
      if (mode == io::OpenMode::create_fresh) return fail(Fault::conflict, path + ": exists");
      return std::make_unique<Open>(*this, it->second);
    }
    if (mode == io::OpenMode::read || mode == io::OpenMode::write)
      return fail(Fault::missing, path + ": is not there");
    if (!folders_.contains(receive::folder_of(path)))
      return fail(Fault::missing, path + ": no such folder");
    return std::make_unique<Open>(*this, names_[path] = std::make_shared<Node>());
  }
  Result<bool> exists(std::string const& path) override {
    if (auto went = step(); !went) return pass(went);
    return names_.contains(path) || folders_.contains(path);
  }
  Result<void> remove(std::string const& path) override {
    if (auto went = step(); !went) return went;
    if (names_.erase(path) == 0) return fail(Fault::missing, path + ": is not there");
    return {};
  }
  Result<void> rename(std::string const& from, std::string const& to) override {
    if (auto went = step(); !went) return went;
    auto const it = names_.find(from);
    if (it == names_.end() || !folders_.contains(receive::folder_of(to)))
      return fail(Fault::missing, from + ": is not there");
    auto const node = it->second;
    names_.erase(it);
    names_[to] = node;
    return {};
  }
  Result<void> make_folders(std::string const& path, unsigned) override {
    if (auto went = step(); !went) return went;
    for (auto folder = path; folder != "/" && folder != "."; folder = receive::folder_of(folder))
      folders_.insert(folder);
    return {};
  }
  Result<std::vector<std::string>> list(std::string const& folder) override {
    if (auto went = step(); !went) return pass(went);
    if (!folders_.contains(folder)) return fail(Fault::missing, folder + ": is not there");
    std::vector<std::string> names;
    for (auto const& [name, node] : names_)
      if (receive::folder_of(name) == folder) names.push_back(name.substr(folder.size() + 1));
    for (auto const& name : folders_)
      if (receive::folder_of(name) == folder) names.push_back(name.substr(folder.size() + 1));
    std::ranges::sort(names);
    return names;
  }
  Result<void> sync_folder(std::string const& folder) override {
    if (auto went = step(); !went) return went;
    if (lying_sync) return {};
    if (folder != "/" && !folders_.contains(folder))
      return fail(Fault::missing, folder + ": is not there");
    std::erase_if(durable_names_,
                  [&](auto const& name) { return receive::folder_of(name.first) == folder; });
    for (auto const& name : names_)
      if (receive::folder_of(name.first) == folder) durable_names_.insert(name);
    for (auto const& name : folders_)
      if (receive::folder_of(name) == folder) durable_folders_.insert(name);
    return {};
  }
  Result<io::Space> space(std::string const&) override { return io::Space{1U << 30, 1U << 30}; }

 private:
  struct Node {
    std::string now, durable;
    bool locked = false;
  };
  class Open final : public io::File {
   public:
    Open(ForgetfulFiles& files, std::shared_ptr<Node> node)
        : files_(files), node_(std::move(node)) {}
    ~Open() override {
      if (locked_) node_->locked = false;
    }
    Result<std::size_t> read(std::uint64_t at, std::span<std::byte> out) override {
      if (auto went = files_.step(); !went) return pass(went);
      auto const rest = std::string_view(node_->now)
                            .substr(std::min<std::size_t>(at, node_->now.size()), out.size());
      std::memcpy(out.data(), rest.data(), rest.size());
      return rest.size();
    }
    Result<void> write(std::uint64_t at, std::span<std::byte const> bytes) override {
      auto const text = as_text(bytes);
      if (auto went = files_.step(); !went) {
        put(at, text.substr(0, text.size() / 2));  // a write that fails may have got half way
        return went;
      }
      put(at, text);
      return {};
    }
    Result<void> truncate(std::uint64_t size) override {
      if (auto went = files_.step(); !went) return went;
      node_->now.resize(size);
      return {};
    }
    Result<void> sync() override {
      if (auto went = files_.step(); !went) return went;
      if (!files_.lying_sync) node_->durable = node_->now;
      return {};
    }
    Result<std::uint64_t> size() override { return node_->now.size(); }
    Result<void> reserve(std::uint64_t) override { return {}; }
    Result<void> lock() override {
      if (node_->locked) return fail(Fault::conflict, "in use");
      return node_->locked = locked_ = true, Result<void>();
    }

   private:
    void put(std::uint64_t at, std::string_view text) {
      if (node_->now.size() < at + text.size()) node_->now.resize(at + text.size());
      node_->now.replace(at, text.size(), text);
    }
    ForgetfulFiles& files_;
    std::shared_ptr<Node> node_;
    bool locked_ = false;
  };

  static bool reachable(std::string const& path, std::set<std::string> const& folders) {
    for (auto folder = receive::folder_of(path); folder != "/"; folder = receive::folder_of(folder))
      if (!folders.contains(folder)) return false;
    return true;
  }
  Result<void> step() {
    auto const number = done_++;
    if (stop_at_ && number >= *stop_at_)
      return stopped_ = true, Result<void>(fail(Fault::io, "the machine has stopped"));
    if (fail_at_ && number == *fail_at_)
      return failed_ = true, Result<void>(fail(fault_, "the disk says no"));
    return {};
  }

  std::map<std::string, std::shared_ptr<Node>> names_, durable_names_;
  std::set<std::string> folders_, durable_folders_;
  std::optional<std::uint64_t> stop_at_, fail_at_;
  Fault fault_ = Fault::io;
  std::uint64_t done_ = 0;
  bool stopped_ = false, failed_ = false;
};

}  // namespace millrace::receive
