// The records of data streams in memory. A change touches its own stream and no other.
//   Threads  A value.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/desired_stream.h"

namespace millrace::control {

using StreamPtr = std::shared_ptr<model::DataStream const>;
using DesiredPtr = std::shared_ptr<model::DesiredStream const>;

class StreamTable {
 public:
  void put(DesiredPtr desired);           // unless a newer version is there
  void forget(StreamId id);               // a tombstone that is done
  DesiredPtr find(StreamId id) const;     // null: none
  std::vector<DesiredPtr> all() const;    // by id, tombstones too
  std::vector<StreamPtr> living() const;  // by id, without tombstones
  // Another living stream than `except` that has this name in this account: the oldest.
  std::optional<StreamId> namesake(std::string const& account, std::string const& name,
                                   StreamId except) const;
  bool names(std::string const& account) const { return accounts_.contains(account); }

 private:
  using Name = std::pair<std::string, std::string>;  // account, name
  void unname(DesiredPtr const& desired);

  std::map<StreamId, DesiredPtr> streams_;
  std::map<Name, std::set<StreamId>> names_;  // of the living
  std::set<std::string> accounts_;            // that a stream has named since the start
};

}  // namespace millrace::control
