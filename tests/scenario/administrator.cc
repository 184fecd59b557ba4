#include "scenario/administrator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace millrace::scenario {
namespace {

// Nothing can come of a request after this, answered or not.
constexpr auto request_life = 45s;

bool is_known(Reply const& reply) { return reply.status > 0 && reply.status < 500; }

}  // namespace

Administrator::Administrator(World& world, AdministratorSettings settings,
                             std::vector<std::unique_ptr<Receiver>>& receivers)
    : world_(world),
      settings_(std::move(settings)),
      receivers_(receivers),
      chance_(world.seed(), 500 + static_cast<std::uint64_t>(settings_.index)),
      client_(world, world.seed(), 600 + static_cast<std::uint64_t>(settings_.index)) {}

std::string Administrator::name() const { return fmt::format("administrator {}", settings_.index); }

io::Task<Reply> Administrator::ask(std::string method, std::string target, std::string body,
                                   std::string head) {
  auto reply = co_await client_.ask(
      {method, target,
       bearer(settings_.token) + head + (body.empty() ? "" : "Content-Type: application/json\r\n"),
       std::move(body)});
  world_.note(name(), fmt::format("{} {}: {}", method, target, reply.status));
  co_return reply;
}

void Administrator::expect(Reply const& reply, std::string const& what, std::vector<int> allowed) {
  if (reply.status == 0 || reply.status >= 500 ||
      std::ranges::find(allowed, reply.status) != allowed.end())
    return;
  world_.fault("each request is answered as it deserves",
               fmt::format("{}: one of {}", what, allowed),
               fmt::format("{}: {} {}", name(), reply.status, reply.body));
}

std::vector<int> Administrator::numbers(bool ours) const {
  std::vector<int> all;
  for (auto const& [number, one] : world_.book().streams)
    if ((one.account == settings_.account) == ours && !one.id.empty()) all.push_back(number);
  return all;
}

std::vector<std::string> Administrator::some_types() {
  if (chance_.one_in(2)) return {"*"};
  std::vector<std::string> some;
  for (auto const& type : world_.book().types)
    if (chance_.one_in(2)) some.push_back(type);
  if (some.empty()) some.push_back(world_.book().types.front());
  return some;
}

io::Task<void> Administrator::run() {
  co_await make();
  while (world_.goes_on()) {
    co_await world_.clock().sleep_for(chance_.between(200ms, 6s));
    co_await do_one();
  }
  done = true;
}

io::Task<void> Administrator::do_one() {
  auto const ours = numbers(true);
  auto const alive = static_cast<std::size_t>(
      std::ranges::count_if(ours, [&](int n) { return !stream(n).removal; }));
  auto const choice = chance_.below(12);
  if (alive < 4 && (choice == 0 || ours.empty())) co_return co_await make();
  if (choice == 1) co_return co_await hand_out_token();
  if (choice == 2) co_return co_await list();
  if (choice == 3) co_return co_await look_at_others();
  if (ours.empty()) co_return;
  int const number = ours[chance_.below(ours.size())];
  if (choice == 4 && alive > 2) co_return co_await remove(number);
  if (choice <= 6) co_return co_await edit(number);
  if (choice == 7) co_return co_await stop(number);
  if (choice <= 9) co_return co_await go_on(number);
  co_await look(number);
}

io::Task<void> Administrator::make() {
  int const number = static_cast<int>(world_.book().streams.size()) + 1;
  auto& made = world_.book().streams[number];
  made.number = number;
  made.account = settings_.account;
  made.is_signed = chance_.one_in(4);
  made.filters.push_back({some_types(), {.asked = world_.now()}});
  auto const& receiver = *receivers_[chance_.below(receivers_.size())];
  auto const body = fmt::format(
      R"({{"name":"stream {}","account":"{}","event_types":["{}"],"delivery":{{"method":"https","url":"{}","sign_payload":{}}},"rate_limit":{},"contact_email":"a@example.edu"}})",
      number, settings_.account, fmt::join(made.filters.front().types, "\",\""),
      receiver.url_of(number), made.is_signed,
      chance_.one_in(2) ? "null" : std::to_string(1 + chance_.below(20)));
  auto const key = fmt::format("Idempotency-Key: make-{}\r\n", number);
  for (int tries = 0; tries < 100; ++tries) {
    auto const reply = co_await ask("POST", "/api/v1/data_streams", body, key);
    expect(reply, "making a stream", {201});
    if (is_known(reply)) {
      auto& same = stream(number);
      same.id = reply.text("id");
      same.filters.front().change.answered = world_.now();
      same.filters.front().change.done = reply.status == 201;
      if (same.id.empty() || reply.text("account") != settings_.account)
        world_.fault("each answer belongs to the request that asked", "the stream that was made",
                     fmt::format("{}: {}", name(), reply.body));
      co_return;
    }
    co_await world_.clock().sleep_for(1s);
  }
}

