// `millrace serve`: the whole program, put together; the only code that knows which clock, which files, which network.
#include "cli/serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <thread>

#include "cli/demo.h"
#include "commands/process.h"
#include "io/worker.h"
#include "server/loops.h"

namespace millrace::cli {
namespace {

using Signals = boost::asio::signal_set;

io::Task<void> wait_for_signal(Signals& signals) {
  static_cast<void>(co_await signals.async_wait(io::op));
}

// Whoever asks twice does not want to wait for what is under way. Tools like timeout(1) signal the process and its group at
// once: that is one wish.
io::Task<void> exit_at_signal(Signals& signals, io::Clock& clock) {
  auto const begun = clock.now();
  do {
    auto const [error, signal] = co_await signals.async_wait(io::op);
    if (error) io::unwind();
  } while (clock.now() - begun < std::chrono::milliseconds(300));
  commands::complain("stopped at once, at a second signal");
  ::_exit(static_cast<int>(commands::Exit::failed));
}

// SIGHUP says that somebody has replaced the certificate. Without one it does what it does to any program.
io::Task<void> renew_at_hangup(server::Node& node, Signals& hangups) {
  for (;;) {
    if (auto const [error, signal] = co_await hangups.async_wait(io::op); error) co_return;
    co_await node.renew_certificate();
  }
}

struct Life {  // what run() needs, and what it leaves
  server::NodeParts parts;
  server::NodeSettings settings;
  Signals& signals;
  Guest* guest;
  std::unique_ptr<server::Node> node;
  commands::Exit exit = commands::Exit::done;
};

io::Task<void> run(Life& life) {
  auto node = co_await server::Node::start(life.parts, life.settings);
  if (!node) {
    commands::complain(node.error().what);
    life.exit = commands::Exit::failed;
    co_return;
  }
  life.node = std::move(*node);
  io::nice_thread(5);  // nothing of this thread is as urgent as the committer
  fmt::print("listening on {}://{}\n", life.node->is_secure() ? "https" : "http",
             io::text_of(life.node->local()));
  std::fflush(stdout);
  if (!life.node->is_secure() && !life.node->local().address().is_loopback())
    life.parts.log.warning(
        "tokens and events come in the clear from beyond this machine: set listen.tls_certificate "
        "and "
        "listen.tls_key, or listen on 127.0.0.1 behind a proxy that speaks https",
        {{"address", io::text_of(life.node->local())}});

  Signals hangups(life.parts.loop);
  io::TaskScope renewing(life.parts.loop);
  if (life.node->is_secure()) {
    hangups.add(SIGHUP);
    renewing.start(renew_at_hangup(*life.node, hangups));
  }

  bool guest_is_well = true;
  if (life.guest != nullptr) {
    if (auto const begun = co_await life.guest->begin(*life.node, life.parts.loop); !begun) {
      life.exit = commands::failed(begun.error());
      guest_is_well = false;
    }
  }
  if (guest_is_well) co_await wait_for_signal(life.signals);
  renewing.cancel();
  co_await renewing.join();
  life.parts.log.info(
      "stopping: attempts under way end, then the requests that are being answered");

  io::TaskScope impatience(life.parts.loop);
  impatience.start(exit_at_signal(life.signals, life.parts.clock));
  if (life.guest != nullptr) co_await life.guest->end();
  if (auto const stopped = co_await life.node->stop(); !stopped) {
    commands::complain(stopped.error().what);
    life.exit = commands::Exit::failed;
  }
  if (life.guest != nullptr) co_await life.guest->after();
  impatience.cancel();
  co_await impatience.join();
}

io::Task<void> run_then_stop(Life& life, boost::asio::io_context& context) {
  co_await run(life);
  context.stop();
}

void warn_of_dangers(Settings const& settings, Log& log) {
  if (settings.node.ingest.any_signature)
    log.warning(
        "INSECURE: Kinesis requests are taken with any signature; anybody who reaches this address "
        "can put events into every account");
  if (!settings.node.allow.empty())
    log.warning("deliveries to private addresses are allowed",
                {{"ranges", fmt::format("{}", fmt::join(settings.node.allow, ","))}});
}

void fit_connections(std::size_t& connections, std::uint64_t descriptors, Log& log) {
  auto const fitting = commands::connections_within(connections, descriptors);
  if (fitting < connections)
    log.warning(
        "fewer connections are taken than listen.connections says: the process may not open so "
        "many descriptors; raise its limit (LimitNOFILE of a systemd unit, ulimit -n of a shell)",
        {{"taken", fitting}, {"wanted", connections}, {"descriptors", descriptors}});
  connections = fitting;
}

std::size_t loops_of(Settings const& settings) {
  if (settings.loops != 0) return settings.loops;
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 64);
}

}  // namespace

