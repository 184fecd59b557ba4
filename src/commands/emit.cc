// `millrace emit FILE...`: sends events to a server, as Canvas would or as JSON.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/client.h"
#include "commands/commands.h"
#include "commands/emit_sender.h"
#include "commands/emit_source.h"
#include "commands/process.h"
#include "commands/sample_day.h"
#include "commands/usage.h"

namespace millrace::commands {
namespace {

constexpr std::size_t refusals_told = 10;
constexpr Duration bar_every = std::chrono::milliseconds(200);

struct Emit {
  std::vector<std::string> files;
  std::string to, as, access_key, secret_key, session_token, stream = "live-events",
                                                             region = "us-east-1", rate, account;
  Reach reach;  // token, data, json
  std::size_t sample = 0;
  std::uint64_t seed = 1;
};

// "500/s", "500": events a second.
Result<double> rate_of(std::string_view text) {
  if (text.empty()) return 0.0;
  if (text.ends_with("/s")) text.remove_suffix(2);
  double rate = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc() || end != text.data() + text.size() || !(rate >= 0.001) || rate > 1e7)
    return fail(Fault::invalid, "--rate: is not a number of events a second, like 100/s");
  return rate;
}

// On a terminal, one line that is written over and over; else nothing.
class Bar {
 public:
  explicit Bar(io::Clock& clock)
      : clock_(clock), on_(::isatty(STDERR_FILENO) != 0), start_(clock.now()) {}
  Bar(Bar const&) = delete;
  Bar& operator=(Bar const&) = delete;
  ~Bar() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
  }
  void show(std::size_t sent, std::size_t refused, EmitSource const& source) {
    auto const now = clock_.now();
    if (!on_ || (drawn_ && now - drawn_at_ < bar_every)) return;
    drawn_ = true;
    drawn_at_ = now;
    double const elapsed = std::max(seconds(now - start_), 0.001);
    std::string bar;
    if (source.total_bytes() > 0) {
      constexpr std::size_t width = 30;
      double const part = std::min(1.0, static_cast<double>(source.read_bytes()) /
                                            static_cast<double>(source.total_bytes()));
      auto const full = static_cast<std::size_t>(part * width);
      bar = fmt::format("[{}{}] {:3.0f} %  ", std::string(full, '#'),
                        std::string(width - full, '.'), part * 100);
    }
    fmt::print(stderr, "\r\033[K{}{} events, {:.0f}/s{}", bar, sent,
               static_cast<double>(sent) / elapsed,
               refused > 0 ? fmt::format(", {} refused", refused) : "");
    std::fflush(stderr);
  }

 private:
  io::Clock& clock_;
  bool on_, drawn_ = false;
  SteadyTime start_, drawn_at_{};
};

struct Totals {
  std::size_t sent = 0, refused = 0;
  std::size_t dead_letters = 0;  // taken, but no events; not among those that were sent
  std::vector<Refused> told;
};

// Sends all; a failure ends it, with what was sent before in `totals`.
Result<void> send_all(EmitSource& source, EmitSender& sender, HttpDesk& desk, double rate,
                      Totals& totals) {
  Bar bar(desk.clock());
  auto const start = desk.clock().now();
  // Smaller batches for small rates, so that the stream is even.
  auto const most = rate > 0 ? std::clamp<std::size_t>(static_cast<std::size_t>(rate / 10), 1,
                                                       sender.batch_events())
                             : sender.batch_events();
  std::vector<EmitEvent> batch;
  std::size_t bytes = 0, begun = 0;
  auto const flush = [&]() -> Result<void> {
    if (batch.empty()) return {};
    if (rate > 0) {
      auto const due =
          start + std::chrono::duration_cast<SteadyTime::duration>(
                      std::chrono::duration<double>(static_cast<double>(begun) / rate));
      if (due > desk.clock().now()) desk.sleep(due - desk.clock().now());
    }
    begun += batch.size();
    auto outcome = sender.send(batch);
    if (!outcome) return pass(outcome);
    auto const letters = std::min(outcome->dead_letters, outcome->accepted);
    totals.sent += outcome->accepted - letters;
    totals.dead_letters += letters;
    totals.refused += outcome->refused.size();
    for (auto& refused : outcome->refused)
      if (totals.told.size() < refusals_told) totals.told.push_back(std::move(refused));
    batch.clear();
    bytes = 0;
    bar.show(totals.sent, totals.refused, source);
    return {};
  };
  for (;;) {
    auto event = source.next();
    if (!event) return pass(event);
    if (!*event) return flush();
    auto const size = (*event)->json.size() + 64;
    if (batch.size() >= most || (!batch.empty() && bytes + size > sender.batch_bytes()))
      if (auto flushed = flush(); !flushed) return flushed;
    bytes += size;
    batch.push_back(std::move(**event));
  }
}

