#include "store/segments.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace millrace::store {
namespace {

constexpr std::string_view form_now = ".seg";
constexpr std::string_view form_before = ".db";

std::optional<std::uint64_t> first_of(std::string_view name, std::string_view after) {
  constexpr std::string_view before = "log-";
  if (name.size() != before.size() + 20 + after.size() || !name.starts_with(before) ||
      !name.ends_with(after))
    return std::nullopt;
  auto const digits = name.substr(before.size(), 20);
  std::uint64_t first = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), first);
  if (error != std::errc() || end != digits.data() + digits.size() || first == 0)
    return std::nullopt;
  return first;
}

// 0 of a file that is not there.
Result<std::uint64_t> size_of(io::Files& files, std::string const& path) {
  auto file = files.open(path, io::OpenMode::read);
  if (!file && file.error().fault == Fault::missing) return 0;
  if (!file) return pass(file);
  return (*file)->size();
}

void set_ends(std::vector<Segment>& segments) {
  for (std::size_t i = 0; i < segments.size(); ++i)
    segments[i].end =
        i + 1 < segments.size() ? segments[i + 1].first : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

Result<void> Segments::load() {
  auto const names = folder_.files.list(folder_.settings.folder);
  if (!names) return pass(names);
  for (auto const& name : *names)
    if (auto const first = first_of(name, form_before)) {
      auto const path = folder_.path(name);
      // A write-ahead log that cannot be looked at is no empty one: what it holds would be left out.
      auto const wal = size_of(folder_.files, path + "-wal");
      if (!wal) return pass(wal);
      Segment segment;
      segment.form = SegmentForm::sqlite;
      segment.first = *first;
      segment.path = path;
      segment.bytes = std::max(size_of(folder_.files, path).value_or(0), *wal);
      segment.sealed = *wal == 0;
      add(std::move(segment));
    }
  for (auto const& name : *names) {
    auto const first = first_of(name, form_now);
    if (!first) continue;
    Segment segment;
    segment.first = *first;
    segment.path = folder_.path(name);
    segment.bytes = size_of(folder_.files, segment.path).value_or(0);
    add(std::move(segment));
  }
  return {};
}

void Segments::remove_unfinished() {
  auto const names = folder_.files.list(folder_.settings.folder);
  if (!names) return;
  for (auto const& name : *names)
    if (name.starts_with("log-") && name.ends_with(".seg.new"))
      static_cast<void>(folder_.files.remove(folder_.path(name)));
}

std::vector<Segment> Segments::all() const {
  return segments_.with([](auto const& map) {
    std::vector<Segment> found;
    for (auto const& [first, segment] : map) found.push_back(segment);
    set_ends(found);
    return found;
  });
}

std::optional<Segment> Segments::of(std::uint64_t batch) const {
  return segments_.with([&](auto const& map) -> std::optional<Segment> {
    auto const next = map.upper_bound(batch);
    if (next == map.begin()) return std::nullopt;
    auto segment = std::prev(next)->second;
    segment.end = next == map.end() ? std::numeric_limits<std::uint64_t>::max() : next->first;
    return segment;
  });
}

std::uint64_t Segments::bytes() const {
  return segments_.with([](auto const& map) {
    std::uint64_t sum = 0;
    for (auto const& [first, segment] : map) sum += segment.bytes;
    return sum;
  });
}

std::string Segments::path_of(std::uint64_t first) const {
  return folder_.path(fmt::format("log-{:020}{}", first, form_now));
}

void Segments::add(Segment segment) {
  segments_.with([&](auto& map) { map[segment.first] = std::move(segment); });
}
void Segments::grew(std::uint64_t first, std::uint64_t bytes) {
  segments_.with([&](auto& map) {
    if (auto const at = map.find(first); at != map.end()) at->second.bytes = bytes;
  });
}
void Segments::seal(std::uint64_t first) {
  auto const path = segments_.with([&](auto& map) {
    auto const at = map.find(first);
    return at == map.end() ? std::string() : at->second.path;
  });
  if (path.empty()) return;
  auto const bytes = size_of(folder_.files, path).value_or(0);
  segments_.with([&](auto& map) {
    if (auto const at = map.find(first); at != map.end()) {
      at->second.sealed = true;
      at->second.bytes = bytes;
    }
  });
}
void Segments::know(std::uint64_t first, std::optional<WallTime> Segment::* what, WallTime time) {
  segments_.with([&](auto& map) {
    if (auto const at = map.find(first); at != map.end()) at->second.*what = time;
  });
}
void Segments::drop(std::uint64_t first) {
  segments_.with([&](auto& map) { map.erase(first); });
  forget_contents(first);
}

bool Segments::has_contents(std::uint64_t first) const {
  return contents_.with([&](auto const& map) { return map.contains(first); });
}
void Segments::keep_contents(std::uint64_t first, log::Contents contents) {
  contents_.with([&](auto& map) { map[first] = std::move(contents); });
}
void Segments::forget_contents(std::uint64_t first) {
  contents_.with([&](auto& map) { map.erase(first); });
}
void Segments::appended(std::uint64_t first, std::vector<log::Prefix> const& frames) {
  contents_.with([&](auto& map) {
    auto& contents = map[first];
    for (auto const& frame : frames) contents.add(frame);
  });
}

}  // namespace millrace::store
