#include "model/drift.h"

#include <algorithm>
#include <array>

#include "json/members.h"

namespace millrace::model {
namespace {

std::string cut(std::string_view name) {
  if (name.size() <= Limits::name_bytes) return std::string(name);
  auto end = Limits::name_bytes;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0U) == 0x80)
    --end;  // no half character
  return std::string(name.substr(0, end));
}

// Sorted.
constexpr std::array<std::string_view, 28> metadata{"client_ip",
                                                    "context_account_id",
                                                    "context_id",
                                                    "context_role",
                                                    "context_sis_source_id",
                                                    "context_type",
                                                    "developer_key_id",
                                                    "event_name",
                                                    "event_time",
                                                    "hostname",
                                                    "http_method",
                                                    "job_id",
                                                    "job_tag",
                                                    "producer",
                                                    "real_user_id",
                                                    "referrer",
                                                    "request_id",
                                                    "root_account_id",
                                                    "root_account_lti_guid",
                                                    "root_account_uuid",
                                                    "session_id",
                                                    "time_zone",
                                                    "url",
                                                    "user_account_id",
                                                    "user_agent",
                                                    "user_id",
                                                    "user_login",
                                                    "user_sis_id"};

}  // namespace

std::span<std::string_view const> known_metadata() { return metadata; }

bool Drift::Names::has(std::string_view name) const {
  return std::ranges::binary_search(sorted, name);
}

Drift::Drift(Catalog const& catalog) : metadata_{{metadata.begin(), metadata.end()}, true} {
  for (auto const& event : catalog.events()) {
    Names names;
    for (auto const& field : event.fields) names.sorted.push_back(field.name);
    std::ranges::sort(names.sorted);
    // Of most events that Canvas does not document, nobody knows the fields.
    names.fields_are_known = event.documented || !event.fields.empty();
    bodies_.emplace(event.name, std::move(names));
  }
}

void Drift::saw_events(Kind const& kind, std::uint64_t events, EventId example, WallTime at) {
  if (bodies_.find(kind.type) == bodies_.end()) note(kind, "", events, example, at);
}

void Drift::saw_fields(Kind const& kind, EventView const& event, EventId id, WallTime at) {
  auto const known = bodies_.find(kind.type);
  if (known == bodies_.end()) return;
  ++looked_at_;
  std::size_t fields = 0;
  auto const look = [&](std::string_view object, std::string_view where, Names const& names) {
    json::each_member(object, [&](std::string_view name, std::string_view) {
      if (++fields > most_fields || names.has(name)) return;
      note(kind, cut(std::string(where).append(name)), 1, id, at);
    });
  };
  look(event.metadata(), "metadata.", metadata_);
  if (known->second.fields_are_known) look(event.body(), "body.", known->second);
}

void Drift::note(Kind const& kind, std::string field, std::uint64_t count, EventId example,
                 WallTime at) {
  std::pair key(kind.type, std::move(field));
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= most_entries) give_up_one();
    shares_.add(kind.account, 1);
    of_account_[kind.account].push_back(key);
    DriftEntry entry{key.first, key.second, kind.account, example, 0, at, at};
    found = entries_.emplace(std::move(key), std::move(entry)).first;
  }
  auto& entry = found->second;
  entry.count += count;
  entry.first_seen = std::min(entry.first_seen, at);
  entry.last_seen = std::max(entry.last_seen, at);
}

// The oldest of the account that has most.
void Drift::give_up_one() {
  auto const of = of_account_.find(shares_.largest());
  auto const key = std::move(of->second.front());
  of->second.pop_front();
  shares_.remove(of->first, 1);
  if (of->second.empty()) of_account_.erase(of);
  auto const entry = entries_.find(key);
  uncounted_ += entry->second.count;
  entries_.erase(entry);
}

std::vector<DriftEntry> Drift::entries() const {
  std::vector<DriftEntry> all;
  all.reserve(entries_.size());
  for (auto const& [key, entry] : entries_) all.push_back(entry);
  return all;
}

}  // namespace millrace::model
