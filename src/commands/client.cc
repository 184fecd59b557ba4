#include "commands/client.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

#include "commands/faults.h"
#include "http/guard.h"
#include "json/reader.h"

namespace millrace::commands {
namespace {

constexpr std::size_t largest_answer = 64 * 1024 * 1024;
constexpr Duration ask_again = std::chrono::milliseconds(200);

class Desk final : public HttpDesk {
 public:
  explicit Desk(http::Guard guard) : guard_(std::move(guard)) {}
  ~Desk() override {
    client_.reset();
    context_.poll();
  }
  Result<void> start(http::TlsSettings tls) {
    auto client = http::client::make_client(context_.get_executor(), network_, clock_, guard_,
                                            std::move(tls));
    if (!client) return pass(client);
    client_ = std::move(*client);
    return {};
  }
  http::client::Answer ask(http::client::Ask ask) override {
    http::client::Answer answer;
    run(keep(*client_, ask, answer));
    return answer;
  }
  void sleep(Duration span) override { run(clock_.sleep_for(span)); }
  io::Clock& clock() override { return clock_; }
  http::client::Client& client() override { return *client_; }
  void run(io::Task<void> task) override {
    io::TaskScope scope(context_.get_executor());
    scope.start(std::move(task));
    context_.restart();
    while (scope.running() > 0) context_.run_one();
  }

 private:
  static io::Task<void> keep(http::client::Client& client, http::client::Ask ask,
                             http::client::Answer& answer) {
    answer = co_await client.ask(ask);
  }

  boost::asio::io_context context_{1};
  io::SystemNetwork network_;
  io::SystemClock clock_;
  http::Guard guard_;
  std::unique_ptr<http::client::Client> client_;
};

Fault fault_of(int status) {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return Fault::invalid;
    case 401:
    case 403:
      return Fault::denied;
    case 404:
      return Fault::missing;
    case 409:
    case 412:
    case 428:
      return Fault::conflict;
    case 429:
    case 503:
      return Fault::busy;
    default:
      return Fault::io;
  }
}

}  // namespace

// Trusts the authorities of the PEM file that MILLRACE_CA names beside the system's.
Result<std::unique_ptr<HttpDesk>> HttpDesk::open(http::TlsSettings tls) {
  if (char const* const authority = std::getenv("MILLRACE_CA");
      authority != nullptr && tls.extra_ca_file.empty())
    tls.extra_ca_file = authority;
  auto guard = http::Guard::make({"0.0.0.0/0", "::/0"});
  if (!guard) return pass(guard);
  auto desk = std::make_unique<Desk>(std::move(*guard));
  if (auto started = desk->start(std::move(tls)); !started) return pass(started);
  return desk;
}

Result<ServerClient> ServerClient::reach_once(Reach const& reach) {
  ServerClient client;
  auto server = find_server(reach);
  if (!server) return pass(server);
  auto base = http::parse_url(*server);
  if (!base)
    return fail(Fault::invalid,
                fmt::format("{} {}: {}", reach.server.empty() ? "MILLRACE_SERVER" : "--server",
                            *server, base.error().what));
  auto token = find_token(reach);
  if (!token) return pass(token);
  auto desk = HttpDesk::open(trust_of(reach));
  if (!desk) return pass(desk);
  client.server_ = std::move(*server);
  client.base_ = std::move(*base);
  if (client.base_.target.ends_with('/')) client.base_.target.pop_back();
  client.token_ = std::move(*token);
  client.desk_ = std::move(*desk);
  return client;
}

Result<ServerClient> ServerClient::open(Reach const& reach) {
  if (auto const unused = unused_of(reach); !unused.empty()) remark(unused);
  if (reach.wait <= Duration::zero()) return reach_once(reach);
  auto waits = HttpDesk::open(trust_of(reach));
  if (!waits) return pass(waits);
  auto const until = (*waits)->clock().now() + reach.wait;
  for (;;) {
    // Both may be made only by the first start: the token, and who answers.
    auto client = reach_once(reach);
    if (!client && client.error().fault != Fault::denied) return client;
    std::optional<Error> why;
    if (!client)
      why = client.error();
    else if (auto const ready = client->call("GET", "/readyz"); !ready)
      why = ready.error();
    if (!why) return client;
    if ((*waits)->clock().now() >= until)
      return fail(why->fault,
                  fmt::format("not ready within {}: {}", format_duration(reach.wait), why->what));
    (*waits)->sleep(ask_again);
  }
}

Result<ServerClient::Reply> ServerClient::call(std::string_view method, std::string const& target,
                                               std::string const& body) {
  auto url = base_;
  url.target += target;
  std::string head =
      fmt::format("Authorization: Bearer {}\r\nAccept: application/json\r\n", token_);
  if (!body.empty()) head += "Content-Type: application/json\r\n";
  http::client::Ask ask;
  ask.method = method;
  ask.url = &url;
  ask.head = head;
  ask.body = body;
  ask.deadline = std::chrono::seconds(60);
  ask.kept_body = largest_answer;
  auto answer = desk_->ask(ask);
  if (answer.trouble != http::client::Trouble::none)
    return fail(Fault::unreachable,
                fmt::format("{}: {}; is the server running there? (--server URL)", server_,
                            harmless(answer.reason)));
  if (answer.status >= 400)
    return fail(fault_of(answer.status), problem_text(answer.status, answer.body, body));
  if (answer.status >= 300)
    return fail(Fault::io,
                fmt::format("{}: answered {}, which is no Millrace server's; check --server",
                            server_, answer.status));
  if (answer.body_cut) return fail(Fault::io, fmt::format("{}: its answer is cut short", server_));
  return Reply{answer.status, std::move(answer.body), std::move(answer.headers)};
}

Result<boost::json::object> ServerClient::object(std::string_view method, std::string const& target,
                                                 std::string const& body) {
  auto const reply = call(method, target, body);
  if (!reply) return pass(reply);
  if (reply->body.empty()) return boost::json::object();
  auto parsed = json::parse(reply->body, {.bytes = largest_answer, .depth = 100});
  if (!parsed || !parsed->is_object())
    return fail(Fault::io,
                fmt::format("{}: its answer is not a JSON object; check --server", server_));
  return std::move(parsed->get_object());
}

Result<boost::json::array> ServerClient::items(std::string const& target, std::size_t most,
                                               std::size_t page) {
  boost::json::array all;
  std::string after;
  for (;;) {
    auto const limit = std::min(page, most - all.size());
    auto answer =
        object("GET", fmt::format("{}{}limit={}{}", target, target.contains('?') ? '&' : '?', limit,
                                  after.empty() ? "" : "&after=" + percent(after)));
    if (!answer) return pass(answer);
    auto const* items = answer->if_contains("items");
    if (items == nullptr || !items->is_array())
      return fail(Fault::io, fmt::format("{}: its answer has no items", server_));
    for (auto const& item : items->get_array()) all.push_back(item);
    auto next = std::string(json::text_at(*answer, "next").value_or(""));
    if (next.empty() || next == after || all.size() >= most) return all;
    after = std::move(next);
  }
}

Exit give_up(Error const& error) {
  complain(error.what);
  if (error.fault == Fault::missing) return Exit::no;
  return error.fault == Fault::invalid ? Exit::usage : Exit::failed;
}

void remark_warnings(boost::json::object const& answer) {
  auto const* const warnings = answer.if_contains("warnings");
  if (warnings == nullptr || !warnings->is_array()) return;
  for (auto const& warning : warnings->get_array()) remark(shown(&warning));
}

std::string percent(std::string_view text) {
  std::string out;
  for (char const c : text) {
    bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace millrace::commands
