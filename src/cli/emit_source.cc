#include "cli/emit_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <iostream>
#include <iterator>
#include <utility>

#include "json/strict.h"

namespace millrace::cli {
namespace {

constexpr std::size_t largest_whole = std::size_t{1} << 30;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  auto const first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

}  // namespace

std::istream& EmitSource::Open::stream() const {
  return file ? static_cast<std::istream&>(*file) : std::cin;
}

Result<EmitSource> EmitSource::open(std::vector<std::string> files) {
  EmitSource source;
  bool sizes_known = true;
  for (auto& path : files) {
    struct stat status{};
    if (path == "-") {
      sizes_known = false;
    } else if (::stat(path.c_str(), &status) != 0) {
      return fail(Fault::missing, fmt::format("{}: no such file, or not readable", path));
    } else if (S_ISDIR(status.st_mode)) {
      return fail(Fault::missing, fmt::format("{}: is a folder", path));
    }
    source.total_ += static_cast<std::uint64_t>(status.st_size);
    source.files_.push_back(std::move(path));
  }
  if (!sizes_known) source.total_ = 0;
  return source;
}

EmitSource EmitSource::of(std::vector<std::string> events) {
  EmitSource source;
  for (auto& event : events) {
    source.total_ += event.size() + 1;
    source.ready_.push_back({std::move(event), fmt::format("sample:{}", source.ready_.size() + 1)});
  }
  return source;
}

std::optional<std::string> EmitSource::line() {
  std::string text;
  if (!std::getline(open_->stream(), text)) return std::nullopt;
  ++open_->line;
  read_ += text.size() + 1;
  return text;
}

Result<void> EmitSource::begin(std::string const& path) {
  open_ = Open{nullptr, path == "-" ? "standard input" : path, 0};
  if (path != "-") {
    open_->file = std::make_unique<std::ifstream>(path, std::ios::binary);
    if (!*open_->file) return fail(Fault::io, fmt::format("{}: cannot be opened", path));
  }
  std::optional<std::string> first;
  do first = line();
  while (first && trimmed(*first).empty());
  if (!first) return {};
  auto const begun = trimmed(*first);
  json::Parser parser;
  bool const whole_line =
      begun.front() != '[' &&
      parser.validate(begun, {.bytes = largest_whole, .depth = 100}).has_value();
  if (whole_line || (begun.front() != '[' && begun.front() != '{')) {
    ready_.push_back({std::string(begun), fmt::format("{}:{}", open_->name, open_->line)});
    return {};
  }
  // An array, or an object over several lines: only the whole of it makes sense.
  auto const from = open_->line;
  std::string text = *first + '\n';
  text.append(std::istreambuf_iterator<char>(open_->stream()), {});
  read_ += text.size() - first->size() - 1;
  if (begun.front() == '[') {
    auto const elements = parser.elements(trimmed(text), {.bytes = largest_whole, .depth = 100});
    if (!elements)
      return fail(Fault::invalid,
                  fmt::format("{}: is not a JSON array: {}", open_->name, elements.error().what));
    for (std::size_t i = 0; i < elements->size(); ++i)
      ready_.push_back({std::string((*elements)[i]), fmt::format("{}[{}]", open_->name, i)});
    return {};
  }
  if (parser.validate(trimmed(text), {.bytes = largest_whole, .depth = 100})) {
    ready_.push_back({std::string(trimmed(text)), open_->name});
    return {};
  }
  // Lines, of which the first is wrong: whoever takes them says so.
  std::size_t at = 0, number = from;
  while (at < text.size()) {
    auto const end = std::min(text.find('\n', at), text.size());
    auto const part = trimmed(std::string_view(text).substr(at, end - at));
    if (!part.empty())
      ready_.push_back({std::string(part), fmt::format("{}:{}", open_->name, number)});
    at = end + 1;
    ++number;
  }
  return {};
}

Result<std::optional<EmitEvent>> EmitSource::next() {
  for (;;) {
    if (!ready_.empty()) {
      auto event = std::move(ready_.front());
      ready_.pop_front();
      if (!open_ && files_.empty()) read_ += event.json.size() + 1;
      return event;
    }
    if (open_) {
      while (auto text = line()) {
        auto const part = trimmed(*text);
        if (part.empty()) continue;
        return EmitEvent{std::string(part), fmt::format("{}:{}", open_->name, open_->line)};
      }
      if (open_->stream().bad())
        return fail(Fault::io, fmt::format("{}: cannot be read", open_->name));
      open_.reset();
    }
    if (files_.empty()) return std::nullopt;
    auto const path = std::move(files_.front());
    files_.pop_front();
    if (auto begun = begin(path); !begun) return pass(begun);
  }
}

}  // namespace millrace::cli
