// `millrace streams …`: data streams by name of what people do with them.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <memory>
#include <string>

#include "commands/client.h"
#include "commands/commands.h"
#include "commands/confirm.h"
#include "commands/naming.h"
#include "commands/stream_flags.h"
#include "commands/table.h"

namespace millrace::commands {
namespace {

struct Streams {
  Reach reach;
  std::string id, from, event_type;
  bool yes = false;
  StreamFlags flags;
  std::function<Exit()> chosen;
};

std::string path_of(std::string const& id, std::string_view action = "") {
  return fmt::format("{}/{}{}{}", streams_kind.path, percent(id), action.empty() ? "" : "/",
                     action);
}

// A server, and the id that the person's word means put in the word's place.
Result<ServerClient> open_for(Streams& args) {
  auto server = ServerClient::open(args.reach);
  if (!server) return server;
  auto id = find_id(*server, streams_kind, args.id);
  if (!id) return pass(id);
  args.id = std::move(*id);
  return server;
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
  auto const items = server->items(std::string(streams_kind.path));
  if (!items) return give_up(items.error());
  if (args.reach.json) return print_json_list(*items), Exit::done;
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
    fmt::print("No data streams yet. Add one: {}\n", again(args.reach, "streams add --help"));
  else
    table.print();
  return Exit::done;
}

Exit show(Streams& args) {
  auto server = open_for(args);
  if (!server) return give_up(server.error());
  auto stream = server->object("GET", path_of(args.id));
  if (!stream) return give_up(stream.error());
  auto const health = server->object("GET", path_of(args.id, "health"));
  if (!health) return give_up(health.error());
  (*stream)["health"] = *health;
  print_stream(*stream, args.reach.json);
  return Exit::done;
}

// What a person should know of a stream that was just made or changed: what the server remarks, and flags that have no effect on it.
void remark_on(StreamFlags const& flags, boost::json::object const& stream) {
  remark_warnings(stream);
  for (auto const& idle : flags.idle_flags(stream)) remark(idle);
}

Exit add(Streams& args) {
  auto const body = args.flags.body(true);
  if (!body) return give_up(body.error());
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto const stream =
      server->object("POST", std::string(streams_kind.path), boost::json::serialize(*body));
  if (!stream) return give_up(stream.error());
  auto const id = shown(*stream, "id");
  if (args.reach.json)
    print_json(*stream);
  else
    fmt::print("Added data stream {}\nSend it a test event:  {}\nSee what is tried:     {}\n", id,
               again(args.reach, "streams test " + id),
               again(args.reach, "attempts " + id + " --follow"));
  remark_on(args.flags, *stream);
  return Exit::done;
}

Exit edit(Streams& args) {
  auto const body = args.flags.body(false);
  if (!body) return give_up(body.error());
  if (body->empty())
    return give_up(
        {Fault::invalid,
         "nothing to change: give at least one flag (see `millrace streams edit --help`)"});
  auto server = open_for(args);
  if (!server) return give_up(server.error());
  auto const stream = server->object("PATCH", path_of(args.id), boost::json::serialize(*body));
  if (!stream) return give_up(stream.error());
  print_stream(*stream, args.reach.json);
  remark_on(args.flags, *stream);
  return Exit::done;
}

// "data stream X (ID)" and how it does; what is lost is told from these.
struct Standing {
  std::string title;
  std::uint64_t waiting = 0, undelivered = 0;
};

Result<Standing> standing_of(ServerClient& server, std::string const& id) {
  auto const stream = server.object("GET", path_of(id));
  if (!stream) return pass(stream);
  auto const health = server.object("GET", path_of(id, "health"));
  if (!health) return pass(health);
  return Standing{fmt::format("data stream \"{}\" ({})", shown(*stream, "name"), id),
                  count_at(*health, {"waiting"}), count_at(*health, {"undelivered"})};
}

std::uint64_t number_of(ServerClient::Reply const& reply, std::string_view header) {
  std::uint64_t number = 0;
  auto const text = http::find_header(reply.headers, header).value_or("");
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Exit remove(Streams& args) {
  auto server = open_for(args);
  if (!server) return give_up(server.error());
  auto const standing = standing_of(*server, args.id);
  if (!standing) return give_up(standing.error());
  if (auto const stopped = unless_sure(
          fmt::format("This deletes {}, {} that wait for it, {} that it keeps as undelivered, and "
                      "the record of its attempts.",
                      standing->title, counted(standing->waiting, "event"),
                      counted(standing->undelivered, "event")),
          args.yes))
    return *stopped;
  auto const gone = server->call("DELETE", path_of(args.id));
  if (!gone) return give_up(gone.error());
  auto const waited = number_of(*gone, "Millrace-Dropped-Events");
  auto const kept = number_of(*gone, "Millrace-Dropped-Undelivered");
  if (args.reach.json) {
    print_json(boost::json::object{
        {"id", args.id}, {"deleted", true}, {"dropped", waited}, {"undelivered", kept}});
  } else if (gone->status == 202) {
    fmt::print("Deleted {}; what waited for it and what it kept goes as soon as the service can\n",
               standing->title);
  } else {
    fmt::print("Deleted {}; {} that waited and {} that it kept as undelivered went with it\n",
               standing->title, counted(waited, "event"), counted(kept, "event"));
  }
  return Exit::done;
}

// One of the actions of a stream; `done`: what people read.
Exit act(Streams& args, ServerClient& server, std::string_view action, std::string_view done,
         std::string const& body = {}) {
  auto const answer = server.object("POST", path_of(args.id, action), body);
  if (!answer) return give_up(answer.error());
  if (args.reach.json) return print_json(*answer), Exit::done;
  fmt::print("{}: {} ({})\n", done, shown(*answer, "id"), shown(*answer, "name"));
  if (answer->contains("applied"))
    fmt::print("It is stored, and the service works by it as soon as it can\n");
  auto const* const skipped = answer->if_contains("skipped");
  if (skipped != nullptr && skipped->is_number())
    fmt::print("{} that waited skipped\n", counted(skipped->to_number<std::uint64_t>(), "event"));
  return Exit::done;
}

Exit duplicate(Streams& args) {
  auto server = open_for(args);
  if (!server) return give_up(server.error());
  return act(args, *server, "duplicate", "Added data stream, not active yet");
}

Exit deactivate(Streams& args) {
  auto server = open_for(args);
  if (!server) return give_up(server.error());
  return act(args, *server, "deactivate", "Deactivated data stream");
}

// What waits is skipped by all but "stop"; only where something waits there is something to ask.
Exit activate(Streams& args) {
  auto server = open_for(args);
  if (!server) return give_up(server.error());
  if (args.from != "stop") {
    auto const standing = standing_of(*server, args.id);
    if (!standing) return give_up(standing.error());
    if (standing->waiting > 0)
      if (auto const stopped = unless_sure(
              fmt::format("This skips {} of the {} that wait for {}: it is not sent any more.",
                          args.from == "now" ? "all" : "what was accepted before " + args.from,
                          counted(standing->waiting, "event"), standing->title),
              args.yes))
        return *stopped;
  }
  return act(args, *server, "activate", "Active data stream",
             boost::json::serialize(boost::json::object{{"from", args.from}}));
}

// "Delivered: 204 in 3.1 ms from 192.0.2.7:443", "Not delivered (connect): Connection refused".
std::string verdict_of(boost::json::object const& attempt) {
  auto const status = shown(attempt, "status"), address = shown(attempt, "address");
  auto const way =
      fmt::format("{}{} ms{}", status.empty() ? "" : status + " in ", shown(attempt, "duration_ms"),
                  address.empty() ? "" : " from " + address);
  if (shown(attempt, "outcome") == "delivered") return "Delivered: " + way;
  auto const reason = shown(attempt, "reason");
  return fmt::format("Not delivered ({}): {}", shown(attempt, "class"),
                     reason.empty() ? way : reason);
}

// Without what is null or empty: of an attempt that failed early that is most of it.
boost::json::object without_nothing(boost::json::object const& object) {
  boost::json::object some;
  for (auto const& member : object) {
    auto const* const inner = member.value().if_object();
    if (inner != nullptr) {
      if (auto left = without_nothing(*inner); !left.empty()) some[member.key()] = std::move(left);
    } else if (!shown(&member.value()).empty()) {
      some[member.key()] = member.value();
    }
  }
  return some;
}

Exit test(Streams& args) {
  auto server = open_for(args);
  if (!server) return give_up(server.error());
  boost::json::object body;
  if (!args.event_type.empty()) body["event_type"] = args.event_type;
  auto const answer =
      server->object("POST", path_of(args.id, "test"), boost::json::serialize(body));
  if (!answer) return give_up(answer.error());
  if (args.reach.json) {
    print_json(*answer);
  } else {
    fmt::print("{}\n\n", verdict_of(*answer));
    print_fields(without_nothing(*answer));
  }
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
          "  millrace streams edit \"My first\" --event-type '*'\n"
          "  millrace streams edit STREAM --client-certificate cert.pem --client-key key.pem\n"
          "  millrace streams edit STREAM --rate-limit 50\n"
          "  millrace streams activate STREAM --from 2026-11-21T06:00:00Z\n"
          "\n"
          "STREAM is an id, the beginning of one (4 characters or more), or a name.",
      .add = [](Flags app) -> std::function<Exit()> {
        auto const args = std::make_shared<Streams>();
        app.require_subcommand(1);
        auto const leaf = [&](std::string const& name, std::string const& summary, bool with_id,
                              Exit (*run)(Streams&)) {
          auto const sub = app.add_subcommand(name, summary);
          if (with_id)
            sub.add_option("STREAM", args->id, "Id of the data stream, its beginning, or its name")
                .required();
          add_reach(sub, args->reach);
          sub.callback(
              [state = args.get(), run] { state->chosen = [state, run] { return run(*state); }; });
          return sub;
        };
        leaf("list", "List them", false, list);
        leaf("show", "Show one, with its health", true, show);
        args->flags.add_to(leaf("add", "Add one", false, add), true);
        args->flags.add_to(leaf("edit", "Change one; what is not named stays", true, edit), false);
        leaf("duplicate", "Add a copy of one, not active yet", true, duplicate);
        leaf("deactivate", "Stop sending; events wait", true, deactivate);
        auto const activating = leaf("activate", "Send again", true, activate);
        activating
            .add_option(
                "--from", args->from,
                "now (skip what waited), stop (go on where it stopped), or a time of acceptance")
            .type_name("now|stop|TIME")
            .required();
        add_yes(activating, args->yes);
        add_yes(leaf("delete", "Delete one, with what waits for it", true, remove), args->yes);
        leaf("test", "Send a test event now; exit status 1: it was not delivered", true, test)
            .add_option(
                "--event-type", args->event_type,
                "Whose example of the catalogue is sent; by default the stream's first type")
            .type_name("NAME");
        return [args] { return args->chosen(); };
      }};
}

}  // namespace millrace::commands
