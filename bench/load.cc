// An open-loop producer: NDJSON batches to POST /api/v1/events at a fixed rate, whatever the answers do.
//   load --port P --token T --account UUID --rate EVENTS_PER_S --seconds S [--batch B] [--connections N]
// Events are numbered ("n") and stamped ("sent_us": when their batch was due, so that a stalled server is not flattered).
// Prints "sent N accepted M failed F p50_us A p99_us B" (from due to answered).
#include <http_parser.h>
#include <sys/epoll.h>

#include <memory>

#include "common.h"

namespace {

struct Connection {
  int fd = -1;
  bool busy = false;
  std::int64_t due_us = 0;
  std::uint64_t events = 0;
  http_parser parser{};
  std::string body;
  bool done = false;
};

std::string event_line(std::uint64_t number, std::int64_t due_us, std::string const& account) {
  // About 1.3 KB, varied enough that compression does not flatter: ids, names and text differ from event to event.
  static std::uint64_t state = 88172645463325252U;
  auto const chance = [] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  };
  char const* const names[] = {"submission_created", "grade_change",
                               "asset_accessed",     "logged_in",
                               "submission_updated", "discussion_entry_created"};
  static char text[4096];
  auto const a = chance(), b = chance(), c = chance();
  int const n = std::snprintf(
      text, sizeof text,
      R"({"metadata":{"event_name":"%s","event_time":"2026-11-21T19:%02u:%02u.%03uZ","root_account_id":"21070000000000001","root_account_uuid":"%s","root_account_lti_guid":"%s.canvas.example.edu","user_id":"2107000000%07u","user_login":"user%u@example.edu","user_account_id":"21070000000000001","user_sis_id":"S-%u","hostname":"canvas.example.edu","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:%u) Gecko/20100101 Firefox/%u.0","client_ip":"198.51.100.%u","url":"https://canvas.example.edu/courses/%u/assignments/%u/submissions","referrer":"https://canvas.example.edu/courses/%u","http_method":"POST","context_type":"Course","context_id":"2107000000%07u","context_role":"StudentEnrollment","context_account_id":"21070000000000%03u","request_id":"%016lx-%016lx","session_id":"%016lx","producer":"canvas","time_zone":"Europe/Berlin"},"body":{"n":%lu,"sent_us":%ld,"submission_id":"2107000000%07u","assignment_id":"2107000000%07u","user_id":"2107000000%07u","submitted_at":"2026-11-21T19:%02u:%02uZ","graded_at":null,"updated_at":"2026-11-21T19:%02u:%02uZ","score":%u.%u,"grade":"%u","submission_type":"online_text_entry","body":"%016lx %016lx lorem %016lx","url":null,"attempt":%u,"late":false,"missing":false,"lti_assignment_id":"%08x-%04x-%04x-%04x-%012lx","group_id":null}})"
      "\n",
      names[a % 6], unsigned(a % 60), unsigned(b % 60), unsigned(c % 1000), account.c_str(),
      account.c_str(), unsigned(a % 10000000), unsigned(b % 100000), unsigned(b % 100000),
      unsigned(c % 140), unsigned(c % 140), unsigned(a % 250), unsigned(b % 5000),
      unsigned(c % 90000), unsigned(b % 5000), unsigned(b % 10000000), unsigned(c % 1000), a, b, c,
      number, due_us, unsigned(c % 10000000), unsigned(b % 10000000), unsigned(a % 10000000),
      unsigned(b % 60), unsigned(c % 60), unsigned(a % 60), unsigned(b % 60), unsigned(a % 100),
      unsigned(b % 10), unsigned(c % 100), a * 3, b * 5, c * 7, unsigned(a % 4), unsigned(a),
      unsigned(b % 65536), unsigned(c % 65536), unsigned(a % 65536), b & 0xFFFFFFFFFFFFU);
  return {text, static_cast<std::size_t>(n)};
}

}  // namespace

