#include "cli/settings.h"

#include <gmock/gmock.h>

#include <set>

#include "cli/rows.h"

namespace millrace::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Sources file(std::string text) {
  Sources sources;
  sources.file_name = "millrace.toml";
  sources.file = std::move(text);
  return sources;
}

Shown shown(Loaded const& loaded, std::string_view name) {
  for (auto const& row : loaded.shown)
    if (row.name == name) return row;
  ADD_FAILURE() << name << " is not shown";
  return {};
}

TEST(SettingsTest, trusted_proxies_are_ranges_or_a_fault) {
  auto const loaded =
      load_settings(file("[listen]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1/128\"]\n"));
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings.node.http.trusted_proxies.size(), 2U);

  auto const wrong = load_settings(file("[listen]\ntrusted_proxies = \"10.0.0.1\"\n"));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error(),
              ElementsAre(AllOf(HasSubstr("listen.trusted_proxies"), HasSubstr("10.0.0.0/8"))));
}

TEST(SettingsTest, has_defaults_that_need_no_file) {
  auto const loaded = load_settings({});

  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings.node.store.folder, "./data");
  EXPECT_EQ(loaded->settings.node.listen.port(), 8080);
  EXPECT_THAT(loaded->settings.node.ingest.stream_names, ElementsAre("live-events"));
  EXPECT_EQ(loaded->settings.node.delivery.issuer, "https://live-events.canvas.instructure.com");
  EXPECT_EQ(loaded->settings.node.store.log_age, std::chrono::hours(24 * 7));
  EXPECT_EQ(loaded->settings.node.store.log_bytes, 50'000'000'000U);
  EXPECT_TRUE(loaded->settings.node.allow.empty());
  EXPECT_FALSE(loaded->settings.node.ingest.any_signature);
}

TEST(SettingsTest, takes_a_flag_before_the_environment_before_the_file_before_the_default) {
  auto sources = file("[delivery]\nwindow = 10\ncatching_up = 11\nsigning_threads = 2\n");
  sources.environment = {{"MILLRACE_DELIVERY_WINDOW", "20"},
                         {"MILLRACE_DELIVERY_CATCHING_UP", "21"}};
  sources.flags = {{"delivery-window", "30"}};

  auto const loaded = load_settings(sources);

  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings.node.delivery.window, 30U);
  EXPECT_EQ(loaded->settings.node.delivery.catching_up, 21U);
  EXPECT_EQ(loaded->settings.node.delivery.signing_threads, 2U);
  EXPECT_EQ(shown(*loaded, "delivery.window").from, "--delivery-window");
  EXPECT_EQ(shown(*loaded, "delivery.catching_up").from, "MILLRACE_DELIVERY_CATCHING_UP");
  EXPECT_EQ(shown(*loaded, "delivery.signing_threads").from, "millrace.toml:4");
  EXPECT_EQ(shown(*loaded, "delivery.issuer").from, "default");
}

TEST(SettingsTest, a_slip_in_the_section_of_a_variable_is_a_fault_and_another_program_s_is_none) {
  Sources slip;
  slip.environment = {{"MILLRACE_DELVERY_ALLOW", "10.0.0.0/8"}};
  auto const refused = load_settings(slip);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(),
              ElementsAre("MILLRACE_DELVERY_ALLOW: there is no such setting; did you mean "
                          "MILLRACE_DELIVERY_ALLOW?"));

  Sources
      others;  // as a cluster sets them for a service of this name, and what other commands read
  others.environment = {{"MILLRACE_PORT", "tcp://10.0.0.1:80"},
                        {"MILLRACE_SERVICE_HOST", "10.0.0.1"},
                        {"MILLRACE_TOKEN", "x"},
                        {"MILLRACE_SERVER", "x"}};
  EXPECT_TRUE(load_settings(others));
}

TEST(SettingsTest, tells_all_faults_at_once_with_where_each_stands) {
  auto sources = file(
      "loose = 1\n"
      "[delivery]\n"
      "window = 0\n"
      "widnow = 3\n"
      "allow = [\"127.0.0.0/99\"]\n"
      "[store]\n"
      "log_age = \"soon\"\n"
      "log_bytes = { a = 1 }\n");
  sources.environment = {{"MILLRACE_STORE_FODLER", "x"},
                         {"MILLRACE_TOKEN", "not a setting of ours"},
                         {"MILLRACE_LISTEN_ADDRESS", "nowhere"}};
  sources.flags = {{"ingest-hold", "1h"}, {"caliper-validate", "perhaps"}};

  auto const loaded = load_settings(sources);

  ASSERT_FALSE(loaded);
  EXPECT_THAT(
      loaded.error(),
      UnorderedElementsAre(
          "millrace.toml:1: loose: stands outside of a [section]",
          "millrace.toml:3: delivery.window: must be from 1 to 4096, not 0",
          "millrace.toml:4: delivery.widnow: there is no such setting; did you mean "
          "delivery.window?",
          HasSubstr("millrace.toml:5: delivery.allow: "),
          HasSubstr("millrace.toml:7: store.log_age: must be a time"),
          HasSubstr("millrace.toml:8: store.log_bytes: must be text"),
          "MILLRACE_STORE_FODLER: there is no such setting; did you mean MILLRACE_STORE_FOLDER?",
          HasSubstr("MILLRACE_LISTEN_ADDRESS: listen.address: must be an address and a port"),
          HasSubstr("--ingest-hold: ingest.hold: must be from "),
          HasSubstr("--caliper-validate: caliper.validate: must be off, warn or refuse")));
}

