// `millrace attempts STREAM_ID`: what was tried, and how it went.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/nearest.h"
#include "commands/client.h"
#include "commands/commands.h"
#include "commands/naming.h"
#include "commands/table.h"
#include "commands/usage.h"
#include "model/catalog.h"

namespace millrace::commands {
namespace {

constexpr Duration look_again = std::chrono::seconds(1);
constexpr std::size_t remembered = 20'000;
constexpr std::size_t usual_limit = 50;
constexpr std::size_t wide = 180;  // columns of a window that has room for all

struct Attempts {
  Reach reach;
  std::string stream, outcome, event_type, since;
  std::optional<std::size_t> limit;
  bool follow = false, details = false;
};

// A time, or a span before now ("10min").
Result<std::string> time_of(std::string const& text, WallTime now) {
  if (auto const span = parse_duration(text)) return iso_ms(now - *span);
  auto const time = parse_time(text);
  if (!time)
    return fail(
        Fault::invalid,
        fmt::format(
            "--since: '{}' is neither a time like 2026-11-21T19:05:12Z nor a span like 10min",
            harmless(text)));
  return iso_ms(*time);
}

std::string query_of(Attempts const& args, std::string const& since) {
  std::string query;
  auto const put = [&query](std::string_view key, std::string const& value) {
    if (!value.empty())
      query += fmt::format("{}{}={}", query.empty() ? '?' : '&', key, percent(value));
  };
  put("outcome", args.outcome);
  put("event_type", args.event_type);
  put("since", since);
  return query;
}

// "new TLSv1.3 HTTP/2", "kept HTTP/1.1"; empty: it did not come so far.
std::string connection_of(boost::json::object const& attempt) {
  auto const http = shown(attempt, "http_version");
  if (http.empty()) return "";
  auto const is = [&](std::string_view key) { return shown(attempt, key) == "yes"; };
  auto text = std::string(is("reused") ? "kept" : "new");
  if (is("resent")) text += " resent";
  if (auto const tls = shown(attempt, "tls_version"); !tls.empty()) text += " " + tls;
  return text + " HTTP/" + http;
}

std::vector<std::string> cells_of(boost::json::object const& attempt) {
  auto verdict = shown(attempt, "outcome");
  if (auto const failure = shown(attempt, "class"); !failure.empty())
    verdict += " (" + failure + ")";
  auto run = shown(attempt, "run");
  if (shown(attempt, "kind") == "probe") run += " probe";
  return {shown(attempt, "at"),         shown(attempt, "event_id"),
          shown(attempt, "event_type"), run,
          shown(attempt, "attempt"),    verdict,
          shown(attempt, "status"),     shown(attempt, "duration_ms"),
          shown(attempt, "address"),    connection_of(attempt)};
}

// In a narrow window the columns of the connection are left out, which --details has, rather than the ends of ids.
Table table_of(boost::json::array const& items, std::size_t width) {
  std::vector<std::string> headings{"AT",      "EVENT",  "TYPE", "RUN",     "TRY",
                                    "OUTCOME", "STATUS", "MS",   "ADDRESS", "CONNECTION"};
  auto const columns = headings.size() - (width > 0 && width < wide ? 2 : 0);
  headings.resize(columns);
  Table table(std::move(headings), 2);
  for (auto const& item : items)
    if (auto const* const attempt = item.if_object()) {
      auto cells = cells_of(*attempt);
      cells.resize(columns);
      table.row(std::move(cells));
    }
  return table;
}

// What tells one attempt from another.
std::string mark_of(boost::json::object const& attempt) {
  return fmt::format("{} {} {} {}", shown(attempt, "event_id"), shown(attempt, "at"),
                     shown(attempt, "attempt"), shown(attempt, "run"));
}

// All that is known of one; a line without text stands behind it.
void print_details(boost::json::object const& attempt) {
  print_fields(attempt);
  fmt::print("\n");
}

class Follower {
 public:
  explicit Follower(Attempts const& args) : args_(args) {}
  // Ends only when the server does not answer any more, or the user interrupts.
  Exit run(ServerClient& server, HttpDesk& waits, std::string since) {
    for (;;) {
      auto items = server.items(fmt::format("/api/v1/data_streams/{}/attempts{}",
                                            percent(args_.stream), query_of(args_, since)));
      if (!items) return give_up(items.error());
      // They come newest first; people read downwards.
      std::ranges::reverse(*items);
      for (auto const& item : *items) {
        if (!item.is_object()) continue;
        auto const& attempt = item.get_object();
        if (!seen_.insert(mark_of(attempt)).second) continue;
        print(attempt);
        if (auto const at = shown(attempt, "at"); at > since) since = at;
      }
      std::fflush(stdout);
      if (seen_.size() > remembered) {
        // The page just read holds all that the next one can repeat.
        seen_.clear();
        for (auto const& item : *items)
          if (item.is_object()) seen_.insert(mark_of(item.get_object()));
      }
      waits.sleep(look_again);
    }
  }