commands::Exit serve(Settings settings, Guest* guest) {
  // The process.
  commands::ignore_broken_pipes();
  auto const descriptors = commands::raise_descriptor_limit();
  settings.node.socket = commands::take_handed_socket();

  // The outside world.
  auto const log = stderr_log(settings.log_level);
  io::SystemClock clock;
  io::DiskFiles files;
  io::SystemNetwork network;
  io::SystemRandom random;

  // The threads: this one for the node's own life, one for each loop.
  boost::asio::io_context context(1);
  Signals signals(context, SIGTERM, SIGINT);
  server::Loops loops(loops_of(settings), 5);
  io::LoopMeter own_meter;
  auto meters = loops.meters();
  meters.push_back(&own_meter);

  // The node, from its start to its stop.
  fit_connections(settings.node.http.connections, descriptors, *log);
  warn_of_dangers(settings, *log);
  Life life{.parts = {.loop = context.get_executor(),
                      .loops = loops.executors(),
                      .files = files,
                      .network = network,
                      .clock = clock,
                      .random = random,
                      .log = *log,
                      .meters = std::move(meters)},
            .settings = settings.node,
            .signals = signals,
            .guest = guest,
            .node = nullptr};
  io::TaskScope lives(context.get_executor());
  lives.start(run_then_stop(life, context));
  io::run_measured(context, own_meter);

  // The end: threads first, then what lived on them.
  loops.stop();
  context.restart();
  context.poll();  // the last Tasks leave their scopes
  life.node.reset();
  return life.exit;
}

namespace {

struct ServeFlags {
  std::string config;
  bool print_config = false;
  bool print_template = false;
  bool demo = false;
  std::map<std::string, std::optional<std::string>> settings;  // by flag
  std::map<std::string, bool> switches;
};

Result<Loaded> load(ServeFlags const& flags) {
  io::DiskFiles files;
  Sources sources;
  sources.environment = commands::environment_with("MILLRACE_");
  sources.file_name = flags.config.empty() ? "millrace.toml" : flags.config;
  auto const there = files.exists(sources.file_name);
  if (!there) return pass(there);
  if (!*there && !flags.config.empty())
    return fail(Fault::missing, sources.file_name + ": there is no such file");
  if (*there) {
    auto text = files.read_all(sources.file_name, 1 << 20);
    if (!text) return pass(text);
    sources.file = std::move(*text);
  }
  for (auto const& [flag, value] : flags.settings)
    if (value) sources.flags[flag] = *value;
  for (auto const& [flag, value] : flags.switches)
    if (value) sources.flags[flag] = "true";
  auto loaded = load_settings(sources);
  if (loaded) return std::move(*loaded);
  for (auto const& fault : loaded.error()) commands::complain(fault);
  return fail(Fault::invalid, fmt::format("settings: {} to correct", loaded.error().size()));
}

commands::Exit run_serve(ServeFlags const& flags) {
  if (flags.print_template) {
    fmt::print("{}", settings_template());
    return commands::Exit::done;
  }
  auto loaded = load(flags);
  if (!loaded) return commands::failed(loaded.error());
  if (flags.print_config) {
    fmt::print("{}", print_settings(loaded->shown));
    return commands::Exit::done;
  }
  if (flags.demo && !loaded->settings.node.certificate_file.empty())
    return commands::complain(
               "--demo speaks with itself in the clear: leave listen.tls_certificate out"),
           commands::Exit::usage;
  if (flags.demo)
    return run_demo(std::move(loaded->settings), flags.settings.at("data").has_value());
  return serve(std::move(loaded->settings), nullptr);
}

}  // namespace

commands::Command serve_command() {
  return {.name = "serve",
          .summary = "Run the service: take events in, keep them, deliver them",
          .group = commands::Group::run,
          .examples =
              "  millrace serve                                   all defaults: ./data, "
              "http://127.0.0.1:8080\n"
              "  millrace serve --config /etc/millrace/millrace.toml\n"
              "  millrace serve --data /var/lib/millrace --listen 0.0.0.0:8080\n"
              "  millrace serve --print-config                    every setting, its default, and "
              "where it comes from\n"
              "  millrace serve --demo                            a sample day flows from a "
              "made-up Canvas to files\n"
              "\n"
              "At the first start the owner's token is written to DATA/admin.token. Give it to the "
              "other commands with --data DATA,\n"
              "or as MILLRACE_TOKEN. SIGTERM or Ctrl-C stops in order; a second one at once.",
          .add = [](commands::Flags app) {
            auto const flags = std::make_shared<ServeFlags>();
            app.add_option(
                   "--config", flags->config,
                   "settings file (default: millrace.toml in the current folder, if it is there)")
                .type_name("FILE");
            app.add_flag("--print-config", flags->print_config,
                         "print every setting with its value, its default and its source, and end");
            app.add_flag("--print-template", flags->print_template,
                         "print a millrace.toml with every setting as a comment, and end");
            app.add_flag("--demo", flags->demo,
                         "run with a receiver, a signed data stream and a sample day of events");
            Settings unused;
            for (auto const& row : rows_of(unused)) {
              auto const help = row.fallback.empty() || row.is_switch
                                    ? row.help
                                    : fmt::format("{} ({})", row.help, row.fallback);
              if (row.is_switch)
                app.add_flag("--" + row.flag, flags->switches[row.flag], help).group("Settings");
              else
                app.add_option("--" + row.flag, flags->settings[row.flag], help)
                    .type_name("")
                    .group("Settings");
            }
            return std::function<commands::Exit()>([flags] { return run_serve(*flags); });
          }};
}

}  // namespace millrace::cli