// What is given for the other way of sending, or of finding events; empty: all is used.
std::string unused_flags(Emit const& args, bool kinesis) {
  if (kinesis && (args.reach.token || !args.reach.data.empty()))
    return "--token and --data are not used with --as kinesis, which signs by --access-key";
  if (!kinesis && (!args.access_key.empty() || !args.session_token.empty()))
    return "--access-key and --session-token are not used with --as json, which has a token";
  if (args.sample == 0 && !args.account.empty())
    return "--account is not used, as the events of files name their own";
  return kinesis ? std::string() : unused_of(args.reach);
}

Result<std::unique_ptr<EmitSender>> sender_for(Emit const& args, SendTo to) {
  bool const kinesis = args.as == "kinesis" || (args.as.empty() && !args.access_key.empty());
  if (auto const unused = unused_flags(args, kinesis); !unused.empty()) remark(unused);
  if (!kinesis) {
    auto reach = args.reach;
    reach.server = args.to;
    auto token = find_token(reach);
    if (!token) return pass(token);
    return json_sender(std::move(to), std::move(*token));
  }
  if (args.access_key.empty() || args.secret_key.empty())
    return fail(Fault::invalid,
                "--as kinesis: needs --access-key and --secret-key (millrace access-keys add makes "
                "a pair)");
  for (auto const* text : {&args.access_key, &args.session_token, &args.region})
    for (char const c : *text)
      if (auto const byte = static_cast<unsigned char>(c); byte <= ' ' || byte >= 0x7f)
        return fail(
            Fault::invalid,
            "--access-key, --session-token and --region hold no spaces or control characters");
  return kinesis_sender(std::move(to), {args.access_key, args.secret_key, args.session_token},
                        args.region, args.stream);
}

void print_totals(Emit const& args, Totals const& totals) {
  if (!args.reach.json) {
    fmt::print("Sent {} events{}.\n", totals.sent,
               totals.dead_letters > 0
                   ? fmt::format("; {} records are no events and became dead letters (see why: "
                                 "millrace dead-letters list)",
                                 totals.dead_letters)
                   : "");
    return;
  }
  boost::json::array refused;
  for (auto const& one : totals.told)
    refused.push_back(boost::json::object{{"where", one.where}, {"error", one.why}});
  print_json(boost::json::object{{"sent", totals.sent},
                                 {"dead_letters", totals.dead_letters},
                                 {"refused", totals.refused},
                                 {"first_refused", std::move(refused)}});
}

