#include "store/state_wal.h"

#include <array>
#include <vector>

namespace millrace::store {
namespace {

// https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log"
constexpr std::size_t header_bytes = 32;
constexpr std::size_t frame_header_bytes = 24;
constexpr std::uint32_t magic = 0x377F0682;  // the last bit: numbers in checksums are big-endian

using Bytes = std::span<std::byte const>;

std::uint32_t big(Bytes bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (auto const byte : bytes.subspan(at, 4))
    value = value << 8 | std::to_integer<std::uint32_t>(byte);
  return value;
}
std::uint32_t little(Bytes bytes, std::size_t at) { return __builtin_bswap32(big(bytes, at)); }

struct Sum {  // of all before and of what is added
  void add(Bytes bytes) {
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      first += number(bytes, at) + second;
      second += number(bytes, at + 4) + first;
    }
  }
  std::uint32_t number(Bytes bytes, std::size_t at) const {
    return is_big ? big(bytes, at) : little(bytes, at);
  }
  bool is(Bytes bytes, std::size_t at) const {
    return first == big(bytes, at) && second == big(bytes, at + 4);
  }

  bool is_big = false;
  std::uint32_t first = 0, second = 0;
};

struct Header {
  std::size_t page_bytes = 0;
  std::array<std::uint32_t, 2> salt{};
  Sum sum;
};

std::optional<Header> header_of(Bytes bytes) {
  if (bytes.size() < header_bytes || (big(bytes, 0) | 1) != (magic | 1)) return std::nullopt;
  Header header;
  header.sum.is_big = (big(bytes, 0) & 1) != 0;
  header.sum.add(bytes.first(24));
  if (!header.sum.is(bytes, 24)) return std::nullopt;
  header.page_bytes = big(bytes, 8);
  header.salt = {big(bytes, 16), big(bytes, 20)};
  if (header.page_bytes < 512 || header.page_bytes > 65'536) return std::nullopt;
  return header;
}

// Reads as many bytes as there are, up to the span's.
Result<Bytes> read_at(io::File& file, std::uint64_t at, std::span<std::byte> into) {
  auto const got = file.read(at, into);
  if (!got) return pass(got);
  return Bytes(into.first(*got));
}

}  // namespace

Result<std::optional<WalEnd>> find_wal_end(io::Files& files, std::string const& path) {
  auto const file = files.open(path, io::OpenMode::read);
  if (!file && file.error().fault == Fault::missing) return std::nullopt;
  if (!file) return pass(file);
  std::array<std::byte, header_bytes> first{};
  auto const begin = read_at(**file, 0, first);
  if (!begin) return pass(begin);
  auto header = header_of(*begin);
  if (!header) return std::nullopt;

  WalEnd end{header_bytes};
  bool whole = true;  // so far every frame is what was written
  std::vector<std::byte> frame(frame_header_bytes + header->page_bytes);
  for (std::uint64_t at = header_bytes;; at += frame.size()) {
    auto const read = read_at(**file, at, frame);
    if (!read) return pass(read);
    if (read->size() < frame.size()) return end;
    bool const ours = big(*read, 8) == header->salt[0] && big(*read, 12) == header->salt[1];
    header->sum.add(read->first(8));
    header->sum.add(read->subspan(frame_header_bytes));
    whole = whole && ours && header->sum.is(*read, 16);
    bool const commits = big(*read, 4) != 0;
    if (whole && commits) {
      end = {at + frame.size()};
    } else if (ours) {
      end.rest = true;
      if (commits) ++end.commits;
    }
  }
}

}  // namespace millrace::store
