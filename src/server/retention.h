// Unlinks what is older or larger than the retention allows (DESIGN 4), once a minute.
#pragma once
#include "base/log.h"
#include "io/clock.h"
#include "store/store.h"

namespace millrace::server {

// Runs until cancelled. A failure is logged, and tried again after the next minute.
io::Task<void> keep_retention(store::Store& store, io::Clock& clock, Log& log);

}  // namespace millrace::server
