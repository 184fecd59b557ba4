#include "cli/receive.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

#include "commands/client.h"
#include "commands/process.h"
#include "commands/usage.h"
#include "http/guard.h"
#include "http_server/refusals.h"
#include "http_server/server.h"
#include "http_server/tls_files.h"
#include "io/worker.h"
#include "receive/admission.h"
#include "receive/folder_store.h"
#include "receive/receiver.h"

namespace millrace::cli {
namespace {

constexpr Duration drain_time = std::chrono::seconds(15);

struct Receive {
  std::string listen = "127.0.0.1:8081";
  std::string jwks, layout = "rolling", roll_time = "5min", tls_cert, tls_key;
  receive::FolderSettings store;
  receive::ReceiverSettings settings;
  std::string file_mode = "0600";
  std::uint64_t roll_mib = 64;
  std::vector<std::string> trusted_proxies;
  bool verbose = false;
  std::function<commands::Exit()> chosen;
};

struct Parts {  // what a running receiver consists of
  Receive const& args;
  http::server::ServerLimits limits;
  boost::asio::io_context& context;
  io::SystemClock& clock;
  io::Network& network;
  Log& log;
  receive::EventStore& store;
  receive::JwksSource* keys;
  http::server::TlsFiles* certificate;  // null: plain http
  std::optional<int> handed_socket;
  commands::Exit exit = commands::Exit::done;
};

bool is_url(std::string const& text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

// The owner reads and writes; group and others may, and nobody executes.
std::optional<unsigned> file_mode_of(std::string_view text) {
  unsigned mode = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  bool const is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole && (mode & ~0066U) == 0600 ? std::optional(mode) : std::nullopt;
}

Result<std::unique_ptr<io::Acceptor>> listen_at(Parts& parts) {
  if (parts.handed_socket)
    return parts.network.adopt(parts.context.get_executor(), *parts.handed_socket);
  auto const at = io::parse_endpoint(parts.args.listen);
  if (!at) return pass(at);
  return parts.network.listen(parts.context.get_executor(), *at);
}

// SIGHUP says that somebody has replaced the certificate.
io::Task<void> renew_at_hangup(Parts& parts, http::server::Server& server, io::Worker& worker,
                               boost::asio::signal_set& hangups) {
  for (;;) {
    if (auto const [error, signal] = co_await hangups.async_wait(io::op); error) co_return;
    co_await http::server::renew_now(*parts.certificate, server, worker, parts.log);
  }
}

// Until a signal; then no new connection, what is under way ends, and all files are made.
io::Task<void> live(Parts& parts) {
  auto const loop = parts.context.get_executor();
  if (parts.keys != nullptr && !is_url(parts.args.jwks)) {
    // A URL may not be up yet; a file that is not there will not come.
    if (auto const read = co_await parts.keys->refresh(); !read) {
      commands::complain(fmt::format("--jwks: {}", read.error().what));
      parts.exit = commands::Exit::failed;
      co_return;
    }
  }
  boost::asio::signal_set signals(loop, SIGTERM, SIGINT);
  auto acceptor = listen_at(parts);
  if (!acceptor) {
    parts.exit = commands::failed(acceptor.error());
    co_return;
  }
  receive::Receiver receiver({parts.store, parts.keys, parts.clock, parts.log},
                             parts.args.settings);
  auto const server = http::server::serve(
      std::move(*acceptor), loop, {loop},
      [&receiver](http::ServerRequest request) { return receiver.handle(std::move(request)); },
      parts.clock, parts.limits, parts.certificate != nullptr ? parts.certificate->now() : nullptr,
      receive::admit_by_address(parts.limits));
  auto const worker = io::thread_worker("certificate", 5);
  boost::asio::signal_set hangups(loop);
  io::TaskScope keepers(loop);
  keepers.start(
      http::server::tell_refusals([&server] { return server->refused(); }, parts.clock, parts.log));
  keepers.start(parts.store.keep());
  if (parts.keys != nullptr) keepers.start(parts.keys->keep());
  if (parts.certificate != nullptr) {
    keepers.start(
        http::server::keep_renewed(*parts.certificate, *server, *worker, parts.clock, parts.log));
    hangups.add(SIGHUP);
    keepers.start(renew_at_hangup(parts, *server, *worker, hangups));
  }
  fmt::print("listening on {}://{}\n", parts.certificate != nullptr ? "https" : "http",
             io::text_of(server->local()));
  std::fflush(stdout);

  static_cast<void>(co_await signals.async_wait(io::op));
  server->stop_accepting();
  co_await server->drain(parts.clock.now() + drain_time);
  keepers.cancel();
  co_await keepers.join();
  auto const closed = co_await parts.store.close();
  auto const counts = parts.store.counts();
  parts.log.info("receiver stopped", {{"stored", counts.stored}, {"repeats", counts.repeats}});
  if (!closed) {
    commands::complain(fmt::format(
        "{}; what came is safe in the spool, and filed at the next start", closed.error().what));
    parts.exit = commands::Exit::failed;
  }
}

// Checks what the flags say together, and settles the store's settings. Answers the trusted proxies. Fails with: invalid.
Result<std::vector<http::AddressRange>> settle(Receive& args) {
  auto const roll_time = parse_duration(args.roll_time);
  if (!roll_time || *roll_time < std::chrono::seconds(1))
    return fail(Fault::invalid,
                "--roll-time: is not a span of at least a second, like 30s or 5min");
  if (args.jwks.empty() && !args.settings.allow_unsigned)
    return fail(Fault::invalid,
                "--jwks: is needed to verify events; or take unsigned ones with --allow-unsigned");
  if (args.tls_cert.empty() != args.tls_key.empty())
    return fail(Fault::invalid, "--tls-cert and --tls-key: give both or none");
  auto const file_mode = file_mode_of(args.file_mode);
  if (!file_mode)
    return fail(Fault::invalid, "--file-mode: is not an octal mode from 0600 to 0666, like 0640");
  auto proxies = http::AddressRange::parse_all(args.trusted_proxies);
  if (!proxies) return fail(Fault::invalid, "--trusted-proxy: " + proxies.error().what);
  args.store.permissions.file = *file_mode;
  args.store.roll_time = *roll_time;
  args.store.roll_bytes = args.roll_mib * 1024 * 1024;
  args.store.layout =
      args.layout == "per-event" ? receive::Layout::per_event : receive::Layout::rolling;
  return proxies;
}

commands::Exit run(Receive& args) {
  auto proxies = settle(args);
  if (!proxies) return commands::failed(proxies.error());
  commands::ignore_broken_pipes();
  commands::raise_descriptor_limit();
  auto const handed = commands::take_handed_socket();
  boost::asio::io_context context{1};
  io::SystemNetwork network;
  io::SystemClock clock;
  io::SystemRandom random;
  io::DiskFiles files;
  auto const log = stderr_log(args.verbose ? LogLevel::debug : LogLevel::info);

  std::optional<http::server::TlsFiles> certificate;
  if (!args.tls_cert.empty()) {
    auto opened = http::server::TlsFiles::open(args.tls_cert, args.tls_key);
    if (!opened) return commands::failed(opened.error());
    certificate = std::move(*opened);
  }
  auto store = receive::open_folder_store(
      {files, clock, random, *log,
       [](Error const& error) {
         commands::complain(
             fmt::format("{}; stopping, as what is on disk is not known any more", error.what));
         ::_exit(static_cast<int>(commands::Exit::failed));
       }},
      args.store);
  if (!store) return commands::failed(store.error());

  // The operator names the JWKS: any address is fine.
  auto const guard = http::Guard::make({"0.0.0.0/0", "::/0"});
  if (!guard) return commands::failed(guard.error());
  auto client = http::client::make_client(context.get_executor(), network, clock, *guard, {});
  if (!client) return commands::failed(client.error());
  std::optional<receive::JwksSource> keys;
  if (is_url(args.jwks)) {
    auto url = http::parse_url(args.jwks);
    if (!url)
      return commands::complain(fmt::format("--jwks: {}", url.error().what)), commands::Exit::usage;
    keys.emplace(context.get_executor(), clock, *log,
                 receive::jwks_from_url(**client, std::move(*url)));
  } else if (!args.jwks.empty()) {
    keys.emplace(context.get_executor(), clock, *log, receive::jwks_from_file(files, args.jwks));
  }

  Parts parts{args,
              receive::server_limits(std::move(*proxies)),
              context,
              clock,
              network,
              *log,
              **store,
              keys ? &*keys : nullptr,
              certificate ? &*certificate : nullptr,
              handed};
  {
    io::TaskScope scope(context.get_executor());
    scope.start(live(parts));
    while (scope.running() > 0) context.run_one();
  }
  client->reset();
  context.restart();
  context.poll();
  return parts.exit;
}

void add_https(commands::Flags app, Receive& args) {
  app.add_option("--listen", args.listen,
                 "Address to listen on; port 0 picks a free one [127.0.0.1:8081]")
      .type_name("ADDR:PORT");
  app.add_option("--jwks", args.jwks, "Where the public keys are, to verify signed events with")
      .type_name("URL|FILE");
  app.add_option("--store", args.store.url, "Where events are kept: file:///path")
      .type_name("URL")
      .required();
  app.add_option(
         "--layout", args.layout,
         "rolling (default): compressed files by date and event type; per-event: a file each")
      .one_of({"per-event", "rolling"});
  app.add_option("--issuer", args.settings.issuer,
                 "What claim iss must be [" + args.settings.issuer + "]; empty: anything")
      .type_name("ISS");
  app.add_flag("--allow-unsigned", args.settings.allow_unsigned,
               "Take events that are plain JSON too");
  app.add_flag("--with-envelope", args.settings.with_envelope,
               "Keep beside each event when and how it came");
  app.add_option("--spool", args.store.spool,
                 "Folder where rolling events are safe before their files [.spool in the store]")
      .type_name("DIR");
  app.add_option("--roll-time", args.roll_time, "Rolling files are closed after this time [5min]")
      .type_name("SPAN");
  app.add_option("--roll-size", args.roll_mib, "… or at this size [64]")
      .type_name("MIB")
      .between(1, 512);
  app.add_option("--file-mode", args.file_mode,
                 "Who may read the files that are made, less what the umask takes [0600]")
      .type_name("OCTAL");
  app.add_option("--tls-cert", args.tls_cert,
                 "Serve https: certificate chain, PEM; read again when it changes")
      .type_name("FILE");
  app.add_option("--tls-key", args.tls_key, "Its private key, PEM").type_name("FILE");
  app.add_option("--trusted-proxy", args.trusted_proxies,
                 "A proxy before the receiver, whose X-Forwarded-For is believed: it has no share "
                 "of the memory and places of its own; again for more")
      .type_name("RANGE");
  app.add_flag("--verbose", args.verbose, "Log each event too");
}

}  // namespace

commands::Command receive_command() {
  return {
      .name = "receive",
      .summary = "Take deliveries in: verify them, drop repeats, write files",
      .group = commands::Group::send,
      .examples =
          "  millrace receive https --listen 0.0.0.0:8081 --jwks https://millrace.example.edu/jwks "
          "\\\n"
          "      --store file:///var/lib/events\n"
          "  millrace receive https --jwks jwks.json --store file:///tmp/events --layout per-event",
      .add = [](commands::Flags app) -> std::function<commands::Exit()> {
        auto const args = std::make_shared<Receive>();
        app.require_subcommand(1);
        auto const https =
            app.add_subcommand("https", "Take deliveries in over HTTPS, or HTTP behind a proxy");
        add_https(https, *args);
        https.callback([state = args.get()] { state->chosen = [state] { return run(*state); }; });
        return [args] { return args->chosen(); };
      }};
}

}  // namespace millrace::cli
