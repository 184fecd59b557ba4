// `millrace doctor`: looks at what the service stands on, and says in a sentence what is wrong and what to do about it.
#include <fmt/format.h>
#include <openssl/x509.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>

#include "base/encoding.h"
#include "commands/client.h"
#include "commands/commands.h"
#include "commands/doctor_service.h"
#include "commands/process.h"
#include "http/resolver.h"
#include "io/files.h"

namespace millrace::commands {
namespace {

struct DoctorFlags {
  Reach reach;
  std::string name = "canvas.instructure.com";
};

// ---- the machine

// Signatures are refused beyond five minutes of difference, and the days of events and keys are read from this clock.
Finding check_clock(io::Clock const& clock) {
  constexpr WallTime first_release{std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)};
  auto const now = clock.wall();
  if (now < first_release)
    return bad("clock", fmt::format("it is {} by this machine, which cannot be", iso_s(now)),
               "set the clock; then keep it by NTP (timedatectl set-ntp true)");
  timex state{};
  if (::adjtimex(&state) == TIME_ERROR)
    return warn(
        "clock", fmt::format("{}, but nothing keeps it right", iso_s(now)),
        "keep it by NTP (timedatectl set-ntp true), unless the host of this container does");
  return ok("clock", fmt::format("{}, kept in step", iso_s(now)));
}

Finding check_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return warn("descriptors", "the limit cannot be read", "see `ulimit -Hn`");
  if (limit.rlim_max < 4096)
    return bad("descriptors", fmt::format("{} open files and connections at most", limit.rlim_max),
               "raise the hard limit (LimitNOFILE= of the unit, or limits.conf) to 65536 or more");
  if (limit.rlim_max < 65536)
    return warn("descriptors", fmt::format("{} open files and connections at most", limit.rlim_max),
                "raise the hard limit (LimitNOFILE= of the unit) to 65536 or more, if there are "
                "many data streams");
  return ok("descriptors", fmt::format("{} open files and connections at most", limit.rlim_max));
}

Finding check_trust() {
  constexpr auto cure =
      "install the package ca-certificates; for a CA of your own set delivery.extra_ca";
  auto const from = [](char const* variable, char const* otherwise) {
    char const* const value = std::getenv(variable);
    return std::string(value != nullptr ? value : otherwise);
  };
  auto const file = from(X509_get_default_cert_file_env(), X509_get_default_cert_file());
  auto const folder = from(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
  std::error_code error;
  if (std::filesystem::file_size(file, error) > 0 && !error)
    return ok("trust", fmt::format("authorities in {}", file));
  auto const first = std::filesystem::directory_iterator(folder, error);
  if (!error && first != std::filesystem::directory_iterator())
    return ok("trust", fmt::format("authorities in {}", folder));
  return bad("trust",
             fmt::format("no certificate authorities in {} or {}: no https endpoint can be trusted",
                         file, folder),
             cure);
}

struct Resolved {
  http::NameTrouble trouble = http::NameTrouble::resolver;
  std::string reason = "no answer within 5 s";
  Duration took{};
};

io::Task<void> resolve(io::Clock& clock, std::string name, Resolved& into) {
  http::Resolver resolver(co_await io::asio::this_coro::executor, clock);
  auto const begun = clock.now();
  auto const lookup = resolver.look_up(name);
  while (!lookup->done && clock.now() - begun < std::chrono::seconds(5)) {
    resolver.tick();
    co_await clock.sleep_for(std::chrono::milliseconds(20));
  }
  into.took = clock.now() - begun;
  if (lookup->done) {
    into.trouble = lookup->trouble;
    into.reason = lookup->reason;
  }
  resolver.close();
}

Finding check_resolver(HttpDesk& desk, std::string const& name) {
  Resolved resolved;
  desk.run(resolve(desk.clock(), name, resolved));
  if (resolved.trouble == http::NameTrouble::none)
    return ok("resolver", fmt::format("{} found in {} ms", name, whole_ms(resolved.took)));
  auto const what = resolved.reason.starts_with(name)
                        ? resolved.reason
                        : fmt::format("{}: {}", name, resolved.reason);
  return warn(
      "resolver", what,
      "look at /etc/resolv.conf and the way to its servers; without names nothing is delivered");
}

// ---- the data folder

Finding check_space(io::Files& files, std::string const& folder) {
  auto const space = files.space(folder);
  if (!space) return bad("space", space.error().what, "see that the folder can be reached");
  auto const gib = [](std::uint64_t bytes) {
    return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30));
  };
  auto const what = fmt::format("{} of {} free", gib(space->free_bytes), gib(space->total_bytes));
  auto const watermark = std::min<std::uint64_t>(1ULL << 30, space->total_bytes / 50);
  if (space->free_bytes < watermark)
    return bad("space", what,
               "free some, or lower store.log_bytes: below this no event is taken in "
               "(store.least_free_bytes)");
  if (space->free_bytes < space->total_bytes / 10 || space->free_bytes < 5ULL << 30)
    return warn("space", what,
                "the log may grow to store.log_bytes; give it more room, or lower that");
  return ok("space", what);
}

