// Who may do what. Root accounts are walls (DESIGN 2.4): every credential carries the accounts that it is good for.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::model {

// owner: everything, and credentials; editor: streams; viewer: reads; producer: sends events and nothing else.
enum class Role : std::uint8_t { owner, editor, viewer, producer };
std::string_view name_of(Role role);
// nullopt: no such role. Names are lower case.
std::optional<Role> parse_role(std::string_view name);

struct Principal {
  std::string id;  // of the token or access key; for the audit log
  std::string name;
  Role role = Role::viewer;
  std::vector<std::string> accounts;  // root account uuids; {"*"}: all of them

  // The account is one of its own, or all are; "*" asks whether all are.
  bool sees(std::string_view account) const;
  bool sees_all() const { return sees("*"); }
  bool may_read() const { return role != Role::producer; }
  bool may_edit() const { return role == Role::owner || role == Role::editor; }
  bool may_own() const { return role == Role::owner; }
  bool may_produce() const { return role == Role::producer || role == Role::owner; }
};

struct AccessKey {  // an AWS-style pair that Kinesis producers sign with
  std::string access_key_id;
  std::string secret_access_key;
  Principal principal;  // role producer
};

// Looks credentials up. Any thread; never blocks.
class Credentials {
 public:
  virtual ~Credentials() = default;
  // Whose credential it is. nullopt: there is none, or it is revoked or has ended.
  virtual std::optional<Principal> token(std::string_view bearer) const = 0;
  virtual std::optional<AccessKey> access_key(std::string_view id) const = 0;
};

}  // namespace millrace::model
