// Runs every input of the corpus, among them each that once broke something, as an ordinary test.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "targets.h"

namespace millrace::fuzz {
namespace {

struct Target {
  std::string name;
  std::function<void(std::string_view)> run;
};

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, breaks_no_promise) {
  auto const folder = std::filesystem::path(MILLRACE_FUZZ_DIR) / "corpus" / GetParam().name;
  std::vector<std::filesystem::path> files;
  for (auto const& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::ranges::sort(files);
  ASSERT_GE(files.size(), 3U) << folder;

  for (auto const& file : files) {
    SCOPED_TRACE(file.filename().string());
    std::ifstream in(file, std::ios::binary);
    std::string const whole{std::istreambuf_iterator<char>(in), {}};
    GetParam().run(whole);
    // Cut anywhere, and with any one byte changed, it must be survived too.
    for (std::size_t i = 0; i < whole.size(); i += 1 + whole.size() / 64) {
      GetParam().run(std::string_view(whole).substr(0, i));
      auto changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
      GetParam().run(changed);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fuzz, Corpus,
    testing::Values(Target{"event", event}, Target{"strict", strict}, Target{"split", split},
                    Target{"cbor", cbor}, Target{"aggregated", aggregated},
                    Target{"expand", expand}, Target{"jwt", jwt}, Target{"jwks", jwks},
                    Target{"sigv4", sigv4}, Target{"data_stream", data_stream},
                    Target{"caliper", caliper}, Target{"caliper_check", caliper_check},
                    Target{"http1_answer", http1_answer}, Target{"http1_request", http1_request},
                    Target{"http2_frames", http2_frames}, Target{"http2_requests", http2_requests},
                    Target{"log_segment", log_segment}),
    [](auto const& one) { return one.param.name; });

}  // namespace
}  // namespace millrace::fuzz
