#include "commands/doctor_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "commands/naming.h"

namespace millrace::commands {
namespace {

constexpr std::size_t most_streams = 200;
constexpr std::size_t most_letters = 200;
constexpr Duration letters_since = std::chrono::hours(24);
constexpr double old_seconds = 3600;

Finding check_ready(HttpDesk& desk, std::string const& server) {
  auto const url = http::parse_url(server + "/readyz");
  if (!url)
    return bad("service", fmt::format("{}: {}", server, url.error().what),
               "give its URL by --server");
  http::client::Ask ask;
  ask.method = "GET";
  ask.url = &*url;
  ask.deadline = std::chrono::seconds(6);
  auto const answer = desk.ask(ask);
  if (answer.trouble != http::client::Trouble::none)
    return bad("service", fmt::format("{}: {}", server, answer.reason),
               "give its URL by --server, or see its log");
  if (answer.status == 200) return ok("service", fmt::format("{} is ready", server));
  return bad("service", fmt::format("{} is not ready: {}", server, answer.body.substr(0, 200)),
             "see its log");
}

std::string title_of(boost::json::object const& stream) {
  return fmt::format("\"{}\" ({})", shown(stream, "name"), shown(stream, "id").substr(0, 13));
}

double number_at(boost::json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  boost::system::error_code error;
  return value == nullptr || !value->is_number() ? 0 : value->to_number<double>(error);
}

void look_at_streams(ServerClient& server, std::vector<Finding>& findings) {
  auto const streams = server.items(std::string(streams_kind.path), most_streams + 1);
  if (!streams)
    return findings.push_back(warn("streams", streams.error().what, "see the service's log"));
  std::size_t well = 0, looked = 0;
  for (auto const& item : *streams) {
    auto const* const stream = item.if_object();
    if (stream == nullptr || looked == most_streams) continue;
    ++looked;
    auto const health = server.object(
        "GET", fmt::format("{}/{}/health", streams_kind.path, percent(shown(*stream, "id"))));
    // One that was deleted meanwhile has no health.
    if (!health) continue;
    if (auto finding = judge_stream(*stream, *health))
      findings.push_back(std::move(*finding));
    else
      ++well;
  }
  findings.push_back(
      ok("streams", fmt::format("{} of {}{} do well", well, counted(looked, "data stream"),
                                streams->size() > most_streams ? " that were asked" : "")));
}

}  // namespace

std::optional<Finding> judge_stream(boost::json::object const& stream,
                                    boost::json::object const& health) {
  auto const title = title_of(stream);
  auto const reason = shown(stream, "state_reason");
  if (shown(stream, "state") == "deactivated") {
    if (reason == "by_user") return std::nullopt;
    return bad("stream", fmt::format("{} was deactivated: {}", title, reason),
               "see `millrace attempts STREAM --outcome failed`; then activate it again");
  }
  auto const failed_at = shown(health, "last_failure_at"),
             got_at = shown(health, "last_success_at");
  if (!failed_at.empty() && failed_at > got_at)
    return bad("stream",
               fmt::format("{} fails, the last time at {}: {}", title, failed_at,
                           shown(health, "last_failure_reason")),
               "see `millrace attempts STREAM --outcome failed --details`");
  if (auto const age = number_at(health, "oldest_waiting_seconds"); age > old_seconds)
    return warn("stream",
                fmt::format("{}: {}, the oldest for {:.1f} h", title,
                            counted(count_at(health, {"waiting"}), "event") + " wait", age / 3600),
                shown(health, "rate_limited") == "yes"
                    ? "its --rate-limit is too low for what comes"
                    : "its receiver is slow, or was away");
  if (auto const lost = count_at(health, {"counters", "lost"}); lost > 0)
    return warn("stream",
                fmt::format("{} has lost {} that waited longer than the log keeps them", title,
                            counted(lost, "event")),
                "raise store.log_age and store.log_bytes, or help its receiver");
  if (auto const kept = count_at(health, {"undelivered"}); kept > 0)
    return warn("stream", fmt::format("{} keeps {} as undelivered", title, counted(kept, "event")),
                "see `millrace undelivered STREAM`");
  if (auto const* warnings = health.if_contains("warnings");
      warnings != nullptr && warnings->is_array() && !warnings->get_array().empty())
    return warn("stream", fmt::format("{}: {}", title, shown(warnings)),
                "see `millrace streams show STREAM`");
  return std::nullopt;
}

Finding judge_letters(boost::json::array const& letters, WallTime now) {
  auto const since = iso_ms(now - letters_since);
  std::map<std::string, std::size_t> reasons;
  std::size_t count = 0;
  for (auto const& item : letters) {
    auto const* const letter = item.if_object();
    if (letter == nullptr || shown(*letter, "at") < since) continue;
    ++count;
    ++reasons[shown(*letter, "reason")];
  }
  if (count == 0) return ok("letters", "no dead letter in the last 24 h");
  auto const most =
      std::ranges::max_element(reasons, {}, [](auto const& pair) { return pair.second; });
  return warn(
      "letters",
      fmt::format("{}{} in the last 24 h, {} of them: {}", count == most_letters ? "at least " : "",
                  counted(count, "dead letter"), most->second, most->first),
      "see `millrace dead-letters list`");
}

std::vector<Finding> look_at_service(HttpDesk& desk, Reach const& reach) {
  std::vector<Finding> findings;
  auto const named = find_server(reach);
  if (!named) return {bad("service", named.error().what, "give its URL by --server")};
  findings.push_back(check_ready(desk, *named));
  if (findings.back().verdict == Verdict::fail) return findings;
  auto server = ServerClient::open(reach);
  if (!server) {
    findings.push_back(
        warn("streams", "not looked at: " + server.error().what, "give a token of a viewer"));
    return findings;
  }
  look_at_streams(*server, findings);
  auto const letters = server->items("/api/v1/dead_letters", most_letters, 50);
  findings.push_back(letters ? judge_letters(*letters, desk.clock().wall())
                             : warn("letters", letters.error().what, "see the service's log"));
  return findings;
}

}  // namespace millrace::commands
