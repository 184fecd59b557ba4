#include "store/witness.h"

#include "base/encoding.h"
#include "store/bytes.h"

namespace millrace::store {
namespace {

constexpr std::string_view name = "state.witness";
constexpr std::uint32_t magic = 0x5457524D;  // "MRWT"
constexpr std::uint32_t format_version = 1;
// Each slot in a sector of its own. Two take turns with what is synced, so that a torn write leaves the other; the third takes what is
// not synced.
constexpr std::size_t sector = 512;
constexpr std::size_t slots = 3;
constexpr std::size_t loose_slot = 2;
constexpr std::size_t slot_bytes = 36;

std::string encode(StateMark const& mark) {
  Writer out;
  out.number(magic);
  out.number(format_version);
  out.number(mark.folder);
  out.number(mark.commits);
  out.number(mark.changes);
  out.number(crc32c(out.bytes()));
  return out.take();
}

std::optional<StateMark> decode(std::string_view bytes) {
  if (bytes.size() < slot_bytes) return std::nullopt;
  Reader in(bytes.substr(0, slot_bytes));
  bool const ours =
      in.number<std::uint32_t>() == magic && in.number<std::uint32_t>() == format_version;
  StateMark mark;
  for (auto* const part : {&mark.folder, &mark.commits, &mark.changes})
    *part = in.number<std::uint64_t>();
  bool const whole = in.number<std::uint32_t>() == crc32c(bytes.substr(0, slot_bytes - 4));
  return ours && whole ? std::optional(mark) : std::nullopt;
}

}  // namespace

Result<std::optional<StateMark>> Witness::open() {
  auto const path = folder_.path(name);
  auto file = folder_.files.open(path, io::OpenMode::write);
  if (!file && file.error().fault == Fault::missing) return std::nullopt;
  if (!file) return pass(file);
  std::string bytes(slots * sector, '\0');
  auto const got = (*file)->read(0, std::as_writable_bytes(std::span(bytes)));
  if (!got) return pass(got);
  bytes.resize(*got);
  std::optional<StateMark> newest;
  for (std::size_t slot = 0; slot < slots && slot * sector < bytes.size(); ++slot) {
    auto const mark = decode(std::string_view(bytes).substr(slot * sector));
    if (!mark || (newest && mark->commits <= newest->commits)) continue;
    newest = mark;
    if (slot != loose_slot) turn_ = 1 - slot;
  }
  if (!newest) return fail(Fault::corrupt, path + ": is damaged");
  file_ = std::move(*file);
  return newest;
}

Result<void> Witness::make(StateMark const& mark) {
  file_.reset();
  auto const path = folder_.path(name);
  auto first = encode(mark);
  first.resize(slots * sector, '\0');
  if (auto done = folder_.files.write_all(path, first); !done) return done;
  auto file = folder_.files.open(path, io::OpenMode::write);
  if (!file) return pass(file);
  file_ = std::move(*file);
  turn_ = 1;
  return {};
}

Result<void> Witness::note(StateMark const& mark, bool durable) {
  if (!durable) return write(loose_slot, mark);
  if (auto done = write(turn_, mark); !done) return done;
  if (folder_.settings.durable)
    if (auto const synced = file_->sync(); !synced) {
      folder_.settings.fatal(synced.error().what);
      return synced;
    }
  turn_ = 1 - turn_;
  return {};
}

Result<void> Witness::write(std::size_t slot, StateMark const& mark) {
  if (!file_) return fail(Fault::io, folder_.path(name) + ": is not open");
  auto const bytes = encode(mark);
  return file_->write(slot * sector, std::as_bytes(std::span(bytes)));
}

}  // namespace millrace::store
