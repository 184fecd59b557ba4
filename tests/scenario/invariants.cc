#include "scenario/invariants.h"

#include <fmt/format.h>

namespace millrace::scenario {
namespace {

std::uint64_t number(boost::json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<std::uint64_t>() : 0;
}

io::Task<void> ask_into(Client& client, Request request, Reply& reply, bool& done) {
  reply = co_await client.ask(std::move(request));
  done = true;
}

}  // namespace

Invariants::Invariants(World& world) : world_(world), client_(world, world.seed(), 800) {
  client_.in_pieces = false;
}

std::optional<Reply> Invariants::ask(std::string target) {
  // On the heap: when time is up, the question may still be under way.
  auto const asking = std::make_shared<Asking>();
  struct Run {
    static io::Task<void> it(Client& client, Request request, std::shared_ptr<Asking> into) {
      co_await ask_into(client, std::move(request), into->reply, into->done);
    }
  };
  world_.sim().start(Run::it(client_, {"GET", std::move(target), bearer(world_.owner())}, asking));
  world_.sim().settle();
  if (!world_.advance_until([&] { return asking->done; }, 60s)) {
    if (!world_.must_crash())
      world_.fault("a question is answered, or refused", "an end within 60 s", "silence");
    return std::nullopt;
  }
  return asking->reply;
}

std::optional<Invariants::Status> Invariants::status_of(Stream const& stream) {
  auto const reply = ask("/api/v1/data_streams/" + stream.id + "/health");
  if (!reply || reply->status == 0 || reply->status >= 500) return std::nullopt;
  if (reply->status == 404 && stream.removal) return std::nullopt;
  auto const object = reply->json();
  if (reply->status != 200 || reply->text("id") != stream.id) {
    world_.fault("a stream that was made is there", "200 and stream " + stream.id,
                 fmt::format("stream {}: {} {}", stream.number, reply->status, reply->body));
    return std::nullopt;
  }
  if (stream.is_gone()) {
    world_.fault("a stream that was deleted is gone", "404",
                 fmt::format("stream {}: {}", stream.number, reply->body));
    return std::nullopt;
  }
  auto const& counters = object.at("counters").as_object();
  return Status{number(counters, "matched"),
                number(counters, "delivered"),
                number(counters, "undelivered"),
                number(counters, "skipped"),
                number(counters, "lost"),
                number(object, "waiting"),
                reply->text("state"),
                reply->body};
}

void Invariants::check() {
  std::uint64_t matched = 0;
  std::vector<int> numbers;
  for (auto const& [n, stream] : world_.book().streams)
    if (!stream.id.empty()) numbers.push_back(n);
  for (int const n : numbers) {
    if (!world_.is_up() || world_.must_crash() || !world_.findings().empty()) return;
    auto const& stream = world_.book().streams.at(n);
    auto const status = status_of(stream);
    if (!status) continue;
    matched += status->matched;
    check_sums(stream, *status);
    check_counts(stream, *status);
  }
  matched_ = std::max(matched, matched_);
  check_work();
}

void Invariants::check_sums(Stream const& stream, Status const& s) {
  if (s.matched == s.delivered + s.undelivered + s.skipped + s.lost + s.waiting) return;
  world_.fault("matched = delivered + undelivered + skipped + lost + waiting", "equal sums",
               fmt::format("stream {}: {}", stream.number, s.text));
}

void Invariants::check_counts(Stream const& stream, Status const& s) {
  auto const selected = world_.book().selected_by(stream);
  if (s.matched < selected.surely || s.matched > selected.perhaps)
    world_.fault("what was accepted is counted, and nothing else",
                 fmt::format("{} to {} matched", selected.surely, selected.perhaps),
                 fmt::format("stream {}: {}", stream.number, s.text));
  if (s.delivered > stream.acknowledged.size())
    world_.fault("delivered is what the receiver has taken",
                 fmt::format("at most {} delivered", stream.acknowledged.size()),
                 fmt::format("stream {}: {}", stream.number, s.text));
}

// Generous, and finite: a try costs a few looks for work; without tries there is next to nothing to do.
void Invariants::check_work() {
  if (!world_.is_up() || world_.must_crash()) return;
  if (life_ != world_.lives()) {
    life_ = world_.lives();
    life_began_ = world_.now();
  }
  auto const meters = world_.meters();
  auto const streams = world_.book().streams.size();
  auto const minutes = 1 + static_cast<std::uint64_t>(seconds(world_.now() - life_began_) / 60);
  auto const tries = 4 * matched_ + 100;
  auto const calm = 30 * streams * minutes;
  if (meters.wakes <= tries + calm && meters.timers <= tries + calm &&
      meters.pumps <= 4 * tries + 4 * calm)
    return;
  world_.fault(
      "work is bounded",
      fmt::format("at most {} wakes and timers, {} looks for work", tries + calm,
                  4 * (tries + calm)),
      fmt::format("{} wakes, {} timers, {} looks", meters.wakes, meters.timers, meters.pumps));
}

bool Invariants::all_settled() {
  for (auto const& [n, stream] : world_.book().streams) {
    if (stream.id.empty() || stream.is_gone()) continue;
    auto const status = status_of(stream);
    if (!status || (status->state == "active" && status->waiting > 0)) return false;
  }
  return true;
}

std::set<std::string> Invariants::undelivered_of(Stream const& stream) {
  std::set<std::string> markers;
  std::string after;
  for (int page = 0; page < 1000; ++page) {
    auto const reply =
        ask(fmt::format("/api/v1/data_streams/{}/undelivered?include=event&limit=10{}", stream.id,
                        after.empty() ? "" : "&after=" + after));
    if (!reply || reply->status != 200) break;
    auto const json = reply->json();
    for (auto const& item : json.at("items").as_array()) {
      auto const text = boost::json::serialize(item);
      constexpr std::string_view key = R"("marker":")";
      auto const at = text.find(key);
      if (at != text.npos)
        markers.insert(
            text.substr(at + key.size(), text.find('"', at + key.size()) - at - key.size()));
    }
    after = reply->text("next");
    if (after.empty()) break;
  }
  return markers;
}

void Invariants::check_end() {
  check();
  for (auto const& [n, stream] : world_.book().streams) {
    if (!world_.findings().empty()) return;
    if (stream.id.empty() || stream.removal) continue;
    auto const status = status_of(stream);
    if (status)
      check_somewhere(stream, *status);
    else if (world_.findings().empty())
      world_.fault("a node is well when nothing goes wrong", "a status",
                   fmt::format("stream {}", n));
  }
}

void Invariants::check_somewhere(Stream const& stream, Status const& s) {
  if (s.state == "active" && s.waiting > 0)
    world_.fault("what waits is sent once all is well", "nothing waits",
                 fmt::format("stream {}: {}", stream.number, s.text));
  auto const listed = s.undelivered > 0 ? undelivered_of(stream) : std::set<std::string>();
  std::vector<std::string> missing;
  for (auto const& marker : world_.book().selected_by(stream).markers)
    if (!stream.acknowledged.contains(marker) && !listed.contains(marker))
      missing.push_back(marker);
  auto const told = s.skipped + s.lost + (s.state == "active" ? 0 : s.waiting);
  if (missing.size() <= told) return;
  world_.fault("what was accepted is somewhere",
               fmt::format("at most {} neither delivered nor listed", told),
               fmt::format("stream {}: {} are missing, the first is {}; {}", stream.number,
                           missing.size(), missing.front(), s.text));
}

}  // namespace millrace::scenario