 private:
  void print(boost::json::object const& attempt) const {
    if (args_.reach.json)
      print_json(attempt);
    else if (args_.details)
      print_details(attempt);
    else
      fmt::print("{}\n", fmt::join(cells_of(attempt), "  "));
  }
  Attempts const& args_;
  std::unordered_set<std::string> seen_;
};

// What is given and has no effect in this form of the command.
std::string unused_flags(Attempts const& args) {
  if (args.follow && args.limit) return "--limit is not used, as --follow shows all that is new";
  if (args.details && args.reach.json) return "--details is not used, as --json has all of it";
  return {};
}

// Any name can be an event type, so an unknown one is no fault; that nothing fits it may be a slip of the finger.
std::string nothing_found(Attempts const& args, std::string const& since) {
  if (query_of(args, since).empty()) return "No attempts yet.";
  auto const catalog = model::Catalog::load();
  std::string guess;
  if (!args.event_type.empty() && catalog.find(args.event_type) == nullptr) {
    Nearest near(args.event_type);
    for (auto const& event : catalog.events()) near.consider(event.name);
    guess = did_you_mean(near.found());
  }
  return fmt::format("No attempts that fit{}", guess.empty() ? "." : guess);
}

Exit run(Attempts& args) {
  if (auto const unused = unused_flags(args); !unused.empty()) remark(unused);
  auto waits = HttpDesk::open();
  if (!waits) return give_up(waits.error());
  std::string since;
  if (!args.since.empty()) {
    auto const time = time_of(args.since, (*waits)->clock().wall());
    if (!time) return give_up(time.error());
    since = *time;
  }
  auto server = ServerClient::open(args.reach);
  if (!server) return give_up(server.error());
  auto id = find_id(*server, streams_kind, args.stream);
  if (!id) return give_up(id.error());
  args.stream = std::move(*id);
  if (args.follow) {
    if (since.empty()) since = iso_ms((*waits)->clock().wall() - std::chrono::minutes(1));
    return Follower(args).run(*server, **waits, since);
  }
  auto const items = server->items(fmt::format("/api/v1/data_streams/{}/attempts{}",
                                               percent(args.stream), query_of(args, since)),
                                   args.limit.value_or(usual_limit));
  if (!items) return give_up(items.error());
  if (args.reach.json) return print_json_list(*items), Exit::done;
  if (args.details && !items->empty()) {
    for (auto const& item : *items)
      if (item.is_object()) print_details(item.get_object());
    return Exit::done;
  }
  auto const table = table_of(*items, window_width());
  if (table.empty())
    fmt::print("{}\n", nothing_found(args, since));
  else
    table.print();
  return Exit::done;
}

}  // namespace

Command attempts_command() {
  return {
      .name = "attempts",
      .summary = "Show what was tried for a data stream, newest first",
      .group = Group::look,
      .examples =
          "  millrace attempts \"My first\" --outcome failed --since 1h\n"
          "  millrace attempts STREAM --limit 1 --details\n"
          "  millrace attempts STREAM --follow",
      .add = [](Flags app) -> std::function<Exit()> {
        auto const args = std::make_shared<Attempts>();
        app.add_option("STREAM", args->stream, "Id of the data stream, its beginning, or its name")
            .required();
        app.add_option("--outcome", args->outcome, "Only those: delivered or failed")
            .one_of({"delivered", "failed"});
        app.add_option("--event-type", args->event_type, "Only this event type").type_name("NAME");
        app.add_option("--since", args->since,
                       "Only from this time on, or from a span ago (10min, 24h)")
            .type_name("TIME");
        app.add_option("--limit", args->limit, "How many at most (50)")
            .between(1, 100'000)
            .type_name("N");
        app.add_flag("--details,-d", args->details,
                     "All that is known of each: phases, connection, certificate, answer");
        app.add_flag("--follow,-f", args->follow, "Go on showing new ones as they come");
        add_reach(app, args->reach);
        return [args] { return run(*args); };
      }};
}

}  // namespace millrace::commands
