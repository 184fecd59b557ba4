// The control plane's records in memory: data streams, tokens, access keys. Reads never wait; each change is in the store, with its
// audit line in the same transaction, before it is seen. What is read is immutable and shared: a change of one thing copies no other.
//   Secrets  Tokens are kept as SHA-256; access-key secrets and data streams are sealed at rest. No audit line holds one.
//   Races    A change names the version that it was made from; what somebody else changed meanwhile is a conflict.
//   Threads  Any loop.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/audit.h"
#include "control/repeats.h"
#include "control/stream_table.h"
#include "crypto/seal.h"
#include "io/clock.h"
#include "io/random.h"
#include "model/access.h"
#include "model/data_stream.h"
#include "store/store.h"

namespace millrace::control {

struct TokenRecord {  // what may be shown of a token
  std::string id, name;
  model::Role role = model::Role::viewer;
  std::vector<std::string> accounts;
  WallTime created_at{};
  bool revoked = false;
  std::optional<WallTime> expires_at{};  // good for nothing from then on; none: it has no end
  std::optional<WallTime>
      last_used_at{};  // to the hour; none: never, or long ago by a former version
};

struct AccessKeyRecord {
  std::string access_key_id;
  std::vector<std::string> accounts;
  WallTime created_at{};
  bool revoked = false;
};

class Registry : public model::Credentials {
 public:
  // Reads everything from the store. Fails with: io, corrupt (a sealed value that the master key does not open).
  static io::Task<Result<std::unique_ptr<Registry>>> open(store::Store& store,
                                                          crypto::Sealer sealer, io::Clock& clock,
                                                          io::Random& random);

  // ---- data streams
  virtual std::vector<StreamPtr> streams() const = 0;  // by id: the oldest first
  virtual StreamPtr stream(StreamId id) const = 0;     // null: none
  // Another stream than `except` that has this name in this account.
  virtual std::optional<StreamId> namesake(std::string const& account, std::string const& name,
                                           StreamId except) const = 0;
  // As their records say, tombstones too.
  virtual std::vector<DesiredPtr> desired() const = 0;
  virtual DesiredPtr desired(StreamId id) const = 0;  // null: none
  // These three are for Streams (streams.h), which tells the lanes.
  // Stores a new or changed record with its audit line: `desired` has the version that it was made from, 0: new. Answers it with its
  // version and times. Fails with: conflict (that version is not the stored one).
  virtual io::Task<Result<DesiredPtr>> save(model::DesiredStream desired, model::Principal by,
                                            std::string action,
                                            std::optional<Repeat> repeat = {}) = 0;
  // The record becomes a tombstone, without secrets. Fails with: missing, conflict.
  virtual io::Task<Result<DesiredPtr>> bury(StreamId id, std::uint64_t expected_version,
                                            model::Principal by) = 0;
  // Removes a tombstone: nothing of the stream is left. Fails with: missing, conflict.
  virtual io::Task<Result<void>> forget(StreamId id, std::uint64_t version) = 0;

  // ---- tokens
  virtual std::vector<TokenRecord> tokens() const = 0;  // by id: the oldest first
  struct NewToken {
    TokenRecord record;
    std::string secret;
  };  // the secret is shown once
  virtual io::Task<Result<NewToken>> add_token(std::string name, model::Role role,
                                               std::vector<std::string> accounts,
                                               model::Principal by,
                                               std::optional<Repeat> repeat = {},
                                               std::optional<WallTime> expires_at = {}) = 0;
  // The token is good for nothing from then on; its record stays. Fails with: missing, conflict (revoked already, or it is the last one
  // that owns every account: without one nobody could administer the node).
  virtual io::Task<Result<void>> revoke_token(std::string id, model::Principal by) = 0;
  // Stores when tokens were last used, where that has changed: at most once an hour for each. To be called now and then.
  virtual io::Task<Result<void>> store_uses() = 0;
  // When no token is left that owns every account: makes one. `keep` gets its secret before it is stored and writes it where the
  // operator finds it, so that no crash leaves a token that nobody knows. Answers whether one was made.
  virtual io::Task<Result<bool>> first_owner(
      std::function<Result<void>(std::string const& secret)> keep) = 0;

  // ---- access keys
  virtual std::vector<AccessKeyRecord> access_keys() const = 0;  // by id
  struct NewAccessKey {
    AccessKeyRecord record;
    std::string secret_access_key;
  };
  struct GivenKey {
    std::string access_key_id, secret_access_key;
  };
  // `given`: a pair that producers have already; else one is drawn. Fails with: conflict (the id is taken).
  virtual io::Task<Result<NewAccessKey>> add_access_key(std::vector<std::string> accounts,
                                                        model::Principal by,
                                                        std::optional<Repeat> repeat = {},
                                                        std::optional<GivenKey> given = {}) = 0;
  virtual io::Task<Result<void>> revoke_access_key(std::string id,
                                                   model::Principal by) = 0;  // as revoke_token()

  // ---- both
  virtual std::optional<Made> made(std::string const& key)
      const = 0;  // by a call that was marked with this key in the last 24 h
  // How many of them were forgotten before their time, since the start: the oldest of whoever had most. Any thread.
  virtual std::uint64_t repeats_dropped() const = 0;
  // Whether a data stream or a credential, revoked or not, names the account.
  virtual bool names(std::string const& account) const = 0;
  // An audit line of a change that is not kept here (a key rotation, say).
  virtual io::Task<Result<void>> note(AuditLine line, model::Principal by) = 0;
};

}  // namespace millrace::control