TEST(SettingsTest, says_where_a_file_that_is_not_toml_breaks) {
  auto const loaded = load_settings(file("[delivery]\nwindow = = 3\n"));

  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error(), ElementsAre(HasSubstr("millrace.toml:2: ")));
}

TEST(SettingsTest, reads_lists_and_switches) {
  auto sources = file(
      "[delivery]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n[ingest]\ninsecure_any_signature = "
      "true\n");
  sources.environment = {{"MILLRACE_INGEST_STREAM_NAMES", "live-events, trial"}};

  auto const loaded = load_settings(sources);

  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->settings.node.allow, ElementsAre("127.0.0.0/8", "::1/128"));
  EXPECT_TRUE(loaded->settings.node.ingest.any_signature);
  EXPECT_THAT(loaded->settings.node.ingest.stream_names, ElementsAre("live-events", "trial"));
}

TEST(SettingsTest, has_a_flag_and_a_variable_of_its_own_for_each_setting) {
  Settings settings;
  std::set<std::string> flags, variables, names;
  auto const rows = rows_of(settings);
  for (auto const& row : rows) {
    flags.insert(row.flag);
    variables.insert(row.variable());
    names.insert(row.name());
    EXPECT_FALSE(row.help.empty()) << row.name();
  }

  EXPECT_EQ(flags.size(), rows.size());
  EXPECT_EQ(variables.size(), rows.size());
  EXPECT_EQ(names.size(), rows.size());
}

TEST(SettingsTest, prints_each_setting_with_its_value_default_and_source) {
  auto sources = file("[delivery]\nwindow = 10\n");

  auto const text = print_settings(load_settings(sources)->shown);

  EXPECT_THAT(text, ::testing::ContainsRegex("delivery\\.window +10 +256 +millrace\\.toml:2\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("store\\.folder +\\./data +\\./data +default\n"));
}

TEST(SettingsTest, ships_a_file_with_every_setting_that_loads_once_uncommented) {
  io::DiskFiles files;
  auto const shipped = static_cast<io::Files&>(files).read_all(
      MILLRACE_SOURCE_DIR "/packaging/millrace.toml", 1 << 20);
  ASSERT_TRUE(shipped) << shipped.error().what;
  EXPECT_EQ(*shipped, settings_template()) << "write packaging/millrace.toml anew: millrace serve "
                                              "--print-template > packaging/millrace.toml";

  std::string uncommented, line;
  for (char const c : settings_template()) {
    line += c;
    if (c != '\n') continue;
    uncommented += line.starts_with("# ") && line.contains(" = ") ? line.substr(2) : line;
    line.clear();
  }
  auto const loaded = load_settings(file(uncommented));
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_TRUE(shown(*loaded, "delivery.window").from.starts_with("millrace.toml:"));
}

TEST(BytesTest, reads_and_prints_sizes) {
  EXPECT_EQ(parse_bytes("4096"), 4096U);
  EXPECT_EQ(parse_bytes("64KiB"), 65536U);
  EXPECT_EQ(parse_bytes("50GB"), 50'000'000'000U);
  EXPECT_EQ(parse_bytes("1 GiB"), 1ULL << 30);
  for (auto const* const wrong : {"", "GB", "-1", "1.5GB", "99999999999TiB", "5 apples"})
    EXPECT_FALSE(parse_bytes(wrong)) << wrong;
  EXPECT_EQ(format_bytes(1ULL << 30), "1GiB");
  EXPECT_EQ(format_bytes(50'000'000'000), "50GB");
  EXPECT_EQ(format_bytes(7), "7");
}

TEST(Settings, a_certificate_without_its_key_is_a_fault) {
  Sources sources;
  sources.flags["listen-tls-certificate"] = "cert.pem";

  auto const loaded = load_settings(sources);

  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error(),
              ElementsAre("listen.tls_certificate, listen.tls_key: give both or none"));
}

}  // namespace
}  // namespace millrace::cli