// Each event's answer waits for one sync.
Finding check_sync(io::Files& files, io::Clock const& clock, std::string const& folder) {
  auto const path = folder + "/doctor.tmp";
  auto const measure = [&]() -> Result<std::vector<Duration>> {
    auto file = files.open(path, io::OpenMode::create);
    if (!file) return pass(file);
    std::string const block(16 * 1024, 'x');
    std::vector<Duration> took;
    for (std::uint64_t i = 0; i < 30; ++i) {
      auto const begun = clock.now();
      if (auto done = (*file)->write(i * block.size(), as_bytes(block)); !done) return pass(done);
      if (auto done = (*file)->sync(); !done) return pass(done);
      took.push_back(clock.now() - begun);
    }
    std::ranges::sort(took);
    return took;
  };
  auto const took = measure();
  static_cast<void>(files.remove(path));
  if (!took)
    return bad("disk", took.error().what,
               "see that the folder is writable, for the user that runs the service");
  auto const ms = [](Duration span) { return seconds(span) * 1e3; };
  auto const what = fmt::format("a synced write of 16 KiB takes {:.2f} ms, {:.1f} ms at worst",
                                ms((*took)[took->size() / 2]), ms(took->back()));
  if ((*took)[took->size() / 2] > std::chrono::milliseconds(30))
    return warn("disk", what,
                "put the data folder on a local solid-state disk: every producer waits for it");
  return ok("disk", what);
}

struct FolderState {
  std::vector<Finding> findings;
  bool is_one = false;  // a service has been started on it: only such a folder is written to
  bool in_use = false;
};

Finding check_secret(std::string const& folder, std::string const& name) {
  struct stat status{};
  if (::stat((folder + "/" + name).c_str(), &status) != 0)
    return bad(name, "is missing",
               "put it back from your backup: the service does not start without it");
  if ((status.st_mode & 077) != 0)
    return bad(name, fmt::format("others may read it (mode {:o})", status.st_mode & 0777),
               fmt::format("chmod 600 {}/{}", folder, name));
  return ok(name, "is there, for its owner only");
}

FolderState check_folder(io::Files& files, std::string const& folder) {
  FolderState state;
  auto const lock_path = folder + "/lock";
  auto const there = files.exists(folder), locked_once = files.exists(lock_path);
  if (!there || !*there || !locked_once || !*locked_once) {
    state.findings.push_back(
        bad("folder",
            fmt::format(
                "{}: {}", folder,
                there && *there ? "no service has been started on it" : "there is no such folder"),
            "give the right one by --data, or start a service: millrace serve --data " +
                shell_word(folder)));
    return state;
  }
  state.is_one = true;
  auto lock = files.open(lock_path, io::OpenMode::write);
  if (!lock) {
    state.findings.push_back(
        bad("folder", lock.error().what, "run doctor as the user that runs the service"));
    return state;
  }
  auto const locked = (*lock)->lock();
  state.in_use = !locked && locked.error().fault == Fault::conflict;
  state.findings.push_back(
      ok("folder", fmt::format("{}: {}", folder,
                               state.in_use ? "a service is running on it"
                                            : "no service is running on it now")));
  state.findings.push_back(check_secret(folder, "master.key"));
  return state;
}

// ---- the report

char const* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      return "fail";
  }
  return "";
}

void print(Finding const& finding) {
  fmt::print("{:<5} {:<12} {}{}\n", name_of(finding.verdict), finding.check, harmless(finding.what),
             finding.cure.empty() ? "" : "; " + harmless(finding.cure));
}

// Of the folder: of ./data too where no server is named. What is no folder of a service is not written to.
bool check_data(DoctorFlags const& flags, io::Clock const& clock, std::vector<Finding>& findings) {
  io::DiskFiles files;
  auto const& data = flags.reach.data;
  auto const place = data.empty() ? std::string("./data") : data;
  auto folder = check_folder(files, place);
  findings.insert(findings.end(), folder.findings.begin(), folder.findings.end());
  if (!folder.is_one) return false;
  findings.push_back(check_space(files, place));
  findings.push_back(check_sync(files, clock, place));
  return folder.in_use;
}

Exit run_doctor(DoctorFlags const& flags) {
  auto desk = HttpDesk::open(trust_of(flags.reach));
  if (!desk) return failed(desk.error());
  auto& clock = (*desk)->clock();

  std::vector<Finding> findings{check_clock(clock), check_descriptors(), check_trust(),
                                check_resolver(**desk, flags.name)};
  bool const elsewhere = names_server(flags.reach);
  bool const in_use =
      (!flags.reach.data.empty() || !elsewhere) && check_data(flags, clock, findings);
  if (in_use || elsewhere)
    for (auto& finding : look_at_service(**desk, flags.reach))
      findings.push_back(std::move(finding));

  if (flags.reach.json) {
    boost::json::array all;
    for (auto const& finding : findings)
      all.push_back(boost::json::object{{"check", finding.check},
                                        {"verdict", name_of(finding.verdict)},
                                        {"what", finding.what},
                                        {"cure", finding.cure}});
    print_json(all);
  } else {
    for (auto const& finding : findings) print(finding);
  }
  bool const any_bad = std::ranges::any_of(
      findings, [](Finding const& finding) { return finding.verdict == Verdict::fail; });
  return any_bad ? Exit::no : Exit::done;
}

}  // namespace

Command doctor_command() {
  return {
      .name = "doctor",
      .summary = "Check this machine, the data folder, a running service and its streams",
      .group = Group::check,
      .examples =
          "  millrace doctor --data /var/lib/millrace\n"
          "  millrace doctor --data ./data --server http://127.0.0.1:8080\n"
          "\n"
          "Without --server, and without --data, it looks at ./data; a service that runs on the "
          "folder is asked, too.\n"
          "Each line says ok, warn or fail. Exit status: 0 nothing failed, 1 something did.",
      .add = [](Flags app) {
        auto const flags = std::make_shared<DoctorFlags>();
        add_reach(app, flags->reach);
        app.add_option("--name", flags->name, "A name to look up (canvas.instructure.com)")
            .type_name("HOST");
        return std::function<Exit()>([flags] { return run_doctor(*flags); });
      }};
}

}  // namespace millrace::commands
