#include "receive/jwks_source.h"

#include <fmt/format.h>

#include <utility>

namespace millrace::receive {
namespace {

constexpr std::uint64_t largest_jwks = 128 * 1024;

io::Task<Result<std::string>> fetch_url(http::client::Client& client, http::Url url) {
  auto const shown = url.origin() + url.target;
  http::client::Ask ask;
  ask.method = "GET";
  ask.url = &url;
  ask.head = "Accept: application/json\r\n";
  ask.deadline = std::chrono::seconds(10);
  ask.kept_body = largest_jwks;
  auto answer = co_await client.ask(ask);
  if (answer.trouble != http::client::Trouble::none)
    co_return fail(Fault::unreachable, fmt::format("JWKS {}: {}", shown, answer.reason));
  if (answer.status != 200)
    co_return fail(Fault::unreachable, fmt::format("JWKS {}: answered {}", shown, answer.status));
  if (answer.body_cut)
    co_return fail(Fault::invalid, fmt::format("JWKS {}: is cut, or larger than 128 KiB", shown));
  co_return std::move(answer.body);
}

io::Task<Result<std::string>> fetch_file(io::Files& files, std::string path) {
  co_return files.read_all(path, largest_jwks);
}

}  // namespace

JwksSource::Fetch jwks_from_url(http::client::Client& client, http::Url url) {
  return [&client, url = std::move(url)] { return fetch_url(client, url); };
}

JwksSource::Fetch jwks_from_file(io::Files& files, std::string path) {
  return [&files, path = std::move(path)] { return fetch_file(files, path); };
}

io::Task<Result<void>> JwksSource::refresh() {
  if (fetching_) {
    while (fetching_) co_await fetched_.wait();
    co_return last_;
  }
  // Ends the waiting of the others also when this Task is cancelled.
  struct Turn {
    JwksSource& source;
    explicit Turn(JwksSource& s) : source(s) { source.fetching_ = true; }
    Turn(Turn const&) = delete;
    Turn& operator=(Turn const&) = delete;
    ~Turn() {
      source.fetching_ = false;
      source.fetched_.notify();
    }
  };
  Turn const turn(*this);
  begun_ = clock_.now();
  last_ = fail(Fault::unreachable, "JWKS: the fetch was given up");
  auto const text = co_await fetch_();
  auto keys = text ? crypto::parse_jwks(*text) : Result<std::vector<crypto::Jwk>>(pass(text));
  if (keys && keys->empty()) keys = fail(Fault::invalid, "JWKS: has no RSA signing key");
  if (keys) {
    keys_ = std::make_shared<std::vector<crypto::Jwk> const>(std::move(*keys));
    last_ = {};
  } else {
    last_ = pass(keys);
    // With no keys yet it is tried every other second: one line is enough.
    if (keys_ || !told_)
      log_.warning("keys not fetched",
                   {{"why", last_.error().what}, {"kept", keys_ ? keys_->size() : 0}});
  }
  told_ = !last_;
  co_return last_;
}

io::Task<Result<void>> JwksSource::refresh_for_unknown_kid() {
  if (!fetching_ && begun_ && clock_.now() - *begun_ < gap()) co_return last_;
  co_return co_await refresh();
}

io::Task<void> JwksSource::keep() {
  for (;;) {
    if (!begun_) {
      static_cast<void>(co_await refresh());
      continue;
    }
    auto const due = *begun_ + std::chrono::duration_cast<SteadyTime::duration>(
                                   last_ || fetching_ ? fresh_for : gap());
    if (clock_.now() < due)
      co_await clock_.sleep_until(due);
    else
      static_cast<void>(co_await refresh());
  }
}

}  // namespace millrace::receive
