// The key that seals every secret at rest: 32 random bytes, in hex, in the file `master.key` of the data folder.
//   Its fingerprint is kept in the store, so that a lost or exchanged key is a refusal to start, never a silent new key.
#pragma once
#include <string>

#include "crypto/seal.h"
#include "io/files.h"
#include "io/random.h"
#include "io/task.h"
#include "store/store.h"

namespace millrace::server {

// Makes the key at the first start only.
// Fails with: missing (the key is gone, but secrets were sealed with it), conflict (it is another key), invalid (it is not a key), io.
io::Task<Result<crypto::Sealer>> open_master_key(store::Store& store, io::Files& files,
                                                 io::Random& random, std::string folder);

}  // namespace millrace::server
