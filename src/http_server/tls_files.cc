#include "http_server/tls_files.h"

#include <sys/stat.h>

#include <utility>

namespace millrace::http::server {
namespace {

constexpr auto between_looks = std::chrono::seconds(5);

}  // namespace

TlsFiles::Stamp TlsFiles::stamp_of(std::string const& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) return {};
  return {static_cast<std::int64_t>(found.st_dev), static_cast<std::int64_t>(found.st_ino),
          static_cast<std::int64_t>(found.st_size),
          found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec,
          found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec};
}

Result<TlsFiles> TlsFiles::open(std::string certificate_file, std::string key_file) {
  TlsFiles files(std::move(certificate_file), std::move(key_file));
  files.served_ = files.stamps();
  auto made = make_tls_server(files.certificate_file_, files.key_file_);
  if (!made) return pass(made);
  files.now_ = std::move(*made);
  return files;
}

Result<TlsFiles::Look> TlsFiles::look() {
  auto const found = stamps();  // before they are read: what changes meanwhile is seen next time
  if (found == served_) {
    refused_.reset();
    return Look::same;
  }
  if (found == refused_ && told_) return Look::same;
  auto made = make_tls_server(certificate_file_, key_file_);
  if (made) {
    now_ = std::move(*made);
    served_ = found;
    refused_.reset();
    return Look::renewed;
  }
  told_ = found == refused_;
  refused_ = found;
  if (!told_) return Look::same;
  return pass(made);
}

Result<TlsFiles::Look> TlsFiles::look_now() {
  refused_ = stamps();
  told_ = false;
  return look();
}

static void take(Result<TlsFiles::Look> const& looked, TlsFiles const& files, Server& server,
                 Log& log) {
  if (!looked) {
    log.warning("the new certificate cannot be served; the one before stays",
                {{"reason", looked.error().what}});
  } else if (*looked == TlsFiles::Look::renewed) {
    server.renew(files.now());
    log.info("a new certificate is served from now on");
  }
}

io::Task<void> keep_renewed(TlsFiles& files, Server& server, io::Worker& worker, io::Clock& clock,
                            Log& log) {
  for (;;) {
    co_await clock.sleep_for(between_looks);
    auto const looked = co_await io::offload(worker, [&files] { return files.look(); });
    take(looked, files, server, log);
  }
}

io::Task<void> renew_now(TlsFiles& files, Server& server, io::Worker& worker, Log& log) {
  auto const looked = co_await io::offload(worker, [&files] { return files.look_now(); });
  take(looked, files, server, log);
  if (looked && *looked == TlsFiles::Look::same)
    log.info("the certificate was asked for again: it is the one that is served already");
}

}  // namespace millrace::http::server
