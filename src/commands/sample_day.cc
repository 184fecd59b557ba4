#include "commands/sample_day.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/encoding.h"
#include "commands/sample_events.h"

namespace millrace::commands {
namespace {

constexpr std::array<std::string_view, 24> first_names{
    "Amara", "Bastian", "Chiara",  "Dmitri", "Elif",   "Farid",  "Greta",   "Hiroshi",
    "Imani", "Jonas",   "Kalinda", "Liam",   "Maryam", "Nils",   "Olga",    "Pedro",
    "Quynh", "Rosa",    "Samir",   "Tove",   "Ulrike", "Victor", "Wanjiru", "Yusuf"};
constexpr std::array<std::string_view, 20> last_names{
    "Abara",  "Bergström", "Castillo", "Dvořák", "Eriksen",   "Fontaine", "Gupta",
    "Haddad", "Ivanova",   "Jansen",   "Kimura", "Lindqvist", "Moreau",   "Nakamura",
    "Okafor", "Petrov",    "Quiroga",  "Rossi",  "Schmidt",   "Tanaka"};
constexpr std::array<std::string_view, 10> courses{
    "Soil and Water",    "Reading Maps",        "Statistics Without Fear", "Bridges and Beams",
    "A History of Salt", "Organic Chemistry I", "Songs of the Sea",        "Working Databases",
    "Light and Colour",  "Care of the Elderly"};
constexpr std::array<std::string_view, 8> tasks{
    "Field notebook", "Essay draft",     "Problem set",        "Lab report",
    "Peer review",    "Source critique", "Short presentation", "Reflection"};
constexpr std::array<std::string_view, 6> topics{
    "What surprised you this week?",  "Questions on the reading", "Share your sketch",
    "Which method would you choose?", "Plan for the excursion",   "Where this is used"};
constexpr std::array<std::string_view, 6> pages{
    "Welcome", "How we work", "Glossary", "Further reading", "Safety in the lab", "Timetable"};
constexpr std::array<std::string_view, 6> sentences{
    "I compared three samples and two of them agree within the error.",
    "The second source says the opposite, and I think it is right.",
    "Could you look at figure two again? The axis seems to be turned around.",
    "Well argued; the last step needs one more sentence.",
    "We measured at noon and at six, and drew both curves.",
    "Please bring your notes on Thursday, we will need them."};
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> files{
    {{"reading list.pdf", "application/pdf"},
     {"river data.csv", "text/csv"},
     {"poster.png", "image/png"},
     {"slides week 3.odp", "application/vnd.oasis.opendocument.presentation"}}};
constexpr std::array<std::string_view, 3> browsers{
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148 CanvasStudent/7.2"};

constexpr std::uint64_t shard = 10'000'000'000'000;  // a global id is this and the local one
constexpr std::uint64_t people = 240;
constexpr std::string_view host = "learn.example.edu";

// SplitMix64: the same day for the same seed, on every machine.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

std::uint64_t mix(std::string_view what, std::uint64_t id) {
  std::uint64_t hash = 0xCBF29CE484222325U ^ id;
  for (char const c : what) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return Dice(hash).next();
}

// Made-up ids that belong to a thing and stay the same all day.
std::string uuid_of(std::string_view what, std::uint64_t id) {
  auto const a = mix(what, id), b = mix(what, ~id);
  return fmt::format("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", a >> 32, (a >> 16) & 0xFFFF,
                     a & 0xFFF, b >> 52, b & 0xFFFFFFFFFFFF);
}
std::string canvas_uuid_of(std::string_view what,
                           std::uint64_t id) {  // 40 characters, as Canvas makes them
  static constexpr std::string_view letters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  Dice dice(mix(what, id));
  std::string out;
  while (out.size() < 40) out += letters[dice.below(letters.size())];
  return out;
}
std::string guid_of(std::string_view what, std::uint64_t id) {
  return fmt::format("{:016x}{:016x}{:08x}", mix(what, id), mix(what, id + 1),
                     mix(what, id + 2) & 0xFFFFFFFF);
}

std::string global(std::uint64_t local) { return fmt::format("{}", shard + local); }
std::string local(std::uint64_t id) { return fmt::format("{}", id); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

using Scene = std::map<std::string, std::string, std::less<>>;

void add_person(Scene& scene, std::string const& name, std::uint64_t id) {
  auto const first = first_names[id % first_names.size()];
  auto const last = last_names[(id / 3) % last_names.size()];
  scene[name] = global(id);
  scene[name + "_local"] = local(id);
  scene[name + "_name"] = fmt::format("{} {}", first, last);
  scene[name + "_login"] = fmt::format("u{:05}@example.edu", id);
  scene[name + "_sis"] = fmt::format("P{:06}", id);
  scene[name + "_uuid"] = canvas_uuid_of("user", id);
  scene[name + "_guid"] = guid_of("user", id);
}

void add_times(Scene& scene, WallTime now) {
  using std::chrono::hours;
  scene["now"] = iso_s(now);
  scene["earlier"] = iso_s(now - hours(24 * 9));
  scene["unlock"] = iso_s(now - hours(24 * 5));
  scene["due"] = iso_s(now + hours(24 * 7));
  scene["lock"] = iso_s(now + hours(24 * 21));
  scene["day"] = iso_s(now + hours(24 * 7)).substr(0, 10);
}

void add_course(Scene& scene, Dice& dice) {
  auto const i = dice.below(courses.size());
  auto const course = 300 + i;
  auto const other = 300 + (i + 1) % courses.size();
  scene["course"] = global(course);
  scene["course_local"] = local(course);
  scene["course_name"] = courses[i];
  scene["course_sis"] = fmt::format("C-{}-2026", course);
  scene["course_uuid"] = canvas_uuid_of("course", course);
  scene["course_guid"] = guid_of("course", course);
  scene["other_local"] = local(other);
  scene["other_uuid"] = canvas_uuid_of("course", other);
  scene["other_guid"] = guid_of("course", other);
  scene["section"] = global(course * 2);
  scene["section_local"] = local(course * 2);
  scene["section_name"] = i % 2 == 0 ? "A" : "B";
  scene["term"] = "1";

  auto const task = dice.below(tasks.size());
  auto const assignment = course * 10 + task;
  scene["assignment"] = global(assignment);
  scene["assignment_local"] = local(assignment);
  scene["assignment_title"] = fmt::format("{} {}", tasks[task], 1 + assignment % 4);
  scene["assignment_text"] =
      fmt::format("<p>{} for {}. Two pages are enough.</p>", tasks[task], courses[i]);
  scene["assignment_guid"] = uuid_of("assignment", assignment);
  scene["assignment_group"] = global(course + 40);
  auto const points = 10 * (1 + task % 4);
  auto const score = points / 2 + dice.below(points / 2 + 1);
  scene["points"] = local(points);
  scene["score"] = local(score);
  scene["old_score"] = local(score / 2);
  scene["percent"] = local(60 + dice.below(39));
  scene["old_percent"] = local(50 + dice.below(30));
  scene["attempt"] = local(1 + dice.below(3));
  auto const submission = assignment * 300 + dice.below(people);
  scene["submission"] = global(submission);
  scene["submission_local"] = local(submission);

  auto const topic = dice.below(topics.size());
  scene["topic"] = global(course * 8 + topic);
  scene["topic_local"] = local(course * 8 + topic);
  scene["topic_title"] = topics[topic];
  auto const page = dice.below(pages.size());
  scene["page"] = global(course * 6 + page);
  scene["page_title"] = pages[page];
  auto slug = std::string(pages[page]);
  for (auto& c : slug) c = c == ' ' ? '-' : static_cast<char>(c | 0x20);
  scene["page_slug"] = slug;
  scene["quiz"] = global(course * 5 + task);
  scene["quiz_local"] = local(course * 5 + task);
  scene["quiz_title"] = fmt::format("Check yourself {}", 1 + task);
  scene["module"] = local(course * 4 + task);
  scene["module_name"] = fmt::format("Week {}", 1 + task);
  scene["position"] = local(1 + task);
  auto const& [file, type] = files[dice.below(files.size())];
  scene["file"] = global(course * 7 + task);
  scene["file_local"] = local(course * 7 + task);
  scene["file_name"] = file;
  auto stored = std::string(file);
  std::ranges::replace(stored, ' ', '+');
  scene["file_stored"] = stored;
  scene["file_type"] = type;
  scene["folder"] = global(course + 70);
  auto const group = course * 3 + dice.below(5);
  scene["group"] = global(group);
  scene["group_local"] = local(group);
  scene["group_name"] = fmt::format("Team {}", 1 + group % 5);
  scene["group_uuid"] = canvas_uuid_of("group", group);
  scene["category"] = global(course + 90);
  scene["category_name"] = "Project teams";
  scene["outcome"] = global(course + 110);
  scene["outcome_group"] = global(course + 120);
  scene["outcome_title"] = "Judges evidence";
}

// Everything that $names stand for in one event.
Scene scene_of(SampleEvent const& event, Dice& dice, std::string_view account, WallTime now) {
  Scene scene;
  scene["host"] = host;
  auto const text = quoted(account);
  scene["root_uuid"] = text.substr(1, text.size() - 2);
  scene["account"] = global(1);
  scene["account_number"] = local(2 + dice.below(4));
  scene["account_name"] = "Faculty of Useful Things";
  add_times(scene, now);
  add_course(scene, dice);
  add_person(scene, "student", 1000 + dice.below(people));
  auto const user = [&]() -> std::uint64_t {
    switch (event.who) {
      case Who::teacher:
        return 900 + dice.below(12);
      case Who::admin:
        return 800 + dice.below(3);
      case Who::anybody:
        return dice.below(8) == 0 ? 900 + dice.below(12) : 1000 + dice.below(people);
      case Who::student:
      case Who::job:
        return 1000 + dice.below(people);
    }
    return 0;
  }();
  add_person(scene, "user", user);
  scene["role"] = user < 900    ? "AccountAdmin"
                  : user < 1000 ? "TeacherEnrollment"
                                : "StudentEnrollment";
  scene["enrollment"] = global(40'000 + user);
  scene["text"] = sentences[dice.below(sentences.size())];
  scene["conversation"] = local(5'000 + dice.below(400));
  scene["entry"] = local(70'000 + dice.below(9'000));
  scene["entry_parent"] = local(60'000 + dice.below(9'000));
  scene["tool"] = global(31);
  scene["tool_local"] = "31";
  scene["tool_url"] = "https://board.example.org/launch";
  auto const id = 100'000 + dice.below(800'000);
  scene["id"] = local(id);
  scene["number"] = local(id);
  scene["gid"] = global(id);
  scene["guid"] = uuid_of("link", id);
  scene["uuid"] = canvas_uuid_of("link", id);
  return scene;
}

std::string filled(std::string_view pattern, Scene const& scene) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size();) {
    if (pattern[i] != '$') {
      out += pattern[i++];
      continue;
    }
    auto end = i + 1;
    while (end < pattern.size() &&
           ((pattern[end] >= 'a' && pattern[end] <= 'z') || pattern[end] == '_'))
      ++end;
    auto const value = scene.find(pattern.substr(i + 1, end - i - 1));
    check(value != scene.end(), "the scene has every name of the table");
    out += value->second;
    i = end;
  }
  return out;
}

std::string_view method_of(std::string_view event) {
  if (event.ends_with("_updated")) return "PUT";
  if (event.ends_with("_deleted")) return "DELETE";
  return event == "asset_accessed" ? "GET" : "POST";
}

class Fields {  // a JSON object, member by member
 public:
  void add(std::string_view name, std::string_view text) { raw(name, quoted(text)); }
  void null(std::string_view name) { raw(name, "null"); }
  std::string done() { return text_ + "}"; }

