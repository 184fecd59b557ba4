// `millrace streams …`: data streams by name of what people do with them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "io/files.h"

namespace millrace::cli {
namespace {

constexpr std::string_view streams_path = "/api/v1/data_streams";

struct StreamFlags {  // of `add` and `edit`
  std::optional<std::string> name, url, account, format, signed_body, contact_email, breaker;
  std::optional<std::string> ca_certificates, client_certificate, client_key, rate_limit;
  std::optional<bool> sign;
  std::vector<std::string> event_types, headers;

  void add_to(CLI::App& app, bool required) {
    app.add_option("--name", name, "What people call it")->required(required);
    app.add_option("--url", url, "Where events are sent, https://…")
        ->type_name("URL")
        ->required(required);
    auto* const of_account =
        app.add_option("--account", account,
                       "Root account uuid; \"*\": every account (operator only)")
            ->type_name("UUID");
    if (required)
      of_account->required();
    else
      app.remove_option(of_account);
    app.add_option("--event-type", event_types,
                   "Name of an event type; repeat for more; \"*\": all")
        ->type_name("NAME")
        ->required(required);
    app.add_option("--format", format, "Form of the events: canvas (default) or caliper")
        ->check(CLI::IsMember({"canvas", "caliper"}));
    // Not a flag of the optional itself: CLI11 would set it to false where it is not given.
    app.add_flag_callback("--sign", [this] { sign = true; }, "Send signed JWTs (RS256)");
    app.add_flag_callback("--no-sign", [this] { sign = false; }, "Send plain JSON");
    app.add_option("--signed-body", signed_body,
                   "How a JWT is sent: raw (default), quoted (as hosted Canvas does), jwt (as "
                   "application/jwt)")
        ->check(CLI::IsMember({"raw", "quoted", "jwt"}));
    app.add_option("--header", headers,
                   "Extra request header; repeat for more; the value is kept secret")
        ->type_name("'NAME: VALUE'");
    app.add_option("--contact-email", contact_email, "Who is told when the stream fails")
        ->type_name("ADDRESS")
        ->required(required);
    app.add_option("--breaker", breaker,
                   "on (default): wait while the endpoint is down; off: four tries for each event")
        ->check(CLI::IsMember({"on", "off"}));
    app.add_option("--rate-limit", rate_limit,
                   "Tries a second at most, 0.1 to 100000; none: no limit (default)")
        ->type_name("N");
    app.add_option(
           "--ca-certificates", ca_certificates,
           "PEM file of authorities to trust for this stream, beside the system's; '': none")
        ->type_name("FILE");
    app.add_option("--client-certificate", client_certificate,
                   "PEM file, leaf first, for a receiver that asks who we are; '': none")
        ->type_name("FILE");
    app.add_option("--client-key", client_key,
                   "PEM file with its key, without a pass phrase; kept secret; '': none")
        ->type_name("FILE");
  }

  Result<void> put_tls(boost::json::object& delivery) const {
    io::DiskFiles files;
    boost::json::object tls;
    for (auto const& [key, file] : {std::pair("ca_certificates", &ca_certificates),
                                    std::pair("client_certificate", &client_certificate),
                                    std::pair("client_key", &client_key)}) {
      if (!*file) continue;
      if ((*file)->empty()) {
        tls[key] = nullptr;
        continue;
      }
      auto text = files.read_all(**file, 1 << 20);
      if (!text) return pass(text);
      tls[key] = std::move(*text);
    }
    if (!tls.empty()) delivery["tls"] = std::move(tls);
    return {};
  }

  Result<void> put_rate(boost::json::object& object) const {
    if (!rate_limit) return {};
    double number = 0;
    auto const* const end = rate_limit->data() + rate_limit->size();
    auto const [at, error] = std::from_chars(rate_limit->data(), end, number);
    if (*rate_limit == "none")
      object["rate_limit"] = nullptr;
    else if (error == std::errc() && at == end)
      object["rate_limit"] = number;
    else
      return fail(Fault::invalid, "--rate-limit: is neither a number nor none");
    return {};
  }

