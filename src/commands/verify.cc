// `millrace verify FILE`: is this signed delivery ours, and what does it say?
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <iostream>
#include <iterator>
#include <memory>

#include "commands/client.h"
#include "commands/commands.h"
#include "crypto/jwt.h"
#include "io/files.h"
#include "json/reader.h"
#include "receive/jwks_source.h"

namespace millrace::commands {
namespace {

constexpr std::uint64_t largest_jwt = 4 * 1024 * 1024;
constexpr std::uint64_t largest_jwks = 128 * 1024;

struct Verify {
  std::string file, jwks;
  Reach reach;  // ca, json
};

io::Task<void> fetch_into(receive::JwksSource::Fetch fetch, Result<std::string>& text) {
  text = co_await fetch();
}

Result<std::vector<crypto::Jwk>> keys_of_file(io::Files& files, std::string const& path) {
  auto const text = files.read_all(path, largest_jwks);
  if (!text) return pass(text);
  auto keys = crypto::parse_jwks(*text);
  if (!keys) return fail(Fault::invalid, fmt::format("{}: {}", path, keys.error().what));
  return keys;
}

// Every JWKS in the folder; other files in it are nobody's business.
Result<std::vector<crypto::Jwk>> keys_of_folder(io::Files& files, std::string const& folder) {
  auto const names = files.list(folder);
  if (!names) return pass(names);
  std::vector<crypto::Jwk> all;
  for (auto const& name : *names) {
    if (!name.ends_with(".json") && name != "jwks") continue;
    if (auto keys = keys_of_file(files, folder + '/' + name))
      for (auto& key : *keys) all.push_back(std::move(key));
  }
  if (all.empty()) return fail(Fault::missing, fmt::format("{}: has no JWKS (*.json)", folder));
  return all;
}

Result<std::vector<crypto::Jwk>> keys_at(std::string const& where, Reach const& reach) {
  io::DiskFiles files;
  if (!where.starts_with("https://") && !where.starts_with("http://")) {
    if (files.list(where)) return keys_of_folder(files, where);
    return keys_of_file(files, where);
  }
  auto url = http::parse_url(where);
  if (!url) return fail(Fault::invalid, fmt::format("--jwks: {}", url.error().what));
  auto desk = HttpDesk::open(trust_of(reach));
  if (!desk) return pass(desk);
  Result<std::string> text;
  (*desk)->run(fetch_into(receive::jwks_from_url((*desk)->client(), std::move(*url)), text));
  if (!text) return pass(text);
  return crypto::parse_jwks(*text);
}

Exit run(Verify const& args) {
  io::DiskFiles files;
  Result<std::string> jwt;
  if (args.file == "-")
    jwt = std::string(std::istreambuf_iterator<char>(std::cin), {});
  else
    jwt = files.read_all(args.file, largest_jwt);
  if (!jwt) return complain(jwt.error().what), Exit::failed;
  auto const keys = keys_at(args.jwks, args.reach);
  if (!keys) return complain(keys.error().what), Exit::failed;
  auto const verified = crypto::verify_jwt(*jwt, *keys);
  if (!verified)
    return complain(fmt::format("{}: does not verify: {}", args.file, verified.error().what)),
           Exit::no;
  if (args.reach.json) {
    fmt::print("{{\"header\":{},\"claims\":{}}}\n", verified->header, verified->claims);
  } else {
    fmt::print("Verified: signed with key {}\nHeader: {}\nClaims: {}\n", harmless(verified->kid),
               harmless(verified->header), harmless(verified->claims));
  }
  return Exit::done;
}

}  // namespace

Command verify_command() {
  return {
      .name = "verify",
      .summary = "Check the signature of a delivery, and print what it says",
      .group = Group::check,
      .examples =
          "  millrace verify delivery.jwt --jwks https://millrace.example.edu/jwks\n"
          "  millrace verify - --jwks jwks.json < delivery.jwt",
      .add = [](Flags app) -> std::function<Exit()> {
        auto const args = std::make_shared<Verify>();
        app.add_option("FILE", args->file, "A JWT, raw or quoted; -: standard input").required();
        app.add_option("--jwks", args->jwks,
                       "Where the public keys are: a URL, a file, or a folder of files")
            .type_name("URL|FILE|DIR")
            .required();
        add_ca(app, args->reach);
        app.add_flag("--json", args->reach.json, "Print JSON");
        return [args] { return run(*args); };
      }};
}

}  // namespace millrace::commands
