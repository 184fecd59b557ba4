#include "scenario/producer.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "crypto/sigv4.h"

namespace millrace::scenario {

Producer::Producer(World& world, ProducerSettings settings)
    : world_(world),
      settings_(std::move(settings)),
      chance_(world.seed(), 300 + static_cast<std::uint64_t>(settings_.index)),
      client_(world, world.seed(), 400 + static_cast<std::uint64_t>(settings_.index)) {}

std::string Producer::name() const { return fmt::format("producer {}", settings_.index); }

std::string Producer::event(std::string const& marker) {
  auto& event = world_.book().events[marker];
  event.account = settings_.account;
  event.type = world_.book().types[chance_.below(world_.book().types.size())];
  event.sent.asked = world_.now();
  event.once = !uses_kinesis();
  return fmt::format(
      R"({{"metadata":{{"event_name":"{}","root_account_uuid":"{}"}},"body":{{"marker":"{}","fill":"{}"}}}})",
      event.type, event.account, marker,
      std::string(chance_.below(chance_.one_in(10) ? 20'000 : 200), 'x'));
}

Request Producer::ndjson(Sending const& sending) {
  std::string body;
  for (auto const& marker : sending.markers) body += event(marker) + "\n";
  return {"POST", "/api/v1/events",
          bearer(settings_.token) +
              "Content-Type: application/x-ndjson\r\nIdempotency-Key: " + sending.key + "\r\n",
          std::move(body)};
}

Request Producer::signed_request(std::string body) {
  Request request{"POST", "/", "", std::move(body)};
  std::vector<std::pair<std::string, std::string>> lines{
      {"Content-Type", "application/x-amz-json-1.1"},
      {"X-Amz-Target", "Kinesis_20131202.PutRecords"}};
  crypto::AwsRequest plain{"POST", "/", "", {{"Host", "10.1.0.1"}}, request.body};
  for (auto const& [key, value] : lines) plain.headers.emplace_back(key, value);
  for (auto& added : crypto::sign_v4(plain, {settings_.access_key, settings_.secret_key, ""},
                                     "us-east-1", "kinesis", world_.clock().wall()))
    lines.push_back(std::move(added));
  for (auto const& [key, value] : lines) request.head += fmt::format("{}: {}\r\n", key, value);
  return request;
}

Request Producer::put_records(Sending const& sending) {
  std::string body = R"({"StreamName":"live-events","Records":[)";
  for (auto const& marker : sending.markers)
    body += fmt::format(R"({}{{"Data":"{}","PartitionKey":"k"}})", body.ends_with('[') ? "" : ",",
                        base64(event(marker)));
  return signed_request(body + "]}");
}

Producer::Sending Producer::make() {
  Sending sending;
  sending.key = fmt::format("p{}-{}", settings_.index, ++made_);
  for (std::uint64_t i = 0, n = 1 + chance_.below(6); i < n; ++i)
    sending.markers.push_back(fmt::format("{}-{}", sending.key, i));
  sending.request = uses_kinesis() ? put_records(sending) : ndjson(sending);
  return sending;
}

io::Task<void> Producer::run() {
  while (world_.goes_on()) {
    co_await world_.clock().sleep_for(chance_.between(50ms, 2s));
    if (chance_.one_in(8))
      co_await send_broken();
    else
      co_await send(make());
  }
  done = true;
}

// Again and again until it is answered, as an SDK does; and at times once more though it was.
io::Task<void> Producer::send(Sending sending) {
  for (int tries = 0; tries < 20; ++tries) {
    if (uses_kinesis() && tries > 0) sending.request = signed_request(sending.request.body);
    for (auto const& marker : sending.markers) ++world_.book().events[marker].sends;
    auto const reply = co_await client_.ask(sending.request);
    world_.note(name(),
                fmt::format("{} of {}: {}", sending.key, sending.markers.size(), reply.status));
    judge(sending, reply);
    if (reply.status == 200 && !chance_.one_in(12)) co_return;
    co_await world_.clock().sleep_for(chance_.between(100ms, 2s));
  }
}

void Producer::judge(Sending const& sending, Reply const& reply) {
  if (reply.status == 200) return took(sending, reply);
  if (reply.status == 0 || reply.status >= 500) return;
  // PutRecords says with 400 that a limit is reached.
  if (reply.status == 400 && reply.body.contains("ProvisionedThroughputExceeded")) return;
  world_.fault("a right request is never refused as a wrong one", "200, or a 5xx",
               fmt::format("{}, {}: {} {}", name(), sending.key, reply.status, reply.body));
}

void Producer::took(Sending const& sending, Reply const& reply) {
  auto const json = reply.json();
  auto const wanted = sending.markers.size();
  auto const* const records = json.if_contains("Records");
  auto const answered = !uses_kinesis()                             ? reply.number("accepted")
                        : records != nullptr && records->is_array() ? records->get_array().size()
                                                                    : 0;
  if (answered != wanted) {
    world_.fault("each answer belongs to the request that asked", fmt::format("{} events", wanted),
                 fmt::format("{}, {}: {}", name(), sending.key, reply.body));
    return;
  }
  for (std::size_t i = 0; i < wanted; ++i) {
    if (records != nullptr && !records->get_array()[i].as_object().contains("SequenceNumber"))
      continue;
    auto& sent = world_.book().events[sending.markers[i]].sent;
    if (!sent.done) sent.answered = world_.now();
    sent.done = true;
  }
}

io::Task<void> Producer::send_broken() {
  Request request{
      "POST", "/api/v1/events",
      bearer(uses_kinesis() ? "mr_nobody" : settings_.token) + "Content-Type: application/json\r\n",
      R"({"metadata":{"event_name":"x"},"bo)"};
  switch (chance_.below(5)) {
    case 0:
      co_return co_await client_.ask_half(request);
    case 1:  // a whole one, whose connection ends somewhere: it may be taken
      if (auto sending = make(); true) {
        for (auto const& marker : sending.markers) ++world_.book().events[marker].sends;
        co_await client_.ask_half(sending.request);
      }
      co_return;
    case 2:
      request.head = bearer("mr_wrong");
      break;
    case 3:
      request = signed_request("{}");
      request.body = R"({"Records":[]})";
      break;
    default:
      break;
  }
  auto const reply = co_await client_.ask(request);
  world_.note(name(), fmt::format("broken: {}", reply.status));
  if (reply.status == 200)
    world_.fault("a wrong request is not taken", "4xx",
                 fmt::format("{}: {} {}", name(), reply.status, reply.body));
}

}  // namespace millrace::scenario
