// The table of routes: method, path, who may, what body, which parameters, what it does. openapi.yaml is compared with it by a test.
#pragma once
#include <span>
#include <string_view>

#include "api/handlers.h"

namespace millrace::api {

// Roles of every account that the credential has; the wall between accounts is each handler's own.
enum class Access : std::uint8_t {
  open,      // nobody is asked
  read,      // viewer, editor, owner
  edit,      // editor, owner
  own,       // owner
  read_all,  // viewer, editor, owner, of every account
  own_all,   // owner, of every account
};

enum class BodyKind : std::uint8_t { none, optional_json, json };

struct Route {
  std::string_view method;
  std::string_view path;  // with {…} for one segment
  Access access;
  BodyKind body;
  std::string_view parameters;  // names, with spaces between
  bool makes;                   // takes an Idempotency-Key
  Handler* handler;
};

std::span<Route const> routes();

}  // namespace millrace::api
