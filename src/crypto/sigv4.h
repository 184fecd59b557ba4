// AWS Signature Version 4, both sides (wire facts: AWS's signing test suite; docs.aws.amazon.com "Signature Version 4"). Pure.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace millrace::crypto {

struct AwsRequest {
  std::string_view method;
  std::string_view path;                                               // as sent
  std::string_view query;                                              // as sent, without '?'
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // as received, in order
  std::string_view body;
  std::string_view body_hash = {};  // its SHA-256, 32 bytes, where it is known already
};

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: none
};

// The steps of the signature, for tests against AWS's vectors and for people who look for a mistake.
enum class PathForm {
  as_sent,  // encoded once more, as it stands (every service but S3, path not normalised)
  normalized,  // without "." and ".." and empty parts, then encoded once more: what every service but S3 wants
  once,  // decoded and encoded: S3
};
// `signed_headers`: lower case, sorted; each value as in the request, trimmed, with runs of spaces made one.
std::string canonical_request(AwsRequest const& request,
                              std::vector<std::string> const& signed_headers,
                              std::string_view payload_hash, PathForm path);
// `stamp`: "20150830T123600Z"; `scope`: "20150830/us-east-1/service/aws4_request".
std::string string_to_sign(std::string_view stamp, std::string_view scope,
                           std::string_view canonical_request);
std::string amz_stamp(WallTime time);  // "20150830T123600Z"

// Headers to add to the request: x-amz-date, authorization, and x-amz-security-token with a session token. All of the
// request's headers are signed (they must include host). `sign_once`: S3's single path encoding.
std::vector<std::pair<std::string, std::string>> sign_v4(AwsRequest const& request,
                                                         AwsCredentials const& credentials,
                                                         std::string_view region,
                                                         std::string_view service, WallTime now,
                                                         bool sign_once = false);

enum class SignatureTrouble { missing, incomplete, unknown_key, expired, mismatch };

struct SignatureFault {
  SignatureTrouble trouble;
  std::string message;  // as AWS words it
  // Key, date, scope and body are in order, and the signature differs all the same: the secret is another one, or something on the
  // way has changed a signed header.
  bool differs = false;
};

struct VerifiedSignature {
  std::string access_key_id;
  std::string region, service;
  std::string
      body_hash;  // SHA-256 of the body, 32 bytes; empty: the body is not signed (S3's UNSIGNED-PAYLOAD)
};

// The access key id that an Authorization header names, as verify_v4 reads it; empty: none. Nothing is checked.
std::string claimed_key(std::string_view authorization);

// `secret_of(access key id)`: nullopt when there is no such key. Skew: 5 minutes either way (nullopt: not checked).
// The signature is over the SHA-256 of the body. A header x-amz-content-sha256 may be absent, empty, or that hash in hexadecimal;
// with any other value the request is refused (mismatch), but for S3's UNSIGNED-PAYLOAD in the scope of the service "s3".
std::expected<VerifiedSignature, SignatureFault> verify_v4(
    AwsRequest const& request,
    std::function<std::optional<std::string>(std::string_view)> const& secret_of,
    std::optional<WallTime> now);

}  // namespace millrace::crypto