int main(int count, char** words) {
  bench::Flags const flags(count, words);
  if (flags.has("--print")) {  // one event on stdout, as a body for other tools
    auto const line = event_line(1, 1, flags.text("--account", "account"));
    std::fwrite(line.data(), 1, line.size() - 1, stdout);
    return 0;
  }
  auto const account = flags.text("--account", "account");
  auto const batch = static_cast<std::uint64_t>(flags.count("--batch", 10));
  double const rate = flags.number("--rate", 1000) / static_cast<double>(batch);
  auto const total = static_cast<std::uint64_t>(rate * flags.number("--seconds", 10));
  auto const head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
                    flags.text("--token", "") +
                    "\r\nContent-Type: application/x-ndjson\r\nContent-Length: ";

  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_body = [](http_parser* parser, char const* at, std::size_t size) {
    static_cast<Connection*>(parser->data)->body.append(at, size);
    return 0;
  };
  settings.on_message_complete = [](http_parser* parser) {
    static_cast<Connection*>(parser->data)->done = true;
    return 0;
  };
  int const poll = epoll_create1(0);
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<Connection*> idle;
  for (int i = flags.count("--connections", 32); i > 0; --i) {
    auto c = std::make_unique<Connection>();
    c->fd = bench::connect_to(flags.count("--port", 8080));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = c.get();
    epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event);
    idle.push_back(c.get());
    connections.push_back(std::move(c));
  }
  bench::Latencies latencies;
  std::uint64_t sent = 0, accepted = 0, failed = 0, under_way = 0;
  auto const first = static_cast<std::uint64_t>(flags.number("--first", 0));
  auto const start_us = bench::now_us();
  std::array<epoll_event, 256> events{};
  static char buffer[65536];
  while (sent < total || under_way > 0) {
    auto const now = bench::now_us();
    while (sent < total && !idle.empty()) {
      auto const due = start_us + static_cast<std::int64_t>(static_cast<double>(sent) / rate * 1e6);
      if (due > now) break;
      std::string lines;
      for (std::uint64_t i = 0; i < batch; ++i)
        lines += event_line(first + sent * batch + i, due, account);
      auto const request = head + std::to_string(lines.size()) + "\r\n\r\n" + lines;
      auto& c = *idle.back();
      idle.pop_back();
      if (send(c.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size()))
        bench::die("send");
      c.due_us = due;
      c.body.clear();
      c.done = false;
      http_parser_init(&c.parser, HTTP_RESPONSE);
      c.parser.data = &c;
      ++sent;
      ++under_way;
    }
    // Waits until the next batch is due and not a moment more: a producer that spins would take a core from what it measures.
    auto const next = start_us + static_cast<std::int64_t>(static_cast<double>(sent) / rate * 1e6);
    auto const rest = sent < total && !idle.empty()
                          ? std::clamp<std::int64_t>(next - bench::now_us(), 0, 999'999)
                          : 999'999;
    timespec const wait{0, rest * 1000};
    int const ready =
        epoll_pwait2(poll, events.data(), static_cast<int>(events.size()), &wait, nullptr);
    for (int i = 0; i < ready; ++i) {
      auto& c = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      auto const n = recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n == 0) bench::die("the server closed a connection");
      if (n < 0) continue;
      http_parser_execute(&c.parser, &settings, buffer, static_cast<std::size_t>(n));
      if (!c.done) continue;
      if (c.parser.status_code == 200) {
        accepted += static_cast<std::uint64_t>(
            std::max<std::int64_t>(bench::number_after(c.body, R"("accepted":)"), 0));
      } else {
        failed += batch;
      }
      latencies.add(bench::now_us() - c.due_us);
      --under_way;
      idle.push_back(&c);
    }
  }
  std::printf("sent %lu accepted %lu failed %lu p50_us %.0f p99_us %.0f seconds %.2f cpu_s %.3f\n",
              sent * batch, accepted, failed, latencies.percentile(0.5), latencies.percentile(0.99),
              static_cast<double>(bench::now_us() - start_us) * 1e-6, bench::cpu_seconds());
}
