#include "cli/client.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "http/guard.h"
#include "io/files.h"
#include "json/reader.h"
#include "json/write.h"

namespace millrace::cli {
namespace {

constexpr std::size_t largest_answer = 64 * 1024 * 1024;
constexpr auto page_size = 200;

class Desk final : public HttpDesk {
 public:
  explicit Desk(http::Guard guard) : guard_(std::move(guard)) {}
  ~Desk() override {
    client_.reset();
    context_.poll();
  }
  Result<void> start(http::TlsSettings tls) {
    auto client =
        http::make_client(context_.get_executor(), network_, clock_, guard_, std::move(tls));
    if (!client) return pass(client);
    client_ = std::move(*client);
    return {};
  }
  http::Answer ask(http::Ask ask) override {
    http::Answer answer;
    run(keep(*client_, ask, answer));
    return answer;
  }
  void sleep(Duration span) override { run(clock_.sleep_for(span)); }
  io::Clock& clock() override { return clock_; }
  http::Client& client() override { return *client_; }
  void run(io::Task<void> task) override {
    io::TaskScope scope(context_.get_executor());
    scope.start(std::move(task));
    context_.restart();
    while (scope.running() > 0) context_.run_one();
  }

 private:
  static io::Task<void> keep(http::Client& client, http::Ask ask, http::Answer& answer) {
    answer = co_await client.ask(ask);
  }

