// Removes what is older or larger than the retention allows (DESIGN 4), once a minute, by the time that the store trusts.
#pragma once
#include <string>

#include "base/log.h"
#include "io/clock.h"
#include "store/store.h"

namespace millrace::server {

// Why the clock is doubted, and until when, for people; empty: it is not.
std::string doubt_of(io::TrustedTime const& time);

// Runs until cancelled. A failure is logged, and tried again after the next minute.
io::Task<void> keep_retention(store::Store& store, io::Clock& clock, Log& log);

}  // namespace millrace::server