  Result<boost::json::object> body(bool fresh) const {
    boost::json::object object, delivery;
    auto const put = [](boost::json::object& into, char const* key,
                        std::optional<std::string> const& value) {
      if (value) into[key] = *value;
    };
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
    if (!delivery.empty()) object["delivery"] = std::move(delivery);
    for (auto const& header : headers) {
      auto const colon = header.find(':');
      if (colon == 0 || colon == std::string::npos)
        return fail(Fault::invalid, "--header: is not of the form 'Name: value'");
      auto const value = header.find_first_not_of(' ', colon + 1);
      auto& all = object["headers"];
      if (!all.is_object()) all.emplace_object();
      // An empty value takes the header away again.
      if (value == std::string::npos)
        all.get_object()[header.substr(0, colon)] = nullptr;
      else
        all.get_object()[header.substr(0, colon)] = header.substr(value);
    }
    return object;
  }
};

struct Streams {
  Reach reach;
  std::string id, from;
  StreamFlags flags;
  std::function<Exit()> chosen;
};

std::string path_of(std::string const& id, std::string_view action = "") {
  return fmt::format("{}/{}{}{}", streams_path, percent(id), action.empty() ? "" : "/", action);
}

// A certificate is no text for people: how many there are is.
void abridge_certificates(boost::json::object& stream) {
  auto* const delivery = stream.if_contains("delivery");
  auto* const tls = delivery != nullptr && delivery->is_object()
                        ? delivery->get_object().if_contains("tls")
                        : nullptr;
  if (tls == nullptr || !tls->is_object()) return;
  for (auto& member : tls->get_object()) {
    if (!member.value().is_string()) continue;
    std::string_view const text = member.value().get_string();
    std::size_t count = 0;
    for (auto at = text.find("BEGIN"); at != text.npos; at = text.find("BEGIN", at + 1)) ++count;
    member.value() = fmt::format("{} in PEM", count);
  }
}

void print_stream(boost::json::object stream, bool as_json) {
  if (as_json) return print_json(stream);
  abridge_certificates(stream);
  print_fields(stream);
}

Exit list(Streams& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const items = server->items(std::string(streams_path));
  if (!items) return give_up(items.error());
  if (args.reach.json) {
    print_json(boost::json::object{{"items", *items}, {"next", nullptr}});
    return Exit::done;
  }
  Table table({"ID", "NAME", "STATE", "FORMAT", "SIGNED", "EVENT TYPES", "URL"});
  for (auto const& item : *items) {
    if (!item.is_object()) continue;
    auto const& stream = item.get_object();
    auto state = shown(stream, "state");
    if (auto const reason = shown(stream, "state_reason"); !reason.empty())
      state += " (" + reason + ")";
    table.row({shown(stream, "id"), shown(stream, "name"), state, shown(stream, "format"),
               shown_at(stream, {"delivery", "sign_payload"}), shown(stream, "event_types"),
               shown_at(stream, {"delivery", "url"})});
  }
  if (table.empty())
    fmt::print("No data streams yet. Add one: millrace streams add --help\n");
  else
    table.print();
  return Exit::done;
}

Exit show(Streams& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const stream = server->object("GET", path_of(args.id));
  if (!stream) return give_up(stream.error());
  print_stream(*stream, args.reach.json);
  if (args.reach.json) return Exit::done;
  // How it does, where the server tells it.
  if (auto const health = server->object("GET", path_of(args.id, "health"))) {
    fmt::print("health:\n");
    print_fields(*health, 2);
  }
  return Exit::done;
}

Exit add(Streams& args) {
  auto const body = args.flags.body(true);
  if (!body) return give_up(body.error());
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const stream =
      server->object("POST", std::string(streams_path), boost::json::serialize(*body));
  if (!stream) return give_up(stream.error());
  if (args.reach.json) return print_json(*stream), Exit::done;
  auto const id = shown(*stream, "id");
  fmt::print("Added data stream {}\n", id);
  fmt::print(
      "Next: millrace streams test {} sends a test event; millrace attempts {} --follow shows "
      "deliveries.\n",
      id, id);
  return Exit::done;
}

Exit edit(Streams& args) {
  auto const body = args.flags.body(false);
  if (!body) return give_up(body.error());
  if (body->empty())
    return give_up(
        {Fault::invalid,
         "nothing to change: give at least one flag (see `millrace streams edit --help`)"});
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const stream = server->object("PATCH", path_of(args.id), boost::json::serialize(*body));
  if (!stream) return give_up(stream.error());
  print_stream(*stream, args.reach.json);
  return Exit::done;
}

Exit remove(Streams& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const gone = server->object("DELETE", path_of(args.id));
  if (!gone) return give_up(gone.error());
  if (args.reach.json)
    print_json(boost::json::object{{"id", args.id}, {"deleted", true}});
  else
    fmt::print("Deleted data stream {}\n", args.id);
  return Exit::done;
}

// One of the actions of a stream; `done`: what people read.
Exit act(Streams& args, std::string_view action, std::string_view done,
         std::string const& body = {}) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const answer = server->object("POST", path_of(args.id, action), body);
  if (!answer) return give_up(answer.error());
  if (args.reach.json) {
    print_json(*answer);
  } else if (auto const other = shown(*answer, "id"); !other.empty() && other != args.id) {
    fmt::print("{}: {}\n", done, other);
  } else {
    fmt::print("{}: {}\n", done, args.id);
  }
  return Exit::done;
}

Exit activate(Streams& args) {
  auto const body = boost::json::serialize(boost::json::object{{"from", args.from}});
  return act(args, "activate", "Active data stream", body);
}

Exit test(Streams& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const answer = server->object("POST", path_of(args.id, "test"));
  if (!answer) return give_up(answer.error());
  if (args.reach.json)
    print_json(*answer);
  else
    print_fields(*answer);
  // An attempt is answered: the endpoint's verdict is that of the command.
  auto const outcome = shown(*answer, "outcome");
  return outcome.empty() || outcome == "delivered" ? Exit::done : Exit::no;
}

}  // namespace

