#include "control/credential_table.h"

#include <algorithm>

namespace millrace::control {

void CredentialTable::put(StoredToken const& token) {
  auto const& record = token.record;
  accounts_.insert(record.accounts.begin(), record.accounts.end());
  auto& held = tokens_[record.id];
  if (held.version >= token.version) return;
  held = token;
  auto& use = uses_[record.id];
  if (!use) use = std::make_shared<Use>();
  if (record.revoked) {
    bearers_.erase(token.hash);
  } else {
    model::Principal who{record.id, record.name, record.role, record.accounts};
    bearers_[token.hash] =
        std::make_shared<Bearer const>(Bearer{std::move(who), record.expires_at, use});
  }
}

void CredentialTable::put(StoredAccessKey const& key) {
  accounts_.insert(key.record.accounts.begin(), key.record.accounts.end());
  auto& held = access_keys_[key.record.access_key_id];
  if (!held || held->version < key.version) held = std::make_shared<StoredAccessKey const>(key);
}

std::shared_ptr<Bearer const> CredentialTable::bearer(std::string const& hash) const {
  auto const found = bearers_.find(hash);
  return found == bearers_.end() ? nullptr : found->second;
}

std::optional<StoredToken> CredentialTable::token(std::string const& id) const {
  auto const found = tokens_.find(id);
  return found == tokens_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<TokenRecord> CredentialTable::tokens() const {
  std::vector<TokenRecord> out;
  for (auto const& [id, token] : tokens_) {
    out.push_back(token.record);
    if (auto const last = uses_.at(id)->last_ms.load(); last != 0)
      out.back().last_used_at = from_unix_ms(last);
  }
  return out;
}

std::shared_ptr<StoredAccessKey const> CredentialTable::access_key(std::string const& id) const {
  auto const found = access_keys_.find(id);
  return found == access_keys_.end() ? nullptr : found->second;
}

std::vector<AccessKeyRecord> CredentialTable::access_keys() const {
  std::vector<AccessKeyRecord> out;
  for (auto const& [id, key] : access_keys_) out.push_back(key->record);
  return out;
}

bool CredentialTable::is_last_owner(std::string const& id, WallTime now) const {
  return std::ranges::none_of(bearers_, [&](auto const& item) {
    auto const& [who, expires_at, use] = *item.second;
    return who.id != id && who.may_own() && who.sees_all() && !has_ended(expires_at, now);
  });
}

}  // namespace millrace::control
