// The files of the log, by the number of their first batch: `log-00000000000000000001.db`. Any thread.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/shared.h"
#include "store/database.h"
#include "store/folder.h"

namespace millrace::store {

struct Segment {
  std::uint64_t first = 1;
  std::uint64_t end = 0;  // first batch of the next segment; the largest number for the newest
  std::string path;
  std::uint64_t bytes = 0;
  bool sealed = false;  // its WAL is empty and nobody writes it
  // Once somebody has looked. Within a segment times of acceptance do not fall.
  std::optional<WallTime> first_accepted;
  std::optional<WallTime> last_accepted;  // only of one that is not the newest
  std::optional<WallTime>
      began;  // when it was made, by the time that was trusted; epoch: not known
};

class Segments {
 public:
  explicit Segments(Folder& folder) : folder_(folder) {}

  Result<void> load();  // from the folder's names
  std::vector<Segment> all() const;
  std::optional<Segment> of(std::uint64_t batch) const;
  std::uint64_t bytes() const;
  std::string path_of(std::uint64_t first) const;

  void add(Segment segment);  // `end` is filled in when asked for
  void grew(std::uint64_t first, std::uint64_t bytes);
  void seal(std::uint64_t first);
  void know(std::uint64_t first, std::optional<WallTime> Segment::* what, WallTime time);
  void drop(std::uint64_t first);

  // Opens the newest form of a segment's layout for its writer. Fails as Database::open() and migrate() do.
  Result<std::unique_ptr<Database>> open_writer(std::string const& path) const;
  // What a segment says of itself beside its batches; nullopt: nothing, or it has an older layout.
  static Result<std::optional<std::int64_t>> mark_of(Database& segment, std::string_view name);
  static Result<void> set_mark(Database& segment, std::string_view name, std::int64_t value);
  // Moves what is in the WAL into the file and marks it sealed; what fails is logged, and tried again later.
  void checkpoint(std::uint64_t first, std::unique_ptr<Database> database);

 private:
  Folder& folder_;
  io::Locked<std::map<std::uint64_t, Segment>> segments_;
};

}  // namespace millrace::store
