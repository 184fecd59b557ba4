#include "commands/stream_flags.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "commands/print.h"
#include "commands/usage.h"
#include "io/files.h"

namespace millrace::commands {
namespace {

void put(boost::json::object& into, char const* key, std::optional<std::string> const& value) {
  if (value) into[key] = *value;
}

}  // namespace

void StreamFlags::add_to(Flags app, bool fresh) {
  app.add_option("--name", name, "What people call it; 1 to 255 characters").required(fresh);
  app.add_option("--url", url, "Where events are sent, https://…").type_name("URL").required(fresh);
  if (fresh)
    app.add_option("--account", account, "Root account uuid; \"*\": every account (operator only)")
        .type_name("UUID")
        .required();
  app.add_option("--event-type", event_types,
                 "Name of an event type (`millrace events list`); repeat for more; \"*\": all")
      .type_name("NAME")
      .required(fresh);
  app.add_option("--format", format,
                 fmt::format("Form of the events: canvas or caliper{}", fresh ? " (canvas)" : ""))
      .one_of({"canvas", "caliper"});
  // Not a flag of the optional itself: CLI11 would set it to false where it is not given.
  auto const yes =
      app.add_flag_callback("--sign", [this] { sign = true; }, "Send signed JWTs (RS256)");
  app.add_flag_callback(
         "--no-sign", [this] { sign = false; },
         fresh ? "Send plain JSON (so it is without --sign)" : "Send plain JSON")
      .excludes(yes);
  app.add_option("--signed-body", signed_body,
                 fmt::format("How a JWT is sent: raw, quoted (as hosted Canvas does), jwt (as "
                             "application/jwt){}",
                             fresh ? " (raw)" : ""))
      .one_of({"raw", "quoted", "jwt"});
  app.add_option("--header", headers,
                 fmt::format("Extra request header; repeat for more; the value is kept secret{}",
                             fresh ? "" : "; 'NAME:' removes it"))
      .type_name("'NAME: VALUE'");
  app.add_option("--contact-email", contact_email,
                 "Whom people ask about the stream; mail is not sent in this version")
      .type_name("ADDRESS")
      .required(fresh);
  app.add_option("--breaker", breaker, "on or off: kept for later, no effect in this version")
      .one_of({"on", "off"});
  app.add_option("--rate-limit", rate_limit,
                 fmt::format("Tries a second at most, 0.1 to 100000; none: no limit{}",
                             fresh ? " (none)" : ""))
      .type_name("N");
  app.add_option("--ca-certificates", ca_certificates,
                 "PEM file of authorities to trust for this stream, beside the system's; '': none")
      .type_name("FILE");
  app.add_option("--client-certificate", client_certificate,
                 "PEM file, leaf first, for a receiver that asks who we are; '': none")
      .type_name("FILE");
  app.add_option("--client-key", client_key,
                 "PEM file with its key, without a pass phrase; kept secret; '': none")
      .type_name("FILE");
}

Result<void> StreamFlags::put_tls(boost::json::object& delivery) const {
  struct File {
    char const* key;
    char const* flag;
    std::optional<std::string> const& path;
  };
  io::DiskFiles files;
  boost::json::object tls;
  for (auto const& [key, flag, path] :
       {File{"ca_certificates", "--ca-certificates", ca_certificates},
        File{"client_certificate", "--client-certificate", client_certificate},
        File{"client_key", "--client-key", client_key}}) {
    if (!path) continue;
    if (path->empty()) {
      tls[key] = nullptr;
      continue;
    }
    auto text = files.read_all(*path, 1 << 20);
    if (!text) return fail(Fault::io, fmt::format("{}: {}", flag, text.error().what));
    tls[key] = std::move(*text);
  }
  if (!tls.empty()) delivery["tls"] = std::move(tls);
  return {};
}

Result<void> StreamFlags::put_rate(boost::json::object& object) const {
  if (!rate_limit) return {};
  double number = 0;
  auto const* const end = rate_limit->data() + rate_limit->size();
  auto const [at, error] = std::from_chars(rate_limit->data(), end, number);
  if (*rate_limit == "none")
    object["rate_limit"] = nullptr;
  else if (error == std::errc() && at == end)
    object["rate_limit"] = number;
  else
    return fail(Fault::invalid,
                fmt::format("--rate-limit {}: is neither a number nor none", *rate_limit));
  return {};
}

Result<void> StreamFlags::put_headers(boost::json::object& object) const {
  for (auto const& header : headers) {
    auto const colon = header.find(':');
    // What stands there may be the secret itself: it is not repeated.
    if (colon == 0 || colon == std::string::npos)
      return fail(Fault::invalid, "--header: is not of the form 'Name: value'");
    auto const value = header.find_first_not_of(' ', colon + 1);
    auto& all = object["headers"];
    if (!all.is_object()) all.emplace_object();
    auto const called = header.substr(0, colon);
    if (all.get_object().contains(called))
      return fail(Fault::invalid, fmt::format("--header {}: is given twice", called));
    // An empty value takes the header away again.
    if (value == std::string::npos)
      all.get_object()[called] = nullptr;
    else
      all.get_object()[called] = header.substr(value);
  }
  return {};
}

Result<boost::json::object> StreamFlags::body(bool fresh) const {
  boost::json::object object, delivery;
  put(object, "name", name);
  put(object, "account", account);
  put(object, "format", format);
  put(object, "contact_email", contact_email);
  put(object, "breaker", breaker);
  if (!event_types.empty()) {
    auto& list = object["event_types"].emplace_array();
    for (auto const& type : event_types) list.emplace_back(type);
  }
  if (fresh) delivery["method"] = "https";
  put(delivery, "url", url);
  put(delivery, "signed_body", signed_body);
  if (sign) delivery["sign_payload"] = *sign;
  if (auto const done = put_tls(delivery); !done) return pass(done);
  if (auto const done = put_rate(object); !done) return pass(done);
  if (auto const done = put_headers(object); !done) return pass(done);
  if (!delivery.empty()) object["delivery"] = std::move(delivery);
  return object;
}

std::vector<std::string> StreamFlags::idle_flags(boost::json::object const& stream) const {
  std::vector<std::string> idle;
  if (breaker) idle.emplace_back("--breaker is kept, and has no effect in this version");
  if (signed_body && shown_at(stream, {"delivery", "sign_payload"}) == "no")
    idle.emplace_back("--signed-body has no effect, as the stream is not signed (--sign)");
  return idle;
}

}  // namespace millrace::commands
