// Question: what does a POST through http::client::Client cost on one core, asked as the delivery path asks: one loop, N asks under way, one
// origin, the header lines of transports/https.cc, a deadline of 15 s?
//   client_bench --url URL --body FILE [--ca FILE] [--in-flight N] [--count N] [--http2 on|off] [--streams-per-connection N]
//                [--connections N]
// The first tenth warms up. Prints "posts N per_s R cpu_us U user_us V reused K http2 H failed F connections C"; of failures, the first reason.
#include <boost/asio/io_context.hpp>

#include "http_client/client.h"
#include "sending.h"

namespace millrace {
namespace {

struct Run {
  http::client::Client& client;
  http::Url url;
  std::string head, body;
  std::uint64_t count, warm_up;
  std::uint64_t started = 0, posts = 0, reused = 0, http2 = 0, failed = 0;
  double start = 0, cpu = 0, user = 0;
  std::string trouble;

  void begin() {
    start = bench::steady_seconds();
    cpu = bench::cpu_seconds();
    user = bench::user_seconds();
    posts = reused = http2 = failed = 0;
  }
  void came(http::client::Answer const& answer) {
    ++posts;
    reused += answer.reused ? 1 : 0;
    http2 += answer.http2 ? 1 : 0;
    if (answer.trouble == http::client::Trouble::none && answer.status == 204) return;
    if (failed++ == 0) trouble = answer.reason + " " + std::to_string(answer.status);
  }
};

io::Task<void> ask_in_turn(Run& run) {
  while (run.started < run.warm_up + run.count) {
    if (++run.started == run.warm_up) run.begin();
    std::array<char, 37> id{};
    bench::write_event_id(id, run.started);
    std::string fresh = "Content-Type: application/json\r\nMillrace-Event-Id: ";
    fresh.append(id.data(), 36).append("\r\nMillrace-Event-Type: submission_created\r\n");
    fresh.append("Millrace-Attempt: 1\r\n");
    http::client::Ask ask;
    ask.url = &run.url;
    ask.head = run.head;
    ask.fresh = fresh;
    ask.body = run.body;
    auto const answer = co_await run.client.ask(std::move(ask));
    run.came(answer);
  }
}

io::Task<void> ask_all(Run& run, int in_flight, boost::asio::io_context& loop) {
  io::TaskScope scope(loop.get_executor());
  for (int i = 0; i < in_flight; ++i) scope.start(ask_in_turn(run));
  co_await scope.join();
  auto const posts = static_cast<double>(run.posts);
  std::printf(
      "posts %lu per_s %.0f cpu_us %.2f user_us %.2f reused %lu http2 %lu failed %lu connections "
      "%zu\n",
      run.posts, posts / (bench::steady_seconds() - run.start),
      (bench::cpu_seconds() - run.cpu) / posts * 1e6,
      (bench::user_seconds() - run.user) / posts * 1e6, run.reused, run.http2, run.failed,
      run.client.open_connections());
  if (!run.trouble.empty()) std::fprintf(stderr, "%s\n", run.trouble.c_str());
  std::fflush(stdout);
  _exit(run.failed > 0 ? 1 : 0);  // the Client's own tasks would keep the loop
}

template <class T>
T need(Result<T> made) {
  if (made) return std::move(*made);
  std::fprintf(stderr, "client_bench: %s\n", made.error().what.c_str());
  std::exit(2);
}

int run(bench::Flags const& flags) {
  boost::asio::io_context loop(1);
  io::SystemNetwork network;
  io::SystemClock clock;
  auto const guard = need(http::Guard::make({"127.0.0.0/8", "::1/128"}));
  http::client::ClientLimits limits;
  limits.http2 = flags.text("--http2", "on") == "on";
  auto const fallback = [](std::size_t usual) { return static_cast<int>(usual); };
  limits.streams_per_connection = static_cast<std::size_t>(
      flags.count("--streams-per-connection", fallback(limits.streams_per_connection)));
  limits.connections_per_origin = static_cast<std::size_t>(
      flags.count("--connections", fallback(limits.connections_per_origin)));
  http::TlsSettings trust;
  trust.extra_ca_file = flags.text("--ca", "");
  auto const client =
      need(http::client::make_client(loop.get_executor(), network, clock, guard, trust, limits));
  auto const count = static_cast<std::uint64_t>(flags.count("--count", 200'000));
  Run asking{.client = *client,
             .url = need(http::parse_url(flags.text("--url", ""))),
             .head = "User-Agent: Millrace/0.1.0\r\nMillrace-Stream-Id: " +
                     std::string(bench::stream_id) + "\r\n",
             .body = bench::read_file(flags.text("--body", "event.json")),
             .count = count,
             .warm_up = count / 10 + 1,
             .trouble = {}};
  io::asio::co_spawn(loop, ask_all(asking, flags.count("--in-flight", 128), loop),
                     io::asio::detached);
  loop.run();
  return 2;
}

}  // namespace
}  // namespace millrace

int main(int count, char** words) { return millrace::run(bench::Flags(count, words)); }