Command streams_command() {
  return {
      .name = "streams",
      .summary = "List, add, edit, stop and start data streams",
      .group = Group::manage,
      .examples =
          "  millrace streams add --name \"My first\" --url https://ally.example.edu/events --sign "
          "\\\n"
          "      --account UUID --event-type grade_change --event-type submission_created \\\n"
          "      --contact-email admin@example.edu\n"
          "  millrace streams list\n"
          "  millrace streams edit ID --event-type '*'\n"
          "  millrace streams edit ID --client-certificate cert.pem --client-key key.pem\n"
          "  millrace streams edit ID --rate-limit 50\n"
          "  millrace streams activate ID --from 2026-11-21T06:00:00Z",
      .add = [](CLI::App& app) -> std::function<Exit()> {
        auto const args = std::make_shared<Streams>();
        app.require_subcommand(1);
        auto const leaf = [&](std::string const& name, std::string const& summary, bool with_id,
                              Exit (*run)(Streams&)) {
          auto* const sub = app.add_subcommand(name, summary);
          if (with_id) sub->add_option("ID", args->id, "Id of the data stream")->required();
          add_reach(*sub, args->reach);
          sub->callback(
              [state = args.get(), run] { state->chosen = [state, run] { return run(*state); }; });
          return sub;
        };
        leaf("list", "List them", false, list);
        leaf("show", "Show one, with its health", true, show);
        args->flags.add_to(*leaf("add", "Add one", false, add), true);
        args->flags.add_to(*leaf("edit", "Change one; what is not named stays", true, edit), false);
        leaf("duplicate", "Add a copy of one", true,
             [](Streams& a) { return act(a, "duplicate", "Added data stream"); });
        leaf("deactivate", "Stop sending; events wait", true,
             [](Streams& a) { return act(a, "deactivate", "Deactivated data stream"); });
        leaf("activate", "Send again", true, activate)
            ->add_option(
                "--from", args->from,
                "now (skip what waited), stop (go on where it stopped), or a time of acceptance")
            ->type_name("now|stop|TIME")
            ->required();
        leaf("delete", "Delete one, with what waits for it", true, remove);
        leaf("test", "Send a test event now", true, test);
        return [args] { return args->chosen(); };
      }};
}

}  // namespace millrace::cli
