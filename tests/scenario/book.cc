#include "scenario/book.h"

#include <algorithm>

namespace millrace::scenario {
namespace {

bool overlap(Asked const& asked, SteadyTime from, SteadyTime to) {
  return asked.asked <= to && asked.answered >= from;
}

}  // namespace

bool Stream::stands_still(SteadyTime from, SteadyTime to) const {
  return std::ranges::any_of(stops, [&](Asked const& stop) {
    return stop.done && stop.answered < from &&
           std::ranges::none_of(
               starts, [&](Asked const& start) { return overlap(start, stop.asked, to); });
  });
}

// A filter is over when one that was asked for after its answer has been answered.
std::vector<Filter const*> Book::possible(Stream const& stream, Event const& event) {
  std::vector<Filter const*> all;
  for (auto const& filter : stream.filters) {
    if (filter.refused || filter.change.asked > event.sent.answered) continue;
    bool const over = std::ranges::any_of(stream.filters, [&](Filter const& later) {
      return later.change.done && later.change.asked > filter.change.answered &&
             later.change.answered < event.sent.asked;
    });
    if (!over) all.push_back(&filter);
  }
  return all;
}

bool Book::surely(Stream const& stream, Event const& event) {
  if (event.account != stream.account || !event.sent.done) return false;
  auto const& making = stream.filters.front().change;
  if (!making.done || making.answered >= event.sent.asked) return false;
  if (stream.removal && stream.removal->asked <= event.sent.answered) return false;
  return std::ranges::all_of(possible(stream, event),
                             [&](Filter const* one) { return one->selects(event.type); });
}

bool Book::perhaps(Stream const& stream, Event const& event) {
  if (event.account != stream.account) return false;
  return std::ranges::any_of(possible(stream, event),
                             [&](Filter const* one) { return one->selects(event.type); });
}

Selected Book::selected_by(Stream const& stream) const {
  Selected all;
  for (auto const& [marker, event] : events) {
    if (perhaps(stream, event)) all.perhaps += event.once ? 1 : event.sends;
    if (!surely(stream, event)) continue;
    ++all.surely;
    all.markers.push_back(marker);
  }
  return all;
}

void Book::crashed(SteadyTime at) {
  auto const end = [at](Asked& asked) { asked.answered = std::min(asked.answered, at); };
  for (auto& [number, stream] : streams) {
    for (auto& filter : stream.filters) end(filter.change);
    for (auto& stop : stream.stops) end(stop);
    for (auto& start : stream.starts) end(start);
  }
}

}  // namespace millrace::scenario
