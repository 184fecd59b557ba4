// What a store in memory holds, for its parts (memory_*.h): they share one world, and each start of a node on it has an epoch.
//   Threads  Everything goes through with().
#pragma once
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/shares.h"
#include "io/shared.h"
#include "store/store.h"

namespace millrace::testing {

struct Trouble {  // the next `count` calls fail with `error`
  std::size_t count = 0;
  Error error{};

  std::optional<Error> take() {
    if (count == 0) return std::nullopt;
    --count;
    return error;
  }
};

struct MemoryStoreSettings {
  std::size_t batch_bytes =
      256 * 1024;  // of payload; a larger append becomes several batches in a row
  Duration keep = std::chrono::hours(24 * 7);
  Duration keep_undelivered = std::chrono::hours(24 * 30);
  std::uint64_t keep_bytes = std::numeric_limits<std::uint64_t>::max();  // of payload
};

struct MemoryWorld {
  struct Follower {
    io::Executor loop;
    std::function<void(store::SharedBatch)> call;
  };
  struct RecordsFollower {
    std::string collection;
    io::Executor loop;
    std::function<void(store::SharedChange)> tell;
  };
  struct Repeat {
    std::string body_hash;
    store::Appended appended;
    WallTime ends{};
  };
  struct Stream {
    std::uint64_t epoch = 0;
    store::StreamProgress progress;
    std::map<store::Work, store::Retry> retries;
    std::map<store::Work, store::Undelivered> undelivered;
    std::map<std::int64_t, store::LedgerMinute> ledger;
  };

  struct Log {
    std::deque<store::SharedBatch> batches;
    std::uint64_t next = 1;
    std::uint64_t bytes = 0;
    WallTime newest{};
    std::vector<std::uint64_t> damaged;
    std::unordered_map<std::string, Repeat> repeats;
    std::vector<std::weak_ptr<Follower>> followers;
    std::optional<std::uint64_t> doomed_to;  // the first batch that the last doomed() did not name
    Trouble append_trouble, answer_trouble, read_trouble;
    std::size_t appends = 0;
    bool held = false;
    std::vector<io::Resolver<bool>> waiting;

    std::uint64_t oldest() const { return next - batches.size(); }
  } log;

  struct Streams {
    std::map<StreamId, Stream> all;
    Trouble trouble, answer_trouble;
    std::size_t saves = 0;
  } streams;

  struct Records {
    std::map<std::pair<std::string, std::string>, store::Record> all;
    std::uint64_t changes = 0;
    Trouble trouble, answer_trouble;
    std::vector<std::weak_ptr<RecordsFollower>> followers;
  } records;

  struct Letters {
    std::deque<store::DeadLetter> all;
    Shares counts, sizes;                          // by owner
    std::map<std::string, std::uint64_t> dropped;  // by account
    std::uint64_t made = 0;
    Trouble trouble;
  } letters;

  std::vector<model::Attempt> attempts;
  std::uint64_t epoch = 1;         // of the newest start
  std::set<std::uint64_t> closed;  // the epochs that were
};

// One start of a node on a world.
struct MemoryStart {
  // Runs `work` on the world, whose other callers wait.
  template <class Work>
  auto with(Work work) const {
    return world->with([&](MemoryWorld& now) {
      check(!now.closed.contains(epoch), "nothing is called after close()");
      return work(now);
    });
  }
  // The same for what changes it. Fails with: fenced (there was a later start), and as `work` does.
  template <class Work>
  auto write(Work work) const {
    return with([&](MemoryWorld& now) -> decltype(work(now)) {
      if (epoch == now.epoch) return work(now);
      return fail(Fault::fenced, "store: another process has taken over");
    });
  }

  std::shared_ptr<io::Locked<MemoryWorld>> world;
  std::uint64_t epoch = 1;
};

// Lets the loop turn once, so that no caller comes to rely on an answer within the call.
io::Task<void> turn();

void check_limits(store::PageLimits limits);

// Adds an item that has `size` bytes. False: it has no room in the page any more.
template <class T>
bool take(store::Page<T>& page, std::size_t& bytes, std::size_t size, T item,
          store::PageLimits limits) {
  bytes += size;
  if (page.items.size() == limits.items || (!page.items.empty() && bytes > limits.bytes))
    return false;
  page.items.push_back(std::move(item));
  return true;
}

}  // namespace millrace::testing
