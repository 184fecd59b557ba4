// What the tests of this room share: credentials, requests and events that are made up.
#pragma once
#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/encoding.h"
#include "crypto/sigv4.h"
#include "http/message.h"
#include "model/access.h"

namespace millrace::ingest::fixture {

// The key pair of AWS's own documentation; the captures of real clients are signed with it.
inline constexpr std::string_view key_id = "AKIAIOSFODNN7EXAMPLE";
inline constexpr std::string_view secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

struct FakeCredentials final : model::Credentials {
  std::map<std::string, model::Principal, std::less<>> tokens;
  std::map<std::string, model::AccessKey, std::less<>> keys;

  std::optional<model::Principal> token(std::string_view bearer) const override {
    auto const at = tokens.find(bearer);
    return at == tokens.end() ? std::nullopt : std::optional(at->second);
  }
  std::optional<model::AccessKey> access_key(std::string_view id) const override {
    auto const at = keys.find(id);
    return at == keys.end() ? std::nullopt : std::optional(at->second);
  }
  void add_key(std::vector<std::string> accounts, model::Role role = model::Role::producer) {
    keys[std::string(key_id)] = {
        std::string(key_id), std::string(secret), {"key-1", "canvas", role, std::move(accounts)}};
  }
  void add_token(std::string bearer, model::Role role, std::vector<std::string> accounts) {
    auto id = "token-" + bearer;
    tokens[std::move(bearer)] = {std::move(id), "a producer", role, std::move(accounts)};
  }
};

inline std::string canvas_event(std::string_view name, std::string_view account = "acc-1",
                                std::string_view body = R"({"n":1})") {
  return fmt::format(R"({{"attributes":{{"event_name":"{}","root_account_uuid":"{}"}},"body":{}}})",
                     name, account, body);
}

inline std::string put_records(std::vector<std::string> const& records,
                               std::string_view stream = "live-events") {
  std::string body = fmt::format(R"({{"StreamName":"{}","Records":[)", stream);
  for (std::size_t i = 0; i < records.size(); ++i)
    body += fmt::format(R"({}{{"Data":"{}","PartitionKey":"{}"}})", i == 0 ? "" : ",",
                        base64(records[i]), i);
  return body + "]}";
}

// As an SDK would send it, without a signature.
inline http::ServerRequest kinesis_request(std::string_view action, std::string body) {
  http::ServerRequest request;
  request.method = "POST";
  request.target = request.path = "/";
  request.headers = {{"Host", "127.0.0.1:8080"},
                     {"Content-Type", "application/x-amz-json-1.1"},
                     {"X-Amz-Target", fmt::format("Kinesis_20131202.{}", action)}};
  request.body = std::move(body);
  return request;
}

inline void sign(http::ServerRequest& request, WallTime now, std::string_view secret_key = secret,
                 std::string_view service = "kinesis") {
  crypto::AwsRequest plain{request.method, request.path, request.query, {}, request.body};
  for (auto const& [name, value] : request.headers) plain.headers.emplace_back(name, value);
  auto const added = crypto::sign_v4(plain, {std::string(key_id), std::string(secret_key), ""},
                                     "eu-west-1", service, now);
  for (auto const& [name, value] : added) request.headers.push_back({name, value});
}

inline http::ServerRequest events_request(std::string body, std::string_view token = "secret",
                                          std::string_view type = "application/json") {
  http::ServerRequest request;
  request.method = "POST";
  request.target = request.path = "/api/v1/events";
  request.headers = {{"Authorization", fmt::format("Bearer {}", token)},
                     {"Content-Type", std::string(type)}};
  request.body = std::move(body);
  return request;
}

}  // namespace millrace::ingest::fixture
