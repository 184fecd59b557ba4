#include <algorithm>
#include <string>

#include "base/error.h"
#include "log/recovery.h"
#include "log/segment_reader.h"
#include "targets.h"
#include "testing/crashing_files.h"

namespace millrace::fuzz {
namespace {

constexpr std::string_view path = "/log/log-1.seg";

std::uint64_t read_all(testing::CrashingFiles& files, log::Contents const& contents) {
  auto const reader = log::SegmentReader::open(files, std::string(path), contents.header.salt);
  check(reader.has_value(), "a segment that was recovered can be opened");
  std::uint64_t batches = 0;
  for (std::uint64_t number = 0;; ++batches) {
    auto const frame =
        (*reader)->batch_from(number, contents.place_before(number), contents.summary.end);
    check(frame.has_value(), "a disk that answers is no failure");
    if (!*frame || (*frame)->number == UINT64_MAX) return batches;
    check((*frame)->number >= number, "numbers do not go back");
    static_cast<void>((*reader)->head(**frame));
    static_cast<void>((*reader)->body(**frame));
    number = (*frame)->number + 1;
  }
}

}  // namespace

// Where the input does not begin with a header, one is put before it, with a salt that the input can know.
void log_segment(std::string_view input) {
  log::FileHeader header;
  header.salt = log::Salt::of("0123456789abcdef");
  auto bytes = log::decode_header(input) ? std::string() : log::encode(header);
  bytes += input;
  testing::CrashingFiles files;
  check(files.make_folders("/log", 0700).has_value() &&
            files.write_all(std::string(path), bytes).has_value(),
        "the input can be written");
  auto const file = files.open(std::string(path), io::OpenMode::read, 0600);
  check(file.has_value(), "the input can be opened");

  auto const sealed = log::open_sealed(**file);
  check(sealed.has_value(), "a disk that answers is no failure");
  auto const found = log::recover(**file, 1, {});
  check(found.has_value(), "what has a header can be recovered");
  std::uint64_t told = found->cut ? found->cut->bytes : 0;
  for (auto const& damage : found->damage) {
    check(damage.from <= damage.to, "damage has an order");
    told += damage.bytes;
  }
  auto const& contents = found->contents;
  if (!found->is_sealed && contents.summary.end < bytes.size())
    check(told >= bytes.size() - log::round_up(contents.summary.end),
          "whatever is cut off is told");
  check(read_all(files, contents) <= contents.summary.batches, "no batch comes of nothing");
  if (*sealed) read_all(files, **sealed);
}

}  // namespace millrace::fuzz
