// The flags of `streams add` and `streams edit`, and the JSON that they make.
#pragma once
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "commands/command.h"

namespace millrace::commands {

struct StreamFlags {
  std::optional<std::string> name, url, account, format, signed_body, contact_email, breaker;
  std::optional<std::string> ca_certificates, client_certificate, client_key, rate_limit;
  std::optional<bool> sign;
  std::vector<std::string> event_types, headers;

  // `fresh`: for a new stream, with what every stream needs as required. This object outlives `app`.
  void add_to(Flags app, bool fresh);
  // What REST takes: of a new stream all of it, else what changes. Reads the files that are named. Fails with: invalid, and as files do.
  Result<boost::json::object> body(bool fresh) const;
  // What is given and has no effect on the stream as it is now, as the server answered it; a sentence each.
  std::vector<std::string> idle_flags(boost::json::object const& stream) const;

 private:
  Result<void> put_tls(boost::json::object& delivery) const;
  Result<void> put_rate(boost::json::object& object) const;
  Result<void> put_headers(boost::json::object& object) const;
};

}  // namespace millrace::commands
