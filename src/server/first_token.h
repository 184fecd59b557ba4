// The owner token that a new service begins with: it lies in `admin.token` in the data folder, for whoever may read the folder.
#pragma once
#include <string>

#include "base/log.h"
#include "control/registry.h"
#include "io/files.h"
#include "store/store.h"

namespace millrace::server {

// Once in the life of a data folder. After a crash halfway through, the token that nobody has seen is revoked and another one made.
// A file that is there is never overwritten: it becomes `admin.token.before-<id of the new token>`.
// Answers whether it was made now. Fails with: io.
io::Task<Result<bool>> make_first_token(store::Store& store, control::Registry& registry,
                                        io::Files& files, Log& log, std::string folder);

}  // namespace millrace::server
