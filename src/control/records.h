// How the registry's values stand in the store: JSON, and boxes sealed for one place. Pure.
#pragma once
#include <string>

#include "control/registry.h"
#include "crypto/seal.h"
#include "store/store.h"

namespace millrace::control {

struct StoredToken {
  TokenRecord record;
  std::string hash;  // SHA-256 of the secret, 32 bytes
  std::uint64_t version = 0;
};

struct StoredAccessKey {
  AccessKeyRecord record;
  std::string secret;  // empty once it is revoked
  std::uint64_t version = 0;
};

std::string encode(StoredToken const& token);
Result<StoredToken> decode_token(store::Record const& record);  // Fails with: corrupt

std::string encode(StoredAccessKey const& key);  // to be sealed
Result<StoredAccessKey> decode_access_key(store::Record const& record, std::string const& opened);

std::string encode(Made const& made);
Result<Made> decode_made(store::Record const& record);

}  // namespace millrace::control
