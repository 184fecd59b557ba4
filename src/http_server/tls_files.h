// The certificate and key that a Server shows, from two files that somebody replaces now and then.
//   Threads  One at a time: look() reads files, and may be called on a Worker.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "http_server/server.h"
#include "io/clock.h"
#include "io/worker.h"

namespace millrace::http::server {

class TlsFiles {
 public:
  // Both PEM; see make_tls_server, also for how it fails.
  static Result<TlsFiles> open(std::string certificate_file, std::string key_file);
  // What was read last, and could be served.
  std::shared_ptr<TlsServer const> const& now() const { return now_; }
  enum class Look : std::uint8_t { same, renewed };
  // Reads the files again if they are not those that were read last. Who replaces two files replaces one after the other: a pair that
  // does not fit is told only by the second look() that finds it, once. It fails with what make_tls_server fails with; what is served stays.
  Result<Look> look();
  // The same for somebody who has replaced both and asks for it: a pair that does not fit is told at once, and each time.
  Result<Look> look_now();

 private:
  // Which file it is, and its last change. Zeros: there is none.
  using Stamp = std::array<std::int64_t, 5>;
  TlsFiles(std::string certificate_file, std::string key_file)
      : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}
  static Stamp stamp_of(std::string const& file);
  std::array<Stamp, 2> stamps() const { return {stamp_of(certificate_file_), stamp_of(key_file_)}; }

  std::string certificate_file_, key_file_;
  std::shared_ptr<TlsServer const> now_;
  std::array<Stamp, 2> served_{};
  std::optional<std::array<Stamp, 2>> refused_;  // what did not fit, once
  bool told_ = false;                            // of refused_
};

// Looks every 5 s, on `worker`, and gives the server what is new; the log has a line for each pair that comes and each that cannot be
// served. Until it is cancelled; all outlive it.
io::Task<void> keep_renewed(TlsFiles& files, Server& server, io::Worker& worker, io::Clock& clock,
                            Log& log);
// Looks once, at once, and says in the log what it found, also that nothing is new. Beside keep_renewed() on the same worker.
io::Task<void> renew_now(TlsFiles& files, Server& server, io::Worker& worker, Log& log);

}  // namespace millrace::http::server
