#include "commands/reach.h"

#include <fmt/format.h>

#include <cstdlib>

#include "commands/process.h"
#include "io/files.h"

namespace millrace::commands {
namespace {

std::optional<std::string> variable(char const* name) {
  char const* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::string(text);
}

std::unexpected<Error> empty_variable(std::string_view name) {
  return fail(Fault::invalid,
              fmt::format("{}: is set and empty; give it a value, or unset it", name));
}

// It becomes part of a header.
Result<std::string> checked_token(std::string token, std::string_view from) {
  if (token.empty())
    return fail(Fault::invalid, fmt::format("{}: is empty; give a token, or leave it out", from));
  for (char const c : token)
    if (auto const byte = static_cast<unsigned char>(c); byte <= ' ' || byte >= 0x7f)
      return fail(
          Fault::invalid,
          fmt::format("{}: holds spaces, control or other characters that no token has", from));
  return token;
}

}  // namespace

void add_reach(Flags app, Reach& reach) {
  app.add_option_function(
         "--server",
         [&reach](std::string const& url) {
           if (url.empty()) refuse("--server", "is empty; give a URL");
           reach.server = url;
         },
         fmt::format("URL of the server; else MILLRACE_SERVER, else {}", usual_server))
      .type_name("URL");
  app.add_option_function(
         "--token", [&reach](std::string const& token) { reach.token = token; },
         "Bearer token; else MILLRACE_TOKEN, else DIR/admin.token")
      .type_name("TOKEN");
  app.add_option("--data", reach.data,
                 "Folder of a server on this machine, for its admin.token; ./data where no server "
                 "is named")
      .type_name("DIR");
  add_ca(app, reach);
  app.add_option_function(
         "--wait",
         [&reach](std::string const& text) {
           auto const span = parse_duration(text);
           if (!span || *span > std::chrono::hours(1))
             refuse("--wait", "is not a time up to 1h, like 30s or 2min");
           reach.wait = *span;
         },
         "Wait this long for the server to be ready (0s)")
      .type_name("TIME");
  app.add_flag("--json", reach.json, "Print JSON");
}

void add_ca(Flags app, Reach& reach) {
  app.add_option_function(
         "--ca",
         [&reach](std::string const& file) {
           if (file.empty()) refuse("--ca", "is empty; give a file");
           reach.ca = file;
         },
         "PEM file of an authority to trust beside the system's; else MILLRACE_CA")
      .type_name("FILE");
}

http::TlsSettings trust_of(Reach const& reach) {
  http::TlsSettings settings;
  settings.extra_ca_file = reach.ca;
  return settings;
}

bool names_server(Reach const& reach) {
  return !reach.server.empty() || variable("MILLRACE_SERVER").has_value();
}

Result<std::string> find_server(Reach const& reach) {
  if (!reach.server.empty()) return reach.server;
  auto named = variable("MILLRACE_SERVER");
  if (!named) return std::string(usual_server);
  if (named->empty()) return empty_variable("MILLRACE_SERVER");
  return std::move(*named);
}

Result<std::string> find_token(Reach const& reach) {
  if (reach.token) return checked_token(*reach.token, "--token");
  if (auto named = variable("MILLRACE_TOKEN")) {
    if (named->empty()) return empty_variable("MILLRACE_TOKEN");
    return checked_token(std::move(*named), "MILLRACE_TOKEN");
  }
  if (!reach.data.empty()) return token_in(reach.data);
  // Without any flag it is the server of this folder that is meant; never send its token anywhere else unasked.
  if (names_server(reach))
    return fail(Fault::denied,
                "no token: give --token, MILLRACE_TOKEN, or --data DIR with the folder of the "
                "server");
  return token_in("./data");
}

Result<std::string> token_in(std::string const& folder) {
  io::DiskFiles files;
  auto const path = folder + "/admin.token";
  auto token = files.read_all(path, 4096);
  if (!token)
    return fail(Fault::denied, fmt::format("no token: {}; give --token, MILLRACE_TOKEN, or --data "
                                           "DIR with the folder of the server",
                                           token.error().what));
  while (!token->empty() &&
         (token->back() == '\n' || token->back() == '\r' || token->back() == ' '))
    token->pop_back();
  return checked_token(std::move(*token), path);
}

std::string unused_of(Reach const& reach) {
  if (reach.data.empty()) return {};
  if (reach.token) return "--data is not used, as --token is given";
  if (variable("MILLRACE_TOKEN")) return "--data is not used, as MILLRACE_TOKEN is set";
  return {};
}

std::string unused_offline(Reach const& reach) {
  std::string flags;
  for (auto const& [flag, given] :
       {std::pair("--server", !reach.server.empty()), std::pair("--token", reach.token.has_value()),
        std::pair("--ca", !reach.ca.empty()), std::pair("--wait", reach.wait > Duration::zero())})
    if (given) flags += (flags.empty() ? "" : ", ") + std::string(flag);
  if (flags.empty()) return {};
  return flags + (flags.contains(',') ? " are" : " is") +
         " not used, as --offline looks at the folder alone";
}

std::string again(Reach const& reach, std::string_view words) {
  auto text = fmt::format("{} {}", program_word(), words);
  if (!reach.server.empty()) text += " --server " + shell_word(reach.server);
  if (!reach.ca.empty()) text += " --ca " + shell_word(reach.ca);
  if (reach.token)
    text += " --token TOKEN";
  else if (!reach.data.empty())
    text += " --data " + shell_word(reach.data);
  return text;
}

}  // namespace millrace::commands
