#include "receive/roller.h"

#include <fmt/format.h>
#include <zstd.h>

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/encoding.h"
#include "receive/paths.h"

namespace millrace::receive {
namespace {

constexpr std::uint64_t largest_segment = std::uint64_t{1} << 30;
constexpr std::uint64_t largest_manifest = 64 * 1024 * 1024;

class ZstdFile {
 public:
  ZstdFile(io::File& file, int level) : file_(file), stream_(ZSTD_createCCtx(), &ZSTD_freeCCtx) {
    check(stream_ != nullptr, "memory for zstd");
    ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_checksumFlag, 1);
    buffer_.resize(ZSTD_CStreamOutSize());
  }
  Result<void> add(std::string_view text) { return feed(text, ZSTD_e_continue); }
  Result<void> end() { return feed({}, ZSTD_e_end); }

 private:
  Result<void> feed(std::string_view text, ZSTD_EndDirective mode) {
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      auto const left = ZSTD_compressStream2(stream_.get(), &out, &in, mode);
      check(ZSTD_isError(left) == 0, "zstd takes what it is given");
      if (out.pos > 0) {
        auto written = file_.write(at_, as_bytes(std::string_view(buffer_.data(), out.pos)));
        if (!written) return written;
        at_ += out.pos;
      }
      bool const finished = mode == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (finished) return {};
    }
  }

  io::File& file_;
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> stream_;
  std::string buffer_;
  std::uint64_t at_ = 0;
};

// Each folder from `root` down to `folder`, so that new ones are durable.
Result<void> sync_down_to(io::Files& files, std::string const& root, std::set<std::string> leaves) {
  std::set<std::string> all;
  for (auto folder : leaves)
    while (all.insert(folder).second && folder.size() > root.size()) folder = folder_of(folder);
  for (auto const& folder : all)
    if (auto synced = files.sync_folder(folder); !synced) return synced;
  return {};
}

}  // namespace

Result<void> write_zstd_lines(io::Files& files, std::string const& path,
                              std::vector<std::string_view> const& lines, unsigned permissions,
                              int level) {
  auto file = files.open(path, io::OpenMode::create, permissions);
  if (!file) return pass(file);
  if (auto cut = (*file)->truncate(0); !cut) return cut;
  ZstdFile out(**file, level);
  for (auto const line : lines) {
    if (auto added = out.add(line); !added) return added;
    if (auto ended = out.add("\n"); !ended) return ended;
  }
  if (auto ended = out.end(); !ended) return ended;
  return (*file)->sync();
}

Result<void> Roller::roll_before(std::uint64_t end) {
  auto const waiting = numbers_with(files_, folders_.spool, ".spool");
  if (!waiting) return pass(waiting);
  for (auto const number : *waiting)
    if (number < end)
      if (auto rolled = roll(number); !rolled) return rolled;
  // A crash between the two removals leaves a manifest whose work is done.
  auto const manifests = numbers_with(files_, folders_.spool, ".manifest");
  if (!manifests) return pass(manifests);
  for (auto const number : *manifests)
    if (number < end)
      if (auto removed = files_.remove(in_spool(number, ".manifest")); !removed) return removed;
  return {};
}

Result<void> Roller::roll(std::uint64_t number) {
  auto const manifest = in_spool(number, ".manifest");
  auto const planned = files_.exists(manifest);
  if (!planned) return pass(planned);
  if (*planned) {
    auto const text = files_.read_all(manifest, largest_manifest);
    if (!text) return pass(text);
    std::vector<Move> moves;
    for (std::string_view rest = *text; !rest.empty();) {
      auto const end = rest.find('\n');
      auto const gap = rest.find(' ');
      if (end == std::string_view::npos || gap == std::string_view::npos || gap > end)
        return fail(Fault::corrupt, manifest + ": is damaged");
      moves.push_back(
          {std::string(rest.substr(0, gap)), std::string(rest.substr(gap + 1, end - gap - 1))});
      rest.remove_prefix(end + 1);
    }
    return finish(number, moves);
  }

  auto const bytes = files_.read_all(in_spool(number, ".spool"), largest_segment);
  if (!bytes) return pass(bytes);
  auto const text = read_spool(*bytes);
  if (text.damaged > 0) {
    // The segment itself is kept for people; what is whole in it goes its way.
    auto const kept = in_spool(number, ".damaged");
    if (auto copied = files_.write_all(kept, *bytes); !copied) return copied;
    log_.warning("spool segment has lines that cannot be read: torn by a crash, or damaged",
                 {{"file", kept}, {"lines", text.damaged}});
  }
  auto const moves = write_files(number, text);
  if (!moves) return pass(moves);
  std::string keys;
  for (auto const& line : text.lines) keys += line.key.bytes();
  if (!keys.empty())
    if (auto seen = files_.write_all(in_spool(number, ".seen"), keys); !seen) return seen;
  std::string plan;
  for (auto const& move : *moves) plan += move.from + ' ' + move.to + '\n';
  if (auto promised = files_.write_all(manifest, plan); !promised) return promised;
  return finish(number, *moves);
}

