#include "cli/demo.h"

#include "cli/serve.h"

namespace millrace::cli {

Exit run_demo(Settings settings, bool) { return serve(std::move(settings), nullptr); }

}  // namespace millrace::cli
