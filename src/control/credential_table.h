// Tokens and access keys in memory. A change touches its own credential and no other.
//   Threads  A value; what it gives out is immutable and shared.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/records.h"

namespace millrace::control {

// When a token was last used. Written by whoever looks it up, on any thread, and at most once an hour.
struct Use {
  std::atomic<std::int64_t> last_ms{0};  // 0: never
  std::atomic<std::int64_t> stored_ms{0};
};

struct Bearer {
  model::Principal principal;
  std::optional<WallTime> expires_at;
  std::shared_ptr<Use> use;
};

inline bool has_ended(std::optional<WallTime> expires_at, WallTime now) {
  return expires_at && *expires_at <= now;
}

class CredentialTable {
 public:
  // Each unless a newer version is there.
  void put(StoredToken const& token);
  void put(StoredAccessKey const& key);

  std::shared_ptr<Bearer const> bearer(std::string const& hash) const;  // null: none that is good
  std::optional<StoredToken> token(std::string const& id) const;
  std::vector<TokenRecord> tokens() const;                                           // by id
  std::shared_ptr<StoredAccessKey const> access_key(std::string const& id) const;    // null: none
  std::vector<AccessKeyRecord> access_keys() const;                                  // by id
  std::map<std::string, std::shared_ptr<Use>> const& uses() const { return uses_; }  // by token id
  // Whether nobody else than the token `id` owns every account.
  bool is_last_owner(std::string const& id, WallTime now) const;
  bool names(std::string const& account) const { return accounts_.contains(account); }

 private:
  std::map<std::string, StoredToken> tokens_;
  std::unordered_map<std::string, std::shared_ptr<Bearer const>> bearers_;  // by SHA-256
  std::map<std::string, std::shared_ptr<Use>> uses_;                        // by token id
  std::map<std::string, std::shared_ptr<StoredAccessKey const>> access_keys_;
  std::set<std::string> accounts_;  // that a credential, revoked or not, names
};

}  // namespace millrace::control
