// The files of the log, by the number of their first batch: `log-00000000000000000001.seg`, and `.db` of the form before. Any thread.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/shared.h"
#include "log/contents.h"
#include "store/folder.h"

namespace millrace::store {

enum class SegmentForm : std::uint8_t {
  frames,  // room log
  sqlite,  // the form before
};

struct Segment {
  SegmentForm form = SegmentForm::frames;
  std::uint64_t first = 1;
  std::uint64_t end = 0;  // first batch of the next segment; the largest number for the newest
  std::string path;
  std::uint64_t bytes = 0;
  bool sealed = false;  // nobody writes it, and nothing stands beside it
  // Once somebody has looked. Within a segment times of acceptance do not fall.
  std::optional<WallTime> first_accepted;
  std::optional<WallTime> last_accepted;  // only of one that is not the newest
  std::optional<WallTime>
      began;  // when it was made, by the time that was trusted; epoch: not known
};

class Segments {
 public:
  explicit Segments(Folder& folder) : folder_(folder) {}

  Result<void> load();       // from the folder's names
  void remove_unfinished();  // what a process before was making when it ended
  std::vector<Segment> all() const;
  std::optional<Segment> of(std::uint64_t batch) const;
  std::uint64_t bytes() const;
  std::string path_of(std::uint64_t first) const;  // of one that is to be made

  void add(Segment segment);  // `end` is filled in when asked for
  void grew(std::uint64_t first, std::uint64_t bytes);
  void seal(std::uint64_t first);
  void know(std::uint64_t first, std::optional<WallTime> Segment::* what, WallTime time);
  void drop(std::uint64_t first);

  // What is known of a segment's frames: of those that somebody has looked at, and of the one that is written.
  bool has_contents(std::uint64_t first) const;
  void keep_contents(std::uint64_t first, log::Contents contents);
  void forget_contents(std::uint64_t first);
  void appended(std::uint64_t first, std::vector<log::Prefix> const& frames);
  // `ask` of an empty one where nothing is known. Keep it short: the commit thread waits meanwhile.
  template <class Ask>
  auto with_contents(std::uint64_t first, Ask ask) const {
    return contents_.with([&](auto const& map) {
      log::Contents const nothing;
      auto const at = map.find(first);
      return ask(at == map.end() ? nothing : at->second);
    });
  }

 private:
  Folder& folder_;
  io::Locked<std::map<std::uint64_t, Segment>> segments_;
  io::Locked<std::map<std::uint64_t, log::Contents>> contents_;
};

}  // namespace millrace::store
