// The keys that deliveries are verified with: fetched from a URL or a file, kept, and fetched again when they are old or a
// kid is not among them.
//   Bounds   An unknown kid causes at most one fetch in 30 s, however many ask. Keys older than an hour are fetched again; a failed
//            fetch keeps those that are there.
//   Threads  One loop.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "crypto/jwt.h"
#include "http_client/client.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/task.h"

namespace millrace::receive {

using Jwks = std::shared_ptr<std::vector<crypto::Jwk> const>;

class JwksSource {
 public:
  // Gives the text of the JWKS. It is a plain function that calls a coroutine.
  using Fetch = std::function<io::Task<Result<std::string>>()>;

  static constexpr Duration between_fetches = std::chrono::seconds(30);
  static constexpr Duration before_the_first =
      std::chrono::seconds(2);  // as long as there are no keys at all
  static constexpr Duration fresh_for = std::chrono::hours(1);

  // `clock` and `log` outlive the source.
  JwksSource(io::Executor loop, io::Clock& clock, Log& log, Fetch fetch)
      : clock_(clock), log_(log), fetch_(std::move(fetch)), fetched_(std::move(loop)) {}

  // What is known; null as long as no fetch has succeeded.
  Jwks keys() const { return keys_; }
  // Fetches now, unless one is under way: then it waits for that one. Fails as the fetch did.
  io::Task<Result<void>> refresh();
  // For a kid that keys() does not have: refresh(), unless the last fetch began less than 30 s ago (2 s as long as there are no keys).
  io::Task<Result<void>> refresh_for_unknown_kid();
  // Refreshes each hour, after a failure each 30 s (each 2 s as long as there are no keys), until cancelled.
  io::Task<void> keep();

 private:
  Duration gap() const { return keys_ ? between_fetches : before_the_first; }

  io::Clock& clock_;
  Log& log_;
  Fetch fetch_;
  Jwks keys_;
  bool fetching_ = false;
  bool told_ = false;                // the log has the failure of the fetch before
  std::optional<SteadyTime> begun_;  // the last fetch
  Result<void> last_;                // how it ended
  io::Signal fetched_;
};

// The fetches. What they refer to outlives them. Fail with: unreachable, invalid, missing, io.
JwksSource::Fetch jwks_from_url(http::client::Client& client, http::Url url);
JwksSource::Fetch jwks_from_file(io::Files& files, std::string path);

}  // namespace millrace::receive