Result<std::vector<Roller::Move>> Roller::write_files(std::uint64_t number, SpoolText const& text) {
  std::map<std::pair<std::string_view, std::string_view>, std::vector<std::string_view>> files;
  for (auto const& line : text.lines) files[{line.date, line.name}].push_back(line.json);
  std::vector<Move> moves;
  if (files.empty()) return moves;
  auto const folder = folders_.root + "/.rolling";
  if (auto made = files_.make_folders(folder); !made) return pass(made);
  for (auto const& [part, lines] : files) {
    Move move{fmt::format(".rolling/{:016x}-{}", number, moves.size()),
              fmt::format("date={}/event={}/{}.ndjson.zst", part.first, part.second,
                          ulid(clock_.wall(), random_.bytes(10)))};
    if (auto written = write_zstd_lines(files_, folders_.root + '/' + move.from, lines,
                                        folders_.permissions.file);
        !written)
      return pass(written);
    moves.push_back(std::move(move));
  }
  if (auto synced = sync_down_to(files_, folders_.root, {folder}); !synced) return pass(synced);
  return moves;
}

Result<void> Roller::finish(std::uint64_t number, std::vector<Move> const& moves) {
  std::set<std::string> folders;
  for (auto const& move : moves) {
    auto const from = folders_.root + '/' + move.from;
    auto const to = folders_.root + '/' + move.to;
    folders.insert(folder_of(to));
    auto const there = files_.exists(from);
    if (!there) return pass(there);
    if (!*there) continue;  // done before the crash
    if (auto made = files_.make_folders(folder_of(to), folders_.permissions.folder()); !made)
      return made;
    if (auto renamed = files_.rename(from, to); !renamed) return renamed;
  }
  for (auto it = folders.begin(); it != folders.end();) {
    // Whoever consumes the files may have removed an empty folder.
    auto const there = files_.exists(*it);
    if (!there) return pass(there);
    it = *there ? std::next(it) : folders.erase(it);
  }
  if (!folders.empty()) {
    if (auto synced = sync_down_to(files_, folders_.root, folders); !synced) return synced;
    if (auto synced = files_.sync_folder(folders_.root + "/.rolling"); !synced) return synced;
  }
  // In this order: a segment without its manifest would be rolled a second time.
  if (auto removed = files_.remove(in_spool(number, ".spool")); !removed) return removed;
  if (auto synced = files_.sync_folder(folders_.spool); !synced) return synced;
  return files_.remove(in_spool(number, ".manifest"));
}

Result<void> Roller::tidy() {
  auto const folder = folders_.root + "/.rolling";
  auto const there = files_.exists(folder);
  if (!there) return pass(there);
  if (!*there) return {};
  auto const names = files_.list(folder);
  if (!names) return pass(names);
  for (auto const& name : *names)
    if (auto removed = files_.remove(folder + '/' + name); !removed) return removed;
  return {};
}

Result<void> Roller::forget_beyond(std::size_t keys) {
  auto numbers = numbers_with(files_, folders_.spool, ".seen");
  if (!numbers) return pass(numbers);
  std::size_t total = 0;
  for (auto it = numbers->rbegin(); it != numbers->rend(); ++it) {
    auto const path = in_spool(*it, ".seen");
    if (total <= keys) {
      auto file = files_.open(path, io::OpenMode::read, 0);
      if (!file) return pass(file);
      auto const size = (*file)->size();
      if (!size) return pass(size);
      total += static_cast<std::size_t>(*size) / 16;
      continue;
    }
    if (auto removed = files_.remove(path); !removed) return removed;
  }
  return {};
}

}  // namespace millrace::receive
