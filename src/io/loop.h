// A loop of its own, for what has a thread of its own.
#pragma once
#include <boost/asio/io_context.hpp>
#include <memory>

#include "base/error.h"

namespace millrace::io {

// A loop for one thread, with what its timers need. Fails with: io (the process has no descriptors left), in the system's words.
Result<std::unique_ptr<boost::asio::io_context>> make_loop();

}  // namespace millrace::io
