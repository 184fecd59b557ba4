#include "control/stream_table.h"

namespace millrace::control {

void StreamTable::put(DesiredPtr desired) {
  auto const& stream = desired->stream;
  auto& held = streams_[stream.id];
  if (held && held->stream.version >= stream.version) return;
  if (held) unname(held);
  accounts_.insert(stream.account);
  if (!desired->gone) names_[{stream.account, stream.name}].insert(stream.id);
  held = std::move(desired);
}

void StreamTable::forget(StreamId id) {
  auto const found = streams_.find(id);
  if (found == streams_.end()) return;
  unname(found->second);
  streams_.erase(found);
}

void StreamTable::unname(DesiredPtr const& desired) {
  auto const found = names_.find({desired->stream.account, desired->stream.name});
  if (found == names_.end()) return;
  found->second.erase(desired->stream.id);
  if (found->second.empty()) names_.erase(found);
}

DesiredPtr StreamTable::find(StreamId id) const {
  auto const found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

std::vector<DesiredPtr> StreamTable::all() const {
  std::vector<DesiredPtr> out;
  out.reserve(streams_.size());
  for (auto const& [id, desired] : streams_) out.push_back(desired);
  return out;
}

std::vector<StreamPtr> StreamTable::living() const {
  std::vector<StreamPtr> out;
  out.reserve(streams_.size());
  for (auto const& [id, desired] : streams_)
    if (!desired->gone) out.emplace_back(desired, &desired->stream);
  return out;
}

std::optional<StreamId> StreamTable::namesake(std::string const& account, std::string const& name,
                                              StreamId except) const {
  auto const found = names_.find({account, name});
  if (found == names_.end()) return std::nullopt;
  for (auto const& id : found->second)
    if (id != except) return id;
  return std::nullopt;
}

}  // namespace millrace::control
