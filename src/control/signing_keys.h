// The signing keys over time: made, kept sealed in the store, rotated at 00:00 UTC on the 30th (or a shorter month's last day).
//   A key's moment is stored before it comes, so that every node switches at once, and a key is stored before anybody sees it.
//   Shown are three, previous, current and next. The key after the next one is made an hour ahead, so that three are shown always.
//   Threads  open() and run() on one loop, the node's own; ring() and rotate() from any.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "crypto/key_ring.h"
#include "crypto/seal.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/shared.h"
#include "io/worker.h"
#include "store/store.h"

namespace millrace::control {

struct KeysParts {  // all outlive the SigningKeys
  store::Store& store;
  crypto::Sealer const& sealer;
  io::Clock& clock;
  io::Random& random;
  io::Worker& worker;  // where keys are generated
  Log& log;
};

// The moments from which keys that are still to be made shall sign. Pure; empty most of the time.
std::vector<WallTime> missing_keys(std::vector<crypto::RingKey> const& keys, WallTime now);

class SigningKeys {
 public:
  // Reads the keys; makes the first three when there is none. Fails with: io, corrupt (the master key does not open one).
  static io::Task<Result<std::unique_ptr<SigningKeys>>> open(KeysParts parts);

  SigningKeys(KeysParts parts, io::Executor loop, crypto::KeyRing ring);

  io::Shared<crypto::KeyRing> const& ring() const { return ring_; }

  io::Task<void> run();  // makes keys ahead of their time; until cancelled
  // Makes the keys that are missing now; most of the time there is none. Fails with: conflict (a rotation is under way), io.
  io::Task<Result<void>> prepare();
  // The next key signs from now on. With `emergency_kid` that key is withdrawn: it neither signs nor is shown any more, and the next
  // key takes over if it was the current one. Fails with: missing (no such key), conflict (a rotation is under way), io.
  io::Task<Result<void>> rotate(std::optional<std::string> emergency_kid);
  io::Task<void> join();  // until no rotation is under way

 private:
  io::Task<Result<void>> rotate_here(std::optional<std::string> emergency_kid);
  io::Task<void> rotate_and_answer(std::optional<std::string> emergency_kid,
                                   io::Resolver<Result<void>> answer);
  io::Task<Result<void>> save(std::vector<crypto::RingKey> keys, std::vector<std::string> changed);

  KeysParts parts_;
  io::TaskScope rotations_;
  io::Shared<crypto::KeyRing> ring_;
  bool busy_ = false;
};

}  // namespace millrace::control
