#include "ingest/expand.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "base/error.h"
#include "ingest/intake.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view gzip_magic = "\x1F\x8B\x08";
constexpr std::string_view zstd_magic = "\x28\xB5\x2F\xFD";
constexpr std::size_t step_bytes = 128 * 1024;
constexpr int largest_window_log = 23;

// Gives `write(room, bytes)` up to `most` bytes of room behind what `out` has; it answers how many of them it has filled.
template <class Write>
std::size_t append(std::string& out, std::size_t most, Write const& write) {
  auto const have = out.size();
  std::size_t made = 0;
  out.resize_and_overwrite(have + most, [&](char* text, std::size_t) {
    made = write(text + have, most);
    return have + made;
  });
  return made;
}

class Gzip final : public Expander {
 public:
  Gzip(std::string_view input, std::size_t most_bytes) : input_(input), most_bytes_(most_bytes) {
    constexpr int gzip_alone = 15 + 16;
    check(::inflateInit2(&stream_, gzip_alone) == Z_OK, "zlib starts");
  }
  Gzip(Gzip const&) = delete;
  Gzip& operator=(Gzip const&) = delete;
  ~Gzip() override { ::inflateEnd(&stream_); }

  State step(std::string& out, std::size_t bytes) override {
    std::size_t read = 0, made = 0;
    while (read < bytes && made < bytes) {
      auto const given = std::min(input_.size(), bytes - read);
      auto const room = std::min(bytes - made, most_bytes_ + 1 - made_);
      stream_.next_in = reinterpret_cast<Bytef const*>(input_.data());
      stream_.avail_in = static_cast<uInt>(given);
      int code = Z_OK;
      auto const fresh = append(out, room, [&](char* to, std::size_t n) {
        stream_.next_out = reinterpret_cast<Bytef*>(to);
        stream_.avail_out = static_cast<uInt>(n);
        code = ::inflate(&stream_, Z_NO_FLUSH);
        return n - stream_.avail_out;
      });
      auto const taken = given - stream_.avail_in;
      input_.remove_prefix(taken);
      read += taken;
      made += fresh;
      made_ += fresh;
      if (made_ > most_bytes_) return State::too_large;
      if (code == Z_STREAM_END) {
        if (input_.find_first_not_of('\0') == input_.npos) return State::done;
        if (::inflateReset(&stream_) != Z_OK) return State::damaged;
        read += member_cost;
      } else if (code != Z_OK || (taken == 0 && fresh == 0)) {
        return State::damaged;
      }
    }
    return State::more;
  }

 private:
  static constexpr std::size_t member_cost = 64;  // an empty member costs more than its bytes
  std::string_view input_;
  std::size_t most_bytes_, made_ = 0;
  z_stream stream_{};
};

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class Zstd final : public Expander {
 public:
  Zstd(std::string_view input, std::size_t most_bytes)
      : input_{input.data(), input.size(), 0},
        most_bytes_(most_bytes),
        context_(ZSTD_createDCtx()) {
    check(context_ != nullptr && ZSTD_isError(ZSTD_DCtx_setParameter(
                                     context_.get(), ZSTD_d_windowLogMax, largest_window_log)) == 0,
          "zstd starts");
  }
  State step(std::string& out, std::size_t bytes) override {
    auto const end = std::min(input_.size, input_.pos + bytes);
    std::size_t made = 0;
    while (input_.pos < end || owes_) {
      if (made >= bytes) return State::more;
      auto const room = std::min(bytes - made, most_bytes_ + 1 - made_);
      ZSTD_inBuffer given{input_.src, end, input_.pos};
      std::size_t left = 0;
      auto const fresh = append(out, room, [&](char* to, std::size_t n) {
        ZSTD_outBuffer filled{to, n, 0};
        left = ZSTD_decompressStream(context_.get(), &filled, &given);
        return filled.pos;
      });
      if (ZSTD_isError(left) != 0) return State::damaged;
      input_.pos = given.pos;
      made += fresh;
      made_ += fresh;
      if (made_ > most_bytes_) return State::too_large;
      in_frame_ = left != 0;
      owes_ = in_frame_ && fresh == room;  // it may hold more that had no room
    }
    if (input_.pos < input_.size) return State::more;
    return in_frame_ ? State::damaged : State::done;
  }

 private:
  ZSTD_inBuffer input_;
  std::size_t most_bytes_, made_ = 0;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  bool in_frame_ = true, owes_ = false;
};

std::string lower(std::string_view text) {
  std::string out;
  for (char const c : text)
    if (c != ' ' && c != '\t') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

std::optional<Coding> coding_of(std::string_view bytes) {
  if (bytes.starts_with(gzip_magic)) return Coding::gzip;
  if (bytes.starts_with(zstd_magic)) return Coding::zstd;
  return std::nullopt;
}

std::expected<std::optional<Coding>, std::string> coding_named(
    std::optional<std::string_view> content_encoding) {
  auto const name = lower(content_encoding.value_or(""));
  if (name.empty() || name == "identity") return std::nullopt;
  if (name == "gzip" || name == "x-gzip") return Coding::gzip;
  if (name == "zstd") return Coding::zstd;
  return std::unexpected(fmt::format(
      "The Content-Encoding is '{}': send gzip, zstd, or the body as it is.", cut(name, 64)));
}

std::unique_ptr<Expander> Expander::make(Coding coding, std::string_view input,
                                         std::size_t most_bytes) {
  if (coding == Coding::gzip) return std::make_unique<Gzip>(input, most_bytes);
  return std::make_unique<Zstd>(input, most_bytes);
}

io::Task<std::expected<std::string, Expander::State>> expand_record(Coding coding,
                                                                    std::string_view input,
                                                                    std::size_t most_bytes,
                                                                    Turns& turns) {
  auto const expander = Expander::make(coding, input, most_bytes);
  std::string out;
  for (;;) {
    auto const state = expander->step(out, step_bytes);
    if (state == Expander::State::done) co_return out;
    if (state != Expander::State::more) co_return std::unexpected(state);
    if (turns.spend(2 * step_bytes)) co_await turns.next();
  }
}

io::Task<std::expected<std::string, ExpandTrouble>> expand(Coding coding, std::string_view input,
                                                           std::size_t most_bytes,
                                                           ExpandedMemory::Hold& held,
                                                           TurnMeter* meter) {
  auto const expander = Expander::make(coding, input, most_bytes);
  std::string out;
  Turns turns(meter);
  for (;;) {
    // Before the step: what it may add, and the window that zstd keeps meanwhile, which is no larger than what came of it.
    if (!held.reach(out.size() + step_bytes)) co_return std::unexpected(ExpandTrouble::no_memory);
    if (turns.spend(2 * step_bytes)) co_await turns.next();
    auto const state = expander->step(out, step_bytes);
    if (state == Expander::State::damaged) co_return std::unexpected(ExpandTrouble::damaged);
    if (state == Expander::State::too_large) co_return std::unexpected(ExpandTrouble::too_large);
    if (state == Expander::State::done) co_return out;
    // Room for all that may come, at once: to grow means to copy, which would be one long piece. What stays unused costs addresses only.
    if (out.capacity() < most_bytes) out.reserve(most_bytes);
  }
}

}  // namespace millrace::ingest
