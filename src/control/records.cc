#include "control/records.h"

#include <boost/json.hpp>

#include "base/encoding.h"
#include "json/write.h"

namespace millrace::control {
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

void write_texts(json::Writer& out, std::string_view key, std::vector<std::string> const& texts) {
  out.key(key).begin_array();
  for (auto const& text : texts) out.text(text);
  out.end_array();
}

std::unexpected<Error> corrupt(store::Record const& record) {
  return fail(Fault::corrupt,
              record.collection + " " + record.id + ": the stored record is damaged");
}

}  // namespace

std::string encode(StoredToken const& token) {
  auto const& record = token.record;
  json::Writer out;
  out.begin_object().key("name").text(record.name).key("role").text(name_of(record.role));
  write_texts(out, "accounts", record.accounts);
  out.key("created_at").text(iso_ms(record.created_at)).key("revoked").flag(record.revoked);
  out.key("sha256").text(hex(token.hash));
  if (record.expires_at) out.key("expires_at").text(iso_ms(*record.expires_at));
  out.end_object();
  return std::move(out).take();
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
  json::Writer out;
  out.begin_object();
  write_texts(out, "accounts", key.record.accounts);
  out.key("created_at").text(iso_ms(key.record.created_at));
  out.key("revoked").flag(key.record.revoked).key("secret").text(key.secret).end_object();
  return std::move(out).take();
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
  json::Writer out;
  out.begin_object().key("body_sha256").text(hex(made.body_hash)).key("id").text(made.id);
  out.key("at").text(iso_ms(made.at)).key("by").text(made.by).end_object();
  return std::move(out).take();
}

Result<Made> decode_made(store::Record const& record) {
  StoredObject stored(record.value);
  Made made{stored.bytes("body_sha256"), stored.text("id"), stored.time("at"),
            stored.text_or_empty("by")};
  if (!stored.whole()) return corrupt(record);
  return made;
}

}  // namespace millrace::control