  boost::asio::io_context context_{1};
  io::SystemNetwork network_;
  io::SystemClock clock_;
  http::Guard guard_;
  std::unique_ptr<http::Client> client_;
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

// A problem document in one line: its detail, then each fault with its field.
std::string problem_text(int status, std::string_view body) {
  std::string text;
  if (auto const parsed = json::parse(body); parsed && parsed->is_object()) {
    auto const& object = parsed->get_object();
    text = json::text_at(object, "detail").value_or(json::text_at(object, "title").value_or(""));
    if (auto const* errors = object.if_contains("errors");
        errors != nullptr && errors->is_array()) {
      for (auto const& error : errors->get_array()) {
        if (!error.is_object()) continue;
        // The detail of a single fault is that fault.
        if (text.contains(json::text_at(error.get_object(), "message").value_or("\n"))) continue;
        if (!text.empty()) text += "; ";
        text += fmt::format("{}: {}", json::text_at(error.get_object(), "field").value_or(""),
                            json::text_at(error.get_object(), "message").value_or(""));
      }
    }
  }
  if (text.empty()) text = fmt::format("the server answered {}", status);
  if (status == 401)
    text += "; give a valid token by --token, MILLRACE_TOKEN, or --data DIR (its admin.token)";
  return harmless(text);
}

}  // namespace

void add_reach(CLI::App& app, Reach& reach) {
  app.add_option_function<std::string>(
         "--server",
         [&reach](std::string const& url) {
           reach.server = url;
           reach.server_given = true;
         },
         "URL of the server [http://127.0.0.1:8080]")
      ->type_name("URL");
  app.add_option("--token", reach.token, "Bearer token; else MILLRACE_TOKEN, else DIR/admin.token")
      ->type_name("TOKEN");
  app.add_option("--data", reach.data, "Folder of a server on this machine, for its admin.token")
      ->type_name("DIR");
  app.add_flag("--json", reach.json, "Print JSON");
}

Result<std::unique_ptr<HttpDesk>> HttpDesk::open(http::TlsSettings tls) {
  auto guard = http::Guard::make({"0.0.0.0/0", "::/0"});
  if (!guard) return pass(guard);
  auto desk = std::make_unique<Desk>(std::move(*guard));
  if (auto started = desk->start(std::move(tls)); !started) return pass(started);
  return desk;
}

Result<std::string> find_token(Reach const& reach) {
  if (!reach.token.empty()) return reach.token;
  if (char const* const from_environment = std::getenv("MILLRACE_TOKEN");
      from_environment != nullptr && *from_environment != '\0')
    return std::string(from_environment);
  // Without any flag it is the server of this folder that is meant; never send its token anywhere else unasked.
  if (reach.data.empty() && reach.server_given)
    return fail(
        Fault::denied,
        "no token: give --token, MILLRACE_TOKEN, or --data DIR with the server's admin.token");
  io::DiskFiles files;
  auto const path = (reach.data.empty() ? std::string("./data") : reach.data) + "/admin.token";
  auto token = files.read_all(path, 4096);
  if (!token)
    return fail(Fault::denied,
                fmt::format("no token: {}; give --token, MILLRACE_TOKEN, or --data DIR",
                            token.error().what));
  while (!token->empty() &&
         (token->back() == '\n' || token->back() == '\r' || token->back() == ' '))
    token->pop_back();
  return token;
}

Result<ServerClient> ServerClient::open(Reach const& reach) {
  ServerClient client;
  auto base = http::parse_url(reach.server);
  if (!base)
    return fail(Fault::invalid,
                fmt::format("--server {}: {}", harmless(reach.server), base.error().what));
  auto token = find_token(reach);
  if (!token) return pass(token);
  // It becomes part of a header.
  for (char const c : *token)
    if (c <= ' ' || c == 0x7f)
      return fail(Fault::invalid, "the token holds spaces or control characters");
  auto desk = HttpDesk::open();
  if (!desk) return pass(desk);
  client.server_ = reach.server;
  client.base_ = std::move(*base);
  if (client.base_.target.ends_with('/')) client.base_.target.pop_back();
  client.token_ = std::move(*token);
  client.desk_ = std::move(*desk);
  return client;
}

Result<ServerClient::Reply> ServerClient::call(std::string_view method, std::string const& target,
                                               std::string const& body) {
  auto url = base_;
  url.target += target;
  std::string head =
      fmt::format("Authorization: Bearer {}\r\nAccept: application/json\r\n", token_);
  if (!body.empty()) head += "Content-Type: application/json\r\n";
  http::Ask ask;
  ask.method = method;
  ask.url = &url;
  ask.head = head;
  ask.body = body;
  ask.deadline = std::chrono::seconds(60);
  ask.kept_body = largest_answer;
  auto answer = desk_->ask(ask);
  if (answer.trouble != http::Trouble::none)
    return fail(Fault::unreachable,
                fmt::format("{}: {}; is the server running there? (--server URL)", server_,
                            harmless(answer.reason)));
  if (answer.status >= 400)
    return fail(fault_of(answer.status), problem_text(answer.status, answer.body));
  if (answer.status >= 300)
    return fail(Fault::io,
                fmt::format("{}: answered {}, which is no Millrace server's; check --server",
                            server_, answer.status));
  if (answer.body_cut) return fail(Fault::io, fmt::format("{}: its answer is cut short", server_));
  return Reply{answer.status, std::move(answer.body)};
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

Result<boost::json::array> ServerClient::items(std::string const& target, std::size_t most) {
  boost::json::array all;
  std::string after;
  for (;;) {
    auto const limit = std::min<std::size_t>(page_size, most - all.size());
    auto page =
        object("GET", fmt::format("{}{}limit={}{}", target, target.contains('?') ? '&' : '?', limit,
                                  after.empty() ? "" : "&after=" + percent(after)));
    if (!page) return pass(page);
    auto const* items = page->if_contains("items");
    if (items == nullptr || !items->is_array())
      return fail(Fault::io, fmt::format("{}: its answer has no items", server_));
    for (auto const& item : items->get_array()) all.push_back(item);
    auto next = std::string(json::text_at(*page, "next").value_or(""));
    if (next.empty() || next == after || all.size() >= most) return all;
    after = std::move(next);
  }
}

Exit give_up(Error const& error) {
  complain(error.what);
  if (error.fault == Fault::missing) return Exit::no;
  return error.fault == Fault::invalid ? Exit::usage : Exit::failed;
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

std::string json_text(boost::json::value const& value) {
  if (auto const* number = value.if_double()) return fmt::format("{}", *number);  // not 1.5E0
  if (auto const* list = value.if_array()) {
    std::string text = "[";
    for (auto const& item : *list) text += (text.size() > 1 ? "," : "") + json_text(item);
    return text + ']';
  }
  if (auto const* object = value.if_object()) {
    std::string text = "{";
    for (auto const& member : *object) {
      if (text.size() > 1) text += ',';
      json::append_string(text, std::string_view(member.key()));
      text += ':' + json_text(member.value());
    }
    return text + '}';
  }
  return boost::json::serialize(value);
}

void print_json(boost::json::value const& value) { fmt::print("{}\n", json_text(value)); }

std::string harmless(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const c = static_cast<unsigned char>(text[i]);
    // C1 controls, as UTF-8 writes them, steer terminals like C0 do.
    bool const c1 =
        c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c == '\n' || c == '\t' || c == '\r')
      out += ' ';
    else if (c < 0x20 || c == 0x7F)
      out += '?';
    else if (c1)
      out += '?', ++i;
    else
      out += text[i];
  }
  return out;
}

std::string shown(boost::json::value const* value) {
  if (value == nullptr || value->is_null()) return {};
  if (auto const* text = value->if_string()) return harmless(*text);
  if (auto const* list = value->if_array()) {
    std::string joined;
    for (auto const& item : *list) {
      if (!joined.empty()) joined += ", ";
      joined += shown(&item);
    }
    return joined;
  }
  if (auto const* flag = value->if_bool()) return *flag ? "yes" : "no";
  return harmless(json_text(*value));
}

std::string shown(boost::json::object const& object, std::string_view key) {
  return shown(object.if_contains(key));
}

std::string shown_at(boost::json::object const& object,
                     std::initializer_list<std::string_view> path) {
  boost::json::object const* at = &object;
  boost::json::value const* value = nullptr;
  for (auto const key : path) {
    value = at != nullptr ? at->if_contains(key) : nullptr;
    at = value != nullptr ? value->if_object() : nullptr;
  }
  return shown(value);
}

void print_fields(boost::json::object const& object, int indent) {
  std::size_t width = 0;
  for (auto const& member : object)
    if (!member.value().is_object()) width = std::max(width, member.key().size());
  for (auto const& member : object) {
    auto const key = harmless(std::string_view(member.key()));
    if (auto const* inner = member.value().if_object(); inner != nullptr && !inner->empty()) {
      fmt::print("{:{}}{}:\n", "", indent, key);
      print_fields(*inner, indent + 2);
    } else {
      fmt::print("{:{}}{:<{}}  {}\n", "", indent, key + ":", width + 1,
                 inner != nullptr ? std::string() : shown(&member.value()));
    }
  }
}

}  // namespace millrace::cli
