#include "commands/emit_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <iostream>
#include <iterator>
#include <utility>

#include "json/split.h"
#include "json/strict.h"

namespace millrace::commands {
namespace {

constexpr std::size_t largest_whole = std::size_t{1} << 30;

// RS stands in front of each text of a JSON text sequence (RFC 7464).
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\x1E";
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  auto const first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

// The objects that stand one after the other in `text`; none where it is anything else.
std::vector<std::string_view> objects_in(std::string_view text) {
  json::Splitter splitter(text, json::Splitter::Row::sequence);
  std::vector<std::string_view> objects;
  for (;;) {
    auto const found = splitter.next(text.size() + 1);
    if (found == json::Splitter::Found::end) return objects;
    if (found != json::Splitter::Found::value || !splitter.value().starts_with('{')) return {};
    objects.push_back(splitter.value());
  }
}

// Why a file that begins so cannot be read, and what to do; empty: it may be.
std::string_view unreadable(std::string_view begin) {
  if (begin.starts_with("\xFF\xFE") || begin.starts_with("\xFE\xFF"))
    return "is UTF-16; make it UTF-8 first: iconv -f UTF-16 -t UTF-8 FILE";
  if (begin.starts_with("\x1F\x8B"))
    return "is compressed; send it by: zcat FILE | millrace emit -";
  if (begin.starts_with("\x28\xB5\x2F\xFD"))
    return "is compressed; send it by: zstdcat FILE | millrace emit -";
  return {};
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

void EmitSource::add(std::string_view text, std::string const& where) {
  auto const objects = objects_in(text);
  if (objects.size() < 2) return ready_.push_back({std::string(text), where});
  for (auto const object : objects) ready_.push_back({std::string(object), where});
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
  if (auto const why = unreadable(*first); !why.empty())
    return fail(Fault::invalid, fmt::format("{}: {}", open_->name, why));
  auto const begun = trimmed(*first);
  json::Parser parser;
  bool const whole_line =
      begun.front() != '[' &&
      (!objects_in(begun).empty() ||
       parser.validate(begun, {.bytes = largest_whole, .depth = 100}).has_value());
  if (whole_line || (begun.front() != '[' && begun.front() != '{')) {
    add(begun, fmt::format("{}:{}", open_->name, open_->line));
    return {};
  }
  // An array, or objects over several lines: only the whole of it makes sense.
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
  if (auto const objects = objects_in(trimmed(text)); !objects.empty()) {
    for (std::size_t i = 0; i < objects.size(); ++i)
      ready_.push_back({std::string(objects[i]), fmt::format("{}[{}]", open_->name, i)});
    return {};
  }
  // Lines, of which the first is wrong: whoever takes them says so.
  std::size_t at = 0, number = from;
  while (at < text.size()) {
    auto const end = std::min(text.find('\n', at), text.size());
    auto const part = trimmed(std::string_view(text).substr(at, end - at));
    if (!part.empty()) add(part, fmt::format("{}:{}", open_->name, number));
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
        add(part, fmt::format("{}:{}", open_->name, open_->line));
        break;
      }
      if (!ready_.empty()) continue;
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

}  // namespace millrace::commands
