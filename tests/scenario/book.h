// What actors know to be true: what was sent and answered, which streams there are and what was asked of them, what receivers got. It
// never looks into the node.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"

namespace millrace::scenario {

inline constexpr SteadyTime never = SteadyTime::max();

// From when somebody asked for something until the answer; never: no answer yet. One that was lost counts as answered when nothing
// can come of the request any more.
struct Asked {
  SteadyTime asked{};
  SteadyTime answered = never;
  bool done = false;  // the answer said so
};

struct Event {
  std::string account, type;
  Asked sent;         // the first time it was accepted, or all times that it was sent
  bool once = false;  // its request has a key, so that it is stored once
  unsigned sends = 0;
};

struct Filter {
  std::vector<std::string> types;
  Asked change;
  bool refused = false;  // it never was
  bool selects(std::string const& type) const {
    for (auto const& one : types)
      if (one == "*" || one == type) return true;
    return false;
  }
};

struct Got {
  SteadyTime at{};
  std::string marker;
  bool acknowledged = false;
};

struct Stream {
  int number = 0;  // in its URL
  std::string account, id;
  bool is_signed = false;
  std::vector<Filter> filters;  // the first: its making
  std::vector<Asked> stops, starts;
  std::optional<Asked> removal;
  std::map<std::string, std::string> bodies;  // of an event, as first seen
  std::set<std::string> got, acknowledged;    // markers
  std::uint64_t tries = 0;

  bool is_gone() const { return removal && removal->done; }
  // Whether it surely stands still from before `from` on, until `to`.
  bool stands_still(SteadyTime from, SteadyTime to) const;
};

struct Selected {
  std::uint64_t surely = 0;          // events
  std::uint64_t perhaps = 0;         // sends, those included
  std::vector<std::string> markers;  // of the sure ones
};

class Book {
 public:
  std::map<std::string, Event> events;  // by marker
  std::map<int, Stream> streams;        // by number
  std::vector<std::string> types{"grade_change", "submission_created", "course_created",
                                 "wiki_page_updated"};

  // Whether the stream surely, or perhaps, selects the event.
  static bool surely(Stream const& stream, Event const& event);
  static bool perhaps(Stream const& stream, Event const& event);
  Selected selected_by(Stream const& stream) const;

  // No request of before comes to anything any more.
  void crashed(SteadyTime at);

 private:
  static std::vector<Filter const*> possible(Stream const& stream, Event const& event);
};

}  // namespace millrace::scenario