io::Task<void> Administrator::edit(int number) {
  std::string head;
  if (chance_.one_in(2)) {
    auto const read = co_await ask("GET", path(number));
    expect(read, "reading a stream", {200, 404});
    if (read.status != 200) co_return;
    head = "If-Match: " + read.header("ETag") + "\r\n";
  }
  std::vector<int> allowed{200};
  if (!head.empty()) allowed.push_back(412);
  if (chance_.one_in(2)) {
    auto const reply = co_await ask(
        "PATCH", path(number),
        fmt::format(R"({{"rate_limit":{}}})",
                    chance_.one_in(3) ? "null" : std::to_string(1 + chance_.below(30))),
        head);
    if (stream(number).removal) allowed.push_back(404);
    co_return expect(reply, "a new rate", allowed);
  }
  auto& filters = stream(number).filters;
  auto const place = filters.size();
  filters.push_back({some_types(), {.asked = world_.now()}});
  auto const reply = co_await ask(
      "PATCH", path(number),
      fmt::format(R"({{"event_types":["{}"]}})", fmt::join(filters.back().types, "\",\"")), head);
  if (stream(number).removal) allowed.push_back(404);
  expect(reply, "a new filter", allowed);
  auto& changed = stream(number).filters[place];
  changed.change.answered = is_known(reply) ? world_.now() : world_.now() + request_life;
  changed.change.done = reply.status == 200;
  changed.refused = is_known(reply) && reply.status != 200;
}

io::Task<void> Administrator::stop(int number) {
  auto const place = stream(number).stops.size();
  stream(number).stops.push_back({.asked = world_.now()});
  auto const reply = co_await ask("POST", path(number) + "/deactivate");
  expect(reply, "deactivating", stream(number).removal ? std::vector{200, 404} : std::vector{200});
  auto& asked = stream(number).stops[place];
  asked.done = reply.status == 200;
  asked.answered = is_known(reply) ? world_.now() : world_.now() + request_life;
}

io::Task<void> Administrator::go_on(int number) {
  auto const place = stream(number).starts.size();
  stream(number).starts.push_back({.asked = world_.now()});
  auto const reply = co_await ask("POST", path(number) + "/activate",
                                  chance_.one_in(4) ? R"({"from":"now"})" : R"({"from":"stop"})");
  expect(reply, "activating",
         stream(number).removal ? std::vector{200, 404, 409} : std::vector{200, 409});
  auto& asked = stream(number).starts[place];
  asked.done = reply.status == 200;
  asked.answered = is_known(reply) ? world_.now() : world_.now() + request_life;
}

io::Task<void> Administrator::remove(int number) {
  if (stream(number).removal) co_return;
  stream(number).removal = Asked{.asked = world_.now()};
  for (int tries = 0; tries < 100; ++tries) {
    auto const reply = co_await ask("DELETE", path(number));
    expect(reply, "deleting", tries == 0 ? std::vector{204} : std::vector{204, 404});
    if (is_known(reply)) {
      stream(number).removal->answered = world_.now();
      stream(number).removal->done = true;
      co_return;
    }
    co_await world_.clock().sleep_for(1s);
  }
}

io::Task<void> Administrator::look(int number) {
  bool const was_gone = stream(number).is_gone();
  auto const what = chance_.below(3);
  auto const reply = co_await ask("GET", path(number) + (what == 0   ? ""
                                                         : what == 1 ? "/attempts?limit=20"
                                                                     : "/undelivered?limit=20"));
  expect(reply, "looking",
         was_gone                 ? std::vector{404}
         : stream(number).removal ? std::vector{200, 404}
                                  : std::vector{200});
  if (reply.status == 200 && what == 0 && reply.text("id") != stream(number).id)
    world_.fault("each answer belongs to the request that asked", "stream " + stream(number).id,
                 reply.body);
  if (reply.status == 200 && what > 0 && !reply.json().contains("items"))
    world_.fault("each answer belongs to the request that asked", "a list", reply.body);
}

io::Task<void> Administrator::look_at_others() {
  auto const theirs = numbers(false);
  if (theirs.empty()) co_return;
  int const number = theirs[chance_.below(theirs.size())];
  auto const reply = chance_.one_in(2) ? co_await ask("GET", path(number))
                                       : co_await ask("PATCH", path(number), R"({"name":"mine"})");
  if (reply.status == 0 || reply.status >= 500 || reply.status == 404) co_return;
  world_.fault("walls: what is another's is not there", "404",
               fmt::format("{}: {} {}", name(), reply.status, reply.body));
}

io::Task<void> Administrator::list() {
  auto const reply = co_await ask("GET", "/api/v1/data_streams?limit=1000");
  expect(reply, "listing", {200});
  if (reply.status != 200) co_return;
  auto const json = reply.json();
  auto const* const items = json.if_contains("items");
  if (items == nullptr || !items->is_array())
    co_return world_.fault("each answer belongs to the request that asked", "a list", reply.body);
  for (auto const& item : items->get_array())
    if (item.as_object().at("account").as_string() != settings_.account)
      world_.fault("walls: what is another's is not there", "streams of " + settings_.account,
                   reply.body);
}

io::Task<void> Administrator::hand_out_token() {
  auto const made =
      co_await ask("POST", "/api/v1/tokens",
                   fmt::format(R"({{"name":"t{}-{}","role":"viewer","accounts":["{}"]}})",
                               settings_.index, ++tokens_, settings_.account));
  expect(made, "making a token", {201});
  if (made.status != 201) co_return;
  auto const secret = made.text("token");
  auto const used = co_await client_.ask({"GET", "/api/v1/data_streams", bearer(secret)});
  expect(used, "using a new token", {200});
  auto const revoked = co_await ask("DELETE", "/api/v1/tokens/" + made.text("id"));
  expect(revoked, "revoking a token", {204});
  if (revoked.status != 204) co_return;
  auto const after = co_await client_.ask({"GET", "/api/v1/data_streams", bearer(secret)});
  expect(after, "using a revoked token", {401});
}

}  // namespace millrace::scenario