Exit run(Emit const& args) {
  if (args.files.empty() == (args.sample == 0))
    return complain("give files to send, or --sample N for made-up events"), Exit::usage;
  if (args.sample > 0 && args.account.empty())
    return complain("--sample: needs --account UUID, the root account of the made-up events"),
           Exit::usage;
  auto const rate = rate_of(args.rate);
  if (!rate) return give_up(rate.error());
  auto url = http::parse_url(args.to);
  if (!url)
    return complain(fmt::format("--to {}: {}", harmless(args.to), url.error().what)), Exit::usage;
  ignore_broken_pipes();
  auto desk = HttpDesk::open(trust_of(args.reach));
  if (!desk) return give_up(desk.error());
  io::SystemRandom random;
  auto sender = sender_for(args, {std::move(*url), args.to, **desk, random});
  if (!sender) return give_up(sender.error());
  auto source = args.sample > 0
                    ? Result<EmitSource>(EmitSource::of(sample_day(
                          args.seed, args.sample, args.account, (*desk)->clock().wall())))
                    : EmitSource::open(args.files);
  if (!source) return complain(source.error().what), Exit::usage;

  Totals totals;
  auto const sent = send_all(*source, **sender, **desk, *rate, totals);
  print_totals(args, totals);
  if (!sent) {
    complain(fmt::format("{} (after {} events were accepted)", sent.error().what, totals.sent));
    return sent.error().fault == Fault::invalid ? Exit::usage : Exit::failed;
  }
  if (totals.refused == 0) return Exit::done;
  std::string told;
  for (auto const& one : totals.told) told += fmt::format("; {}: {}", one.where, harmless(one.why));
  complain(fmt::format("{} of {} events were not accepted{}{}", totals.refused,
                       totals.refused + totals.sent, told,
                       totals.refused > totals.told.size() ? "; …" : ""));
  return Exit::no;
}

}  // namespace

Command emit_command() {
  return {
      .name = "emit",
      .summary = "Send events to a server, as Canvas does (Kinesis) or as JSON",
      .group = Group::send,
      .examples =
          "  millrace emit events.ndjson --to http://127.0.0.1:8080 --token TOKEN\n"
          "  millrace emit day.json --to http://127.0.0.1:8080 --as kinesis --access-key ID "
          "--secret-key S --rate 100/s\n"
          "  millrace emit --sample 1000 --account UUID --to http://127.0.0.1:8080 --data ./data",
      .add = [](Flags app) -> std::function<Exit()> {
        auto const args = std::make_shared<Emit>();
        app.add_option(
            "FILE", args->files,
            "Events: JSON objects one after another, an array, or a line each; -: standard input");
        app.add_option("--to", args->to, "URL of the server").type_name("URL").required();
        app.add_option("--as", args->as, "How they are sent [json; kinesis with --access-key]")
            .one_of({"kinesis", "json"});
        app.add_option("--access-key", args->access_key, "Kinesis: access key id").type_name("ID");
        app.add_option("--secret-key", args->secret_key, "Kinesis: secret access key")
            .type_name("S")
            .envname("AWS_SECRET_ACCESS_KEY");
        app.add_option("--session-token", args->session_token,
                       "Kinesis: session token of temporary credentials")
            .type_name("T");
        app.add_option("--stream", args->stream, "Kinesis: name of the stream [live-events]")
            .type_name("NAME");
        app.add_option("--region", args->region, "Kinesis: region to sign for [us-east-1]")
            .type_name("R");
        app.add_option_function(
               "--token", [args](std::string const& token) { args->reach.token = token; },
               "JSON: bearer token; else MILLRACE_TOKEN, else DIR/admin.token")
            .type_name("TOKEN");
        app.add_option("--data", args->reach.data,
                       "JSON: folder of a server on this machine, for its admin.token")
            .type_name("DIR");
        app.add_option("--rate", args->rate,
                       "How fast, in events a second [as fast as they are taken]")
            .type_name("N/s");
        app.add_option("--sample", args->sample,
                       "Send N made-up events of a school day instead of files")
            .type_name("N")
            .between(1, 10'000'000);
        app.add_option("--account", args->account, "Root account uuid of the made-up events")
            .type_name("UUID");
        app.add_option("--seed", args->seed, "Another seed makes up another day [1]")
            .type_name("N");
        add_ca(app, args->reach);
        app.add_flag("--json", args->reach.json, "Print JSON");
        return [args] { return run(*args); };
      }};
}

}  // namespace millrace::commands
