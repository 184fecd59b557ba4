#include "testing/memory_letters.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::testing {

using namespace store;

namespace {

constexpr std::size_t letters_kept = 10'000;
constexpr std::size_t letter_bytes_kept = 64 * 1024 * 1024;
constexpr std::size_t letter_bytes = 64 * 1024;

std::size_t size_of(DeadLetter const& letter) {
  return letter.payload.size() + letter.reason.size() + letter.account.size() +
         letter.source.size() + 64;
}

}  // namespace

io::Task<Result<void>> MemoryLetters::add(std::vector<DeadLetter> letters) {
  check(!letters.empty(), "dead letters are added where there are some");
  for (auto const& letter : letters)
    check(!letter.source.empty() && !letter.reason.empty(),
          "a dead letter has a source and a reason");
  co_await turn();
  auto const now = clock_.wall();
  co_return start_.write([&](MemoryWorld& world) -> Result<void> {
    auto& s = world.letters;
    if (auto error = s.trouble.take()) return std::unexpected(std::move(*error));
    for (auto& letter : letters) {
      if (letter.id.empty()) letter.id = Uuid::v7(now, 0, s.made).text();
      if (letter.at == WallTime{}) letter.at = now;
      if (letter.payload.size() > letter_bytes) letter.payload.resize(letter_bytes);
      if (letter.owner.empty()) letter.owner = letter.account;
      ++s.made;
      s.counts.add(letter.owner, 1);
      s.sizes.add(letter.owner, size_of(letter));
      s.all.push_back(std::move(letter));
    }
    while (s.all.size() > letters_kept || s.sizes.total() > letter_bytes_kept) {
      auto const owner = s.all.size() > letters_kept ? s.counts.largest() : s.sizes.largest();
      auto const oldest = std::ranges::find(s.all, owner, &DeadLetter::owner);
      s.counts.remove(owner, 1);
      s.sizes.remove(owner, size_of(*oldest));
      ++s.dropped[oldest->account];
      s.all.erase(oldest);
    }
    return {};
  });
}

io::Task<Result<std::vector<DroppedLetters>>> MemoryLetters::dropped() {
  co_await turn();
  co_return with([&](World& s) -> Result<std::vector<DroppedLetters>> {
    std::vector<DroppedLetters> all;
    for (auto const& [account, count] : s.dropped) all.push_back({account, count});
    return all;
  });
}

io::Task<Result<Page<DeadLetter>>> MemoryLetters::list(std::string after, PageLimits limits) {
  check_limits(limits);
  co_await turn();
  co_return with([&](World& s) -> Result<Page<DeadLetter>> {
    Page<DeadLetter> page;
    std::size_t bytes = 0;
    bool passed = after.empty();
    for (auto at = s.all.rbegin(); at != s.all.rend(); ++at) {
      if (passed && !take(page, bytes, size_of(*at), *at, limits)) {
        page.next = page.items.back().id;
        break;
      }
      passed = passed || at->id == after;
    }
    return page;
  });
}

io::Task<Result<DeadLetter>> MemoryLetters::find(std::string id) {
  co_await turn();
  co_return with([&](World& s) -> Result<DeadLetter> {
    auto const at = std::ranges::find(s.all, id, &DeadLetter::id);
    if (at == s.all.end()) return fail(Fault::missing, "dead letter " + id + ": there is none");
    return *at;
  });
}

}  // namespace millrace::testing
