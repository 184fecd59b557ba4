#include "http_server/tls_files.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>

#include "testing/certificates.h"

namespace millrace::http::server {
namespace {

using ::testing::HasSubstr;
using Look = TlsFiles::Look;

class TlsFilesTest : public ::testing::Test {
 protected:
  // As those do that care: beside, and then in its place.
  void replace(std::string const& name, std::string const& content) const {
    auto const fresh = files.write(name + ".new", content);
    ASSERT_EQ(std::rename(fresh.c_str(), (files.folder() + "/" + name).c_str()), 0);
  }
  TlsFiles open() {
    auto const leaf = authority.leaf({.names = {"localhost"}});
    auto opened = TlsFiles::open(files.write("cert.pem", leaf.certificate_pem),
                                 files.write("key.pem", leaf.key_pem));
    check(opened.has_value(), "the pair can be served");
    return std::move(*opened);
  }

  testing::TemporaryFiles files;
  testing::CertificateAuthority authority;
};

TEST_F(TlsFilesTest, a_pair_that_stays_is_not_read_again) {
  auto pair = open();
  auto const before = pair.now();

  EXPECT_EQ(pair.look(), Look::same);
  EXPECT_EQ(pair.now(), before);
}

TEST_F(TlsFilesTest, a_new_pair_is_served_from_then_on) {
  auto pair = open();
  auto const before = pair.now();
  auto const leaf = authority.leaf({.names = {"localhost"}});
  replace("cert.pem", leaf.certificate_pem);
  replace("key.pem", leaf.key_pem);

  EXPECT_EQ(pair.look(), Look::renewed);
  EXPECT_NE(pair.now(), before);
  EXPECT_EQ(pair.look(), Look::same);
}

// Of the same size and in the same place: the time alone tells.
TEST_F(TlsFilesTest, files_that_are_written_over_in_place_count_too) {
  auto const write = [&](std::string const& name, std::string text) {
    text.resize(8192, '\n');
    return files.write(name, text);
  };
  auto const first = authority.leaf({.names = {"localhost"}});
  auto const certificate = write("cert.pem", first.certificate_pem);
  auto const key = write("key.pem", first.key_pem);
  for (auto const& file : {certificate, key})
    std::filesystem::last_write_time(
        file, std::filesystem::last_write_time(file) - std::chrono::hours(1));
  auto pair = std::move(*TlsFiles::open(certificate, key));

  auto const next = authority.leaf({.names = {"localhost"}});
  write("key.pem", next.key_pem);
  write("cert.pem", next.certificate_pem);

  EXPECT_EQ(pair.look(), Look::renewed);
}

TEST_F(TlsFilesTest, between_the_two_files_nothing_is_told) {
  auto pair = open();
  auto const leaf = authority.leaf({.names = {"localhost"}});
  replace("cert.pem", leaf.certificate_pem);
  EXPECT_EQ(pair.look(), Look::same);
  replace("key.pem", leaf.key_pem);

  EXPECT_EQ(pair.look(), Look::renewed);
}

TEST_F(TlsFilesTest, a_pair_that_does_not_fit_is_told_once_and_what_was_served_stays) {
  auto pair = open();
  auto const before = pair.now();
  replace("cert.pem", authority.leaf({.names = {"localhost"}}).certificate_pem);

  EXPECT_EQ(pair.look(), Look::same);
  auto const told = pair.look();
  ASSERT_FALSE(told);
  EXPECT_THAT(told.error().what, HasSubstr("key.pem: no key of this certificate"));
  EXPECT_EQ(pair.look(), Look::same);
  EXPECT_EQ(pair.now(), before);
}

TEST_F(TlsFilesTest, a_file_that_has_gone_is_told_and_its_return_is_seen) {
  auto pair = open();
  auto const key = files.folder() + "/key.pem", away = key + ".away";
  ASSERT_EQ(std::rename(key.c_str(), away.c_str()), 0);
  EXPECT_EQ(pair.look(), Look::same);
  EXPECT_EQ(pair.look().error().fault, Fault::missing);
  ASSERT_EQ(std::rename(away.c_str(), key.c_str()), 0);

  EXPECT_TRUE(pair.look());
  EXPECT_EQ(pair.look(), Look::same);
}

TEST_F(TlsFilesTest, who_asks_is_told_at_once_and_each_time) {
  auto pair = open();
  EXPECT_EQ(pair.look_now(), Look::same);
  auto const leaf = authority.leaf({.names = {"localhost"}});
  replace("cert.pem", leaf.certificate_pem);

  EXPECT_FALSE(pair.look_now());
  EXPECT_EQ(pair.look(), Look::same) << "it was told";
  EXPECT_FALSE(pair.look_now());
  replace("key.pem", leaf.key_pem);
  EXPECT_EQ(pair.look_now(), Look::renewed);
  EXPECT_EQ(pair.look_now(), Look::same);
}

TEST_F(TlsFilesTest, a_first_pair_that_does_not_fit_is_refused) {
  auto const opened =
      TlsFiles::open(files.write("cert.pem", authority.leaf({.names = {"a"}}).certificate_pem),
                     files.write("key.pem", authority.leaf({.names = {"a"}}).key_pem));

  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fault, Fault::invalid);
}

}  // namespace
}  // namespace millrace::http::server
