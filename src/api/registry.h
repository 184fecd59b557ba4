// The control plane's records in memory: data streams, tokens, access keys, accounts. Reads never block; each change is in the
// store before it is seen.
//   Secrets  Tokens are kept as SHA-256; access-key secrets and stream secrets are sealed at rest.
//   Threads  Any loop.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/seal.h"
#include "io/clock.h"
#include "io/random.h"
#include "model/access.h"
#include "model/data_stream.h"
#include "store/store.h"

namespace millrace::api {

struct TokenRecord {  // what may be shown of a token
  std::string id, name;
  model::Role role = model::Role::viewer;
  std::vector<std::string> accounts;
  WallTime created_at{};
  bool revoked = false;
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

  virtual std::vector<std::shared_ptr<model::DataStream const>> streams() const = 0;
  virtual std::shared_ptr<model::DataStream const> stream(StreamId id) const = 0;  // null: none
  // Stores a new or changed stream with its audit line. Fails with: conflict (`expected_version` is not the stored one; 0: new).
  virtual io::Task<Result<void>> save(model::DataStream stream, std::uint64_t expected_version,
                                      model::Principal by, std::string action) = 0;
  virtual io::Task<Result<void>> erase(StreamId id, std::uint64_t expected_version,
                                       model::Principal by) = 0;

  virtual std::vector<TokenRecord> tokens() const = 0;
  struct NewToken {
    TokenRecord record;
    std::string secret;
  };  // the secret is shown once
  virtual io::Task<Result<NewToken>> add_token(std::string name, model::Role role,
                                               std::vector<std::string> accounts,
                                               model::Principal by) = 0;
  virtual io::Task<Result<void>> revoke_token(std::string id, model::Principal by) = 0;

  virtual std::vector<AccessKeyRecord> access_keys() const = 0;
  struct NewAccessKey {
    AccessKeyRecord record;
    std::string secret_access_key;
  };
  virtual io::Task<Result<NewAccessKey>> add_access_key(std::vector<std::string> accounts,
                                                        model::Principal by) = 0;
  virtual io::Task<Result<void>> revoke_access_key(std::string id, model::Principal by) = 0;
};

}  // namespace millrace::api
