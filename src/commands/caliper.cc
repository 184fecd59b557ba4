// `millrace caliper`: what an event becomes in the Caliper format, and whether a document conforms to it.
#include "formats/caliper.h"

#include <fmt/format.h>

#include <iostream>
#include <iterator>
#include <memory>

#include "commands/commands.h"
#include "formats/caliper_validator.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/random.h"
#include "json/strict.h"
#include "json/write.h"

namespace millrace::commands {
namespace {

constexpr std::uint64_t largest_file = 4 * 1024 * 1024;

struct Caliper {
  std::string file;
  std::string profile;
  bool json = false;
};

Result<std::string> content_of(std::string const& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  io::DiskFiles files;
  return files.read_all(file, largest_file);
}

// One event, in the form of a producer or of a receiver.
Exit render(Caliper const& args) {
  auto const text = content_of(args.file);
  if (!text) return complain(text.error().what), Exit::failed;
  json::Parser parser;
  auto const event = json::split_event(*text, parser);
  if (!event) return complain(fmt::format("{}: {}", args.file, event.error().what)), Exit::no;
  auto const catalog = model::Catalog::load();
  auto const renderer = formats::CaliperRenderer::make(catalog);
  if (!renderer) return failed(renderer.error());
  model::EventBlock block;
  block.add("account", event->event_name, event->metadata, event->body);
  io::SystemRandom random;
  auto const now = io::SystemClock().wall();
  auto const rendered = renderer->render(event->event_name, block[0], now,
                                         EventId{Uuid::v7(now, random.bits(), random.bits())});
  if (!rendered) return complain(fmt::format("{}: {}", args.file, rendered.error().what)), Exit::no;
  fmt::print("{}\n", *rendered);
  return Exit::done;
}

Exit check(Caliper const& args) {
  auto const validator = formats::CaliperValidator::load(args.profile);
  if (!validator) return complain(validator.error().what), Exit::usage;
  auto const text = content_of(args.file);
  if (!text) return complain(text.error().what), Exit::failed;
  auto const faults = validator->check(*text);
  if (args.json) {
    json::Writer out;
    out.begin_object().key("conforms").flag(faults.empty()).key("faults").begin_array();
    for (auto const& fault : faults)
      out.begin_object()
          .key("pointer")
          .text(fault.pointer)
          .key("rule")
          .text(fault.rule)
          .end_object();
    fmt::print("{}\n", std::move(out.end_array().end_object()).take());
  } else if (faults.empty()) {
    fmt::print("{}: conforms to IMS Caliper 1.1{}\n", args.file,
               args.profile.empty() ? "" : fmt::format(" (profile {})", args.profile));
  } else {
    for (auto const& fault : faults)
      fmt::print("{}: {}: {}\n", args.file, fault.pointer.empty() ? "/" : fault.pointer,
                 fault.rule);
  }
  return faults.empty() ? Exit::done : Exit::no;
}

}  // namespace

Command caliper_command() {
  return {.name = "caliper",
          .summary = "Show an event in the Caliper format, or check a Caliper document",
          .group = Group::check,
          .examples =
              "  millrace caliper render event.json\n"
              "  millrace caliper check envelope.json --profile canvas",
          .add = [](Flags app) -> std::function<Exit()> {
            app.require_subcommand(1);
            auto const args = std::make_shared<Caliper>();
            auto const render_app = app.add_subcommand("render", "Print what an event becomes");
            render_app
                .add_option("FILE", args->file, "One event in the Canvas format; -: standard input")
                .required();
            auto const check_app = app.add_subcommand(
                "check", "Hold an envelope, an event or an entity against IMS Caliper 1.1");
            check_app.add_option("FILE", args->file, "The document; -: standard input").required();
            check_app.add_option("--profile", args->profile,
                                 "canvas: allow what Canvas does otherwise on purpose");
            check_app.add_flag("--json", args->json, "Print JSON");
            return
                [args, render_app] { return render_app.parsed() ? render(*args) : check(*args); };
          }};
}

}  // namespace millrace::commands
