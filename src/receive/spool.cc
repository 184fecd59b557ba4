#include "receive/spool.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/encoding.h"
#include "crypto/digest.h"

namespace millrace::receive {
namespace {

std::optional<std::string_view> take_word(std::string_view& line) {
  auto const space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto const word = line.substr(0, space);
  line.remove_prefix(space + 1);
  return word;
}

std::optional<SpoolLine> read_line(std::string_view line) {
  auto const crc = take_word(line);
  if (!crc || *crc != fmt::format("{:08x}", crc32c(line))) return std::nullopt;
  auto const key = take_word(line);
  auto const date = take_word(line);
  auto const name = take_word(line);
  if (!key || !date || !name) return std::nullopt;
  auto const bytes = unhex(*key);
  if (!bytes || bytes->size() != 16) return std::nullopt;
  return SpoolLine{RepeatHash::from_bytes(*bytes), *date, *name, line};
}

}  // namespace

RepeatHash RepeatHash::of(std::string_view key) {
  return from_bytes(std::string_view(crypto::sha256(key)).substr(0, 16));
}

RepeatHash RepeatHash::from_bytes(std::string_view bytes) {
  check(bytes.size() == 16, "a repeat hash has 16 bytes");
  RepeatHash hash;
  for (std::size_t i = 0; i < 16; ++i)
    hash.words[i / 8] = (hash.words[i / 8] << 8) | static_cast<unsigned char>(bytes[i]);
  return hash;
}

std::string RepeatHash::bytes() const {
  std::string text(16, '\0');
  for (std::size_t i = 0; i < 16; ++i)
    text[i] = static_cast<char>((words[i / 8] >> (56 - 8 * (i % 8))) & 0xff);
  return text;
}

std::string spool_line(RepeatHash key, std::string_view date, std::string_view name,
                       std::string_view json) {
  auto rest = fmt::format("{} {} {} {}", hex(key.bytes()), date, name, json);
  // In valid JSON a line end is white space between tokens and nothing else.
  for (char& c : rest)
    if (c == '\n' || c == '\r') c = ' ';
  return fmt::format("{:08x} {}\n", crc32c(rest), rest);
}

SpoolText read_spool(std::string_view text) {
  SpoolText read;
  while (!text.empty()) {
    auto const end = text.find('\n');
    if (end == std::string_view::npos) break;
    auto const line = read_line(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (line)
      read.lines.push_back(*line);
    else if (!text.empty())  // the last line may be torn so that it still has its end
      ++read.damaged;
  }
  return read;
}

std::string numbered(std::uint64_t number, std::string_view ending) {
  return fmt::format("{:016x}{}", number, ending);
}

Result<std::vector<std::uint64_t>> numbers_with(io::Files& files, std::string const& folder,
                                                std::string_view ending) {
  auto const names = files.list(folder);
  if (!names) return pass(names);
  std::vector<std::uint64_t> numbers;
  for (std::string_view const name : *names) {
    std::uint64_t number = 0;
    if (name.size() != 16 + ending.size() || !name.ends_with(ending)) continue;
    auto const [end, error] = std::from_chars(name.data(), name.data() + 16, number, 16);
    if (error == std::errc() && end == name.data() + 16) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

Result<SpoolWriter> SpoolWriter::create(io::Files& files, std::string const& folder,
                                        std::uint64_t number) {
  SpoolWriter writer;
  writer.number_ = number;
  auto file = files.open(folder + '/' + numbered(number, ".spool"), io::OpenMode::create_fresh);
  if (!file) return pass(file);
  writer.file_ = std::move(*file);
  if (auto synced = files.sync_folder(folder); !synced) return pass(synced);
  return writer;
}

Result<void> SpoolWriter::append(std::string_view lines) {
  auto written = file_->write(size_, as_bytes(lines));
  if (!written) {
    // A full disk may have taken a part: without the cut, what comes next would follow a torn line.
    if (auto cut = file_->truncate(size_); !cut) return cut;
    return written;
  }
  if (auto synced = file_->sync(); !synced) return fail(Fault::io, synced.error().what);
  size_ += lines.size();
  return {};
}

}  // namespace millrace::receive
