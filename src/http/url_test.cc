#include "http/url.h"

#include <gmock/gmock.h>

namespace millrace::http {
namespace {

using ::testing::HasSubstr;

struct Good {
  char const* text;
  char const* origin;
  char const* host_header;
  char const* target;
};

class GoodUrlTest : public ::testing::TestWithParam<Good> {};

TEST_P(GoodUrlTest, is_taken_apart) {
  auto const url = parse_url(GetParam().text);
  ASSERT_TRUE(url.has_value()) << url.error().what;
  EXPECT_EQ(url->origin(), GetParam().origin);
  EXPECT_EQ(url->host_header(), GetParam().host_header);
  EXPECT_EQ(url->target, GetParam().target);
}

INSTANTIATE_TEST_SUITE_P(
    Urls, GoodUrlTest,
    ::testing::Values(
        Good{"https://ally.example.edu", "https://ally.example.edu:443", "ally.example.edu", "/"},
        Good{"HTTPS://Ally.Example.EDU:8443/Hook?a=b%20c#frag", "https://ally.example.edu:8443",
             "ally.example.edu:8443", "/Hook?a=b%20c"},
        Good{"https://a.example:/hook", "https://a.example:443", "a.example", "/hook"},
        Good{"http://a.example:?x=1", "http://a.example:80", "a.example", "/?x=1"},
        Good{"hTTpS://[::1]:", "https://[::1]:443", "[::1]", "/"},
        Good{"https://a.example?x=1", "https://a.example:443", "a.example", "/?x=1"},
        Good{"http://127.0.0.1:80/", "http://127.0.0.1:80", "127.0.0.1", "/"},
        Good{"https://[2001:DB8:0:0::1]:444/", "https://[2001:db8::1]:444", "[2001:db8::1]:444",
             "/"},
        Good{"https://[::1]/", "https://[::1]:443", "[::1]", "/"},
        Good{"https://[::ffff:127.0.0.1]/", "https://[::ffff:127.0.0.1]:443", "[::ffff:127.0.0.1]",
             "/"},
        Good{"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example:443",
             "xn--bcher-kva.example", "/"},
        Good{"http://my_service:8080/x", "http://my_service:8080", "my_service:8080", "/x"},
        Good{"https://1.example/@x:y", "https://1.example:443", "1.example", "/@x:y"}));

TEST(UrlTest, knows_addresses) {
  EXPECT_TRUE(parse_url("https://10.0.0.1/")->is_ip);
  EXPECT_TRUE(parse_url("https://[::1]/")->is_ip);
  EXPECT_FALSE(parse_url("https://a.example/")->is_ip);
}

class BadUrlTest : public ::testing::TestWithParam<std::string> {};

TEST_P(BadUrlTest, is_refused) {
  auto const url = parse_url(GetParam());
  ASSERT_FALSE(url.has_value());
  EXPECT_EQ(url.error().fault, Fault::invalid);
  EXPECT_THAT(url.error().what, HasSubstr("url: "));
}

INSTANTIATE_TEST_SUITE_P(
    Tricks, BadUrlTest,
    ::testing::Values("https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
                      "https://127.1/", "https://0x7f.1/", "https://0/", "https://127.0.0.1./",
                      "https://a.example./", "https://127。0。0。1/", "https://①②⑦.⓪.⓪.①/",
                      "https://user@127.0.0.1/", "https://user:pass@a.example/",
                      "https://x@y@a.example/", "https://%31%32%37.0.0.1/", "https://a%00.example/",
                      "https://127.0.0.1:18999\\@example.com/", "https://a.example\\b",
                      "https://[fe80::1%25eth0]/", "https://[::1", "https://::1/",
                      "https://[127.0.0.1]/", "https://[::1]x/", "https://a]b/",
                      "https://256.1.1.1/", "https://1.2.3.4.5/", "https://a.0x7f/", "https://a.1/",
                      "https://", "https:///x", "https://:443/", "https://a..b/", "https://.a/",
                      "https://-a.example/", "https://a.example:0/", "https://a.example:65536/",
                      "https://:/", "https://a.example:+1/", "https://a.example::443/",
                      "https://a.example:\x80/", "https://a.example/\x80\xff",
                      "https://a.example:99999999999/", "ftp://a.example/", "file:///etc/passwd",
                      "gopher://a.example/", "unix:///run/x", "//a.example/", "a.example", "",
                      "javascript:alert(1)", "https://a.example/\r\nX: y", "https://a.example/ b",
                      " https://a.example/", "https://a.example/\x7f",
                      std::string("https://a\0b/", 12), "https://a!b.example/",
                      "https://b\xc3\xbc"
                      "cher.example/",
                      "https://" + std::string(64, 'a') + ".example/",
                      "https://a.example/" + std::string(2048, 'a')));

TEST(UrlTest, refuses_names_longer_than_names_can_be) {
  std::string host;
  for (int i = 0; i < 60; ++i) host += "abcd.";
  EXPECT_FALSE(parse_url("https://" + host + "example/").has_value());
}

}  // namespace
}  // namespace millrace::http