 private:
  void raw(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}{}:{}", text_.size() > 1 ? "," : "", quoted(name), value);
  }
  std::string text_ = "{";
};

void add_context(Fields& out, SampleEvent const& event, Scene const& scene) {
  auto const of = [&scene](std::string_view name) -> std::string const& {
    return scene.find(name)->second;
  };
  switch (event.where) {
    case Where::nowhere:
      return;
    case Where::course:
      out.add("context_type", "Course");
      out.add("context_id", of("course"));
      out.add("context_sis_source_id", of("course_sis"));
      break;
    case Where::account:
      out.add("context_type", "Account");
      out.add("context_id", of("account"));
      out.null("context_sis_source_id");
      break;
    case Where::group:
      out.add("context_type", "Group");
      out.add("context_id", of("group"));
      out.null("context_sis_source_id");
      break;
  }
  out.add("context_account_id", of("account"));
  out.add("context_role", event.where == Where::group ? "GroupMembership" : of("role"));
}

std::string attributes_of(SampleEvent const& event, Scene const& scene, Dice& dice,
                          std::string_view account, WallTime now) {
  auto const of = [&scene](std::string_view name) -> std::string const& {
    return scene.find(name)->second;
  };
  Fields out;
  out.add("event_name", event.name);
  out.add("event_time", iso_ms(now));
  out.add("producer", "canvas");
  out.add("root_account_id", of("account"));
  out.add("root_account_uuid", account);
  out.add("root_account_lti_guid", fmt::format("{}.{}", guid_of("account", 1), host));
  if (event.who == Who::job) {
    out.add("job_id", fmt::format("10200{:012}", dice.below(1'000'000'000)));
    out.add("job_tag", event.path);
    return out.done();
  }
  auto const user = of("user_local");
  out.add("user_id", of("user"));
  out.add("user_login", of("user_login"));
  out.add("user_account_id", of("account"));
  out.add("user_sis_id", of("user_sis"));
  out.add("time_zone", "Europe/Berlin");
  add_context(out, event, scene);
  out.add("request_id", uuid_of("request", dice.next()));
  out.add("session_id", guid_of("session of " + user, 1).substr(0, 32));
  out.add("hostname", host);
  out.add("http_method", method_of(event.name));
  out.add("user_agent", browsers[mix("browser of " + user, 1) % browsers.size()]);
  out.add("client_ip", fmt::format("198.51.100.{}", 1 + mix("address of " + user, 1) % 250));
  out.add("url", fmt::format("https://{}{}", host, filled(event.path, scene)));
  if (dice.below(3) == 0)
    out.null("referrer");
  else
    out.add("referrer", fmt::format("https://{}/courses/{}", host, of("course_local")));
  return out.done();
}

SampleEvent const& chosen(std::size_t i, std::span<SampleEvent const> all, unsigned weights,
                          Dice& dice) {
  if (i < all.size()) return all[i];  // each once, then as often as in a school
  auto left = dice.below(weights);
  for (auto const& event : all) {
    if (left < event.weight) return event;
    left -= event.weight;
  }
  return all.back();
}

}  // namespace

std::vector<std::string> sample_day(std::uint64_t seed, std::size_t count, std::string_view account,
                                    WallTime until) {
  auto const all = sample_events();
  unsigned weights = 0;
  for (auto const& event : all) weights += event.weight;

  Duration const day = std::chrono::hours(12);
  Dice dice(seed);
  std::vector<std::string> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto const now =
        until - day + day / static_cast<std::int64_t>(count) * static_cast<std::int64_t>(i + 1);
    auto const& event = chosen(i, all, weights, dice);
    auto const scene = scene_of(event, dice, account, now);
    auto attributes = attributes_of(event, scene, dice, account, now);
    out.push_back(
        fmt::format(R"({{"attributes":{},"body":{}}})", attributes, filled(event.body, scene)));
  }
  return out;
}

}  // namespace millrace::commands
