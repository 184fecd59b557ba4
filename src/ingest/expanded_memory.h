// The memory that expanded texts have together: a small request can become a large one, and the server has counted the small one.
//   Shares   Each credential has a part of the whole only, so that one producer's large requests leave room for the others'.
//   Threads  Any.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "io/shared.h"

namespace millrace::ingest {

class ExpandedMemory {
 public:
  static constexpr std::size_t whole_bytes = 256 * 1024 * 1024;
  static constexpr std::size_t share_bytes = 64 * 1024 * 1024;

  explicit ExpandedMemory(std::size_t whole = whole_bytes, std::size_t share = share_bytes)
      : whole_(whole), share_(share) {}

  // What one request holds, until it ends. The ExpandedMemory outlives it.
  class Hold {
   public:
    Hold(ExpandedMemory& of, std::string credential)
        : of_(of), credential_(std::move(credential)) {}
    Hold(Hold const&) = delete;
    Hold& operator=(Hold const&) = delete;
    ~Hold() { of_.give_back(credential_, bytes_); }
    // Makes it hold `bytes` in all, where it holds less. False: there is no room now.
    bool reach(std::size_t bytes) {
      if (bytes <= bytes_) return true;
      if (!of_.take(credential_, bytes - bytes_)) return false;
      bytes_ = bytes;
      return true;
    }

   private:
    ExpandedMemory& of_;
    std::string credential_;
    std::size_t bytes_ = 0;
  };

  std::size_t held() const {
    return state_.with([](State const& state) { return state.held; });
  }

 private:
  struct State {
    std::size_t held = 0;
    std::map<std::string, std::size_t> by_credential;  // none that holds nothing
  };
  bool take(std::string const& credential, std::size_t bytes) {
    return state_.with([&](State& state) {
      auto const at = state.by_credential.find(credential);
      auto const own = at == state.by_credential.end() ? 0 : at->second;
      if (state.held + bytes > whole_ || own + bytes > share_) return false;
      state.held += bytes;
      state.by_credential[credential] = own + bytes;
      return true;
    });
  }
  void give_back(std::string const& credential, std::size_t bytes) {
    if (bytes == 0) return;
    state_.with([&](State& state) {
      state.held -= bytes;
      auto const at = state.by_credential.find(credential);
      if ((at->second -= bytes) == 0) state.by_credential.erase(at);
    });
  }

  std::size_t whole_, share_;
  io::Locked<State> state_;
};

}  // namespace millrace::ingest
