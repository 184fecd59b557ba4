// AWS's signing test suite and requests recorded from real SDKs, where they lie beside the source. sigv4_test.cc has what the tree
// itself carries.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "crypto/sigv4.h"
#include "json/reader.h"

namespace millrace::crypto {
namespace {

namespace fs = std::filesystem;

fs::path const shared = fs::path(MILLRACE_SOURCE_DIR).parent_path() / "shared" / "wire";

std::string content(fs::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Recorded {
  std::string text;  // what the views look at
  AwsRequest request;
  std::vector<std::string> unfolded;
};

// Reads a request; lines may end with CRLF or LF, header lines may be folded (the suite has one such).
std::unique_ptr<Recorded> recorded(std::string text) {
  auto out = std::make_unique<Recorded>();
  out->text = std::move(text);
  std::string_view rest = out->text;
  auto const line = [&rest] {
    auto const end = std::min(rest.find('\n'), rest.size());
    auto out_line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (out_line.ends_with('\r')) out_line.remove_suffix(1);
    return out_line;
  };
  auto const first = line();
  auto const space = first.find(' '), last = first.rfind(' ');
  auto const target = first.substr(space + 1, last - space - 1);
  auto const mark = std::min(target.find('?'), target.size());
  out->request = {first.substr(0, space),
                  target.substr(0, mark),
                  target.substr(std::min(mark + 1, target.size())),
                  {},
                  {}};
  out->unfolded.reserve(64);
  for (auto header = line(); !header.empty(); header = line()) {
    if (header.front() == ' ') {
      auto& [name, value] = out->request.headers.back();
      out->unfolded.push_back(std::string(value) + " " + std::string(header));
      value = out->unfolded.back();
      continue;
    }
    auto const colon = header.find(':');
    out->request.headers.emplace_back(header.substr(0, colon),
                                      header.substr(std::min(colon + 1, header.size())));
    if (rest.empty()) break;
  }
  out->request.body = rest;
  return out;
}

std::vector<fs::path> sorted_paths(fs::path const& folder) {
  std::vector<fs::path> out;
  for (auto const& entry : fs::recursive_directory_iterator(folder)) out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

TEST(SigningVectors, all_of_aws_come_out) {
  auto const folder = shared / "sigv4-test-suite/tests/aws-signing-test-suite/v4";
  if (!fs::exists(folder))
    GTEST_SKIP() << "AWS's signing test suite is not beside the source (" << folder << ")";
  int cases = 0;
  for (auto const& entry : sorted_paths(folder)) {
    if (!fs::is_directory(entry)) continue;
    SCOPED_TRACE(entry.filename().string());
    auto const context = json::parse(content(entry / "context.json"));
    ASSERT_TRUE(context);
    auto const& settings = context->get_object();
    auto const& credentials = settings.at("credentials").get_object();
    auto const text = [](boost::json::object const& object, std::string_view key) {
      return std::string(json::text_at(object, key).value_or(""));
    };
    auto const time = parse_time(text(settings, "timestamp")).value();
    auto const stamp = amz_stamp(time);
    auto const region = text(settings, "region"), service = text(settings, "service");
    bool const omit_token =
        settings.contains("omit_session_token") && settings.at("omit_session_token").get_bool();
    auto const token = text(credentials, "token");
    auto const payload = content(entry / "header-canonical-request.txt");
    auto const payload_hash = payload.substr(payload.rfind('\n') + 1);

    auto const parsed = recorded(content(entry / "request.txt"));
    auto& request = parsed->request;
    if (settings.at("sign_body").get_bool())
      request.headers.emplace_back("x-amz-content-sha256", payload_hash);
    auto const sent = request;
    request.headers.emplace_back("X-Amz-Date", stamp);
    if (!token.empty() && !omit_token) request.headers.emplace_back("X-Amz-Security-Token", token);
    std::vector<std::string> names;
    for (auto const& header : request.headers) {
      std::string name(header.first);
      std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      });
      names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    names.erase(std::ranges::unique(names).begin(), names.end());

    bool const normalize = settings.at("normalize").get_bool();
    auto const canonical = canonical_request(request, names, payload_hash,
                                             normalize ? PathForm::normalized : PathForm::as_sent);
    EXPECT_EQ(canonical, payload);
    auto const scope = fmt::format("{}/{}/{}/aws4_request", stamp.substr(0, 8), region, service);
    EXPECT_EQ(string_to_sign(stamp, scope, canonical),
              content(entry / "header-string-to-sign.txt"));
    if (normalize) {
      auto const added = sign_v4(sent,
                                 {text(credentials, "access_key_id"),
                                  text(credentials, "secret_access_key"), omit_token ? "" : token},
                                 region, service, time);
      EXPECT_TRUE(
          added.back().second.ends_with("Signature=" + content(entry / "header-signature.txt")))
          << added.back().second;
    }
    auto const whole = recorded(content(entry / "header-signed-request.txt"));
    auto const secret = [&](std::string_view) {
      return std::optional(text(credentials, "secret_access_key"));
    };
    if (normalize) {
      auto const verified = verify_v4(whole->request, secret, time);
      EXPECT_TRUE(verified) << verified.error().message;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 38);
}

TEST(RecordedRequests, of_real_clients_verify) {
  if (!fs::exists(shared / "captures"))
    GTEST_SKIP() << "recorded requests are not beside the source (" << shared / "captures" << ")";
  int verified = 0, altered = 0;
  for (auto const& path : sorted_paths(shared / "captures")) {
    auto const name = path.string();
    if (!name.ends_with(".req.bin") || name.contains("TRUNCATED") || name.contains("errors__") ||
        name.contains("_unsigned"))
      continue;
    SCOPED_TRACE(name);
    auto parsed = recorded(content(path));
    auto const is_signed = std::ranges::any_of(parsed->request.headers, [](auto const& h) {
      return h.first == "Authorization" || h.first == "authorization";
    });
    EXPECT_TRUE(is_signed);
    auto const secret = [](std::string_view id) -> std::optional<std::string> {
      if (id != "AKIAIOSFODNN7EXAMPLE") return std::nullopt;
      return "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    };

    auto const result = verify_v4(parsed->request, secret, std::nullopt);
    EXPECT_TRUE(result) << result.error().message;
    verified += result.has_value() ? 1 : 0;

    std::string const more = std::string(parsed->request.body) + " ";
    parsed->request.body = more;
    altered += verify_v4(parsed->request, secret, std::nullopt) ? 0 : 1;
  }
  std::cout << verified << " recorded requests verify\n";
  EXPECT_GE(verified, 20);
  EXPECT_EQ(altered, verified);
}

}  // namespace
}  // namespace millrace::crypto
