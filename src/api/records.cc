#include "api/records.h"

#include <boost/json.hpp>

#include "api/json_text.h"
#include "base/encoding.h"

namespace millrace::api {
namespace {

// Reads members of one stored object; the first that is not as it was written makes the whole record corrupt.
class StoredObject {
 public:
  explicit StoredObject(std::string const& json) {
    boost::system::error_code error;
    value_ = boost::json::parse(json, error);
    whole_ = !error && value_.is_object();
  }

  std::string text(std::string_view key) {
    auto const* const found = member(key);
    if (found == nullptr || !found->is_string()) return damaged<std::string>();
    return std::string(std::string_view(found->get_string()));
  }
  bool has(std::string_view key) const { return member(key) != nullptr; }
  // Of a member that former versions have not written.
  std::string text_or_empty(std::string_view key) {
    return member(key) == nullptr ? std::string() : text(key);
  }
  bool truth(std::string_view key) {
    auto const* const found = member(key);
    return found == nullptr || !found->is_bool() ? damaged<bool>() : found->get_bool();
  }
  std::vector<std::string> texts(std::string_view key) {
    auto const* const found = member(key);
    if (found == nullptr || !found->is_array()) return damaged<std::vector<std::string>>();
    std::vector<std::string> out;
    for (auto const& item : found->get_array()) {
      if (!item.is_string()) return damaged<std::vector<std::string>>();
      out.emplace_back(std::string_view(item.get_string()));
    }
    return out;
  }
  WallTime time(std::string_view key) {
    auto const read = parse_time(text(key));
    return read ? *read : damaged<WallTime>();
  }
  std::string bytes(std::string_view key) {
    auto const read = unhex(text(key));
    return read ? *read : damaged<std::string>();
  }
  model::Role role(std::string_view key) {
    auto const read = model::parse_role(text(key));
    return read ? *read : damaged<model::Role>();
  }

  bool whole() const { return whole_; }

 private:
  boost::json::value const* member(std::string_view key) const {
    return whole_ ? value_.get_object().if_contains(key) : nullptr;
  }
  template <class T>
  T damaged() {
    whole_ = false;
    return T{};
  }

  boost::json::value value_;
  bool whole_ = false;
};

std::unexpected<Error> corrupt(store::Record const& record) {
  return fail(Fault::corrupt,
              record.collection + " " + record.id + ": the stored record is damaged");
}

}  // namespace

std::string encode(StoredToken const& token) {
  ObjectText text;
  text.text("name", token.record.name).text("role", name_of(token.record.role));
  text.texts("accounts", token.record.accounts).time("created_at", token.record.created_at);
  text.truth("revoked", token.record.revoked).text("sha256", hex(token.hash));
  if (token.record.expires_at) text.time("expires_at", *token.record.expires_at);
  return std::move(text).done();
}

Result<StoredToken> decode_token(store::Record const& record) {
  StoredObject stored(record.value);
  StoredToken token;
  token.record.id = record.id;
  token.record.name = stored.text("name");
  token.record.role = stored.role("role");
  token.record.accounts = stored.texts("accounts");
  token.record.created_at = stored.time("created_at");
  token.record.revoked = stored.truth("revoked");
  if (stored.has("expires_at")) token.record.expires_at = stored.time("expires_at");
  token.hash = stored.bytes("sha256");
  token.version = record.version;
  if (!stored.whole() || token.hash.size() != 32) return corrupt(record);
  return token;
}

std::string encode(StoredAccessKey const& key) {
  ObjectText text;
  text.texts("accounts", key.record.accounts).time("created_at", key.record.created_at);
  text.truth("revoked", key.record.revoked).text("secret", key.secret);
  return std::move(text).done();
}

Result<StoredAccessKey> decode_access_key(store::Record const& record, std::string const& opened) {
  StoredObject stored(opened);
  StoredAccessKey key;
  key.record.access_key_id = record.id;
  key.record.accounts = stored.texts("accounts");
  key.record.created_at = stored.time("created_at");
  key.record.revoked = stored.truth("revoked");
  key.secret = stored.text("secret");
  key.version = record.version;
  if (!stored.whole()) return corrupt(record);
  return key;
}

std::string encode(Made const& made) {
  ObjectText text;
  text.text("body_sha256", hex(made.body_hash)).text("id", made.id).time("at", made.at);
  text.text("by", made.by);
  return std::move(text).done();
}

Result<Made> decode_made(store::Record const& record) {
  StoredObject stored(record.value);
  Made made{stored.bytes("body_sha256"), stored.text("id"), stored.time("at"),
            stored.text_or_empty("by")};
  if (!stored.whole()) return corrupt(record);
  return made;
}

}  // namespace millrace::api
