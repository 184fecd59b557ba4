#include "formats/caliper_grammar.h"

#include <gtest/gtest.h>

namespace millrace::formats {
namespace {

TEST(CaliperGrammarTest, knows_an_absolute_IRI) {
  for (auto const* const right :
       {"http://example.edu/a", "https://[2001:db8::1]:8443/a?b[]=c#d",
        "urn:instructure:canvas:user:7", "URN:UUID:0193536e-5f00-7000-8000-000000000001", "_:b0",
        "mailto:ada@example.edu", "a+b.c-1:x", "https://example.edu/%C3%BC/\u00fc?q=%20",
        "https://example.edu", "x:y", "file:///tmp/a"})
    EXPECT_TRUE(is_iri(right)) << right;
  for (auto const* const wrong : {"",
                                  "canvas app",
                                  "no iri",
                                  "/a/b",
                                  "1http://example.edu/",
                                  "http:",
                                  ":x",
                                  "-a:b",
                                  "_:",
                                  "http://example.edu/a b",
                                  "http://example.edu/<a>",
                                  "http://example.edu/%2",
                                  "http://example.edu/%zz",
                                  "http://[::1/",
                                  "http://[x]/",
                                  "http://a]b/",
                                  "urn:a\nb",
                                  "urn:\"",
                                  "urn:a\\b",
                                  "a_b:c",
                                  "http://e/#a#b",
                                  "urn:x[y]",
                                  "http://"})
    EXPECT_FALSE(is_iri(wrong)) << wrong;
}

TEST(CaliperGrammarTest, knows_what_may_stand_within_an_IRI) {
  EXPECT_TRUE(is_iri_part("10000000000007~8:\u00fc%20"));
  for (auto const* const wrong : {"a b", "a#b", "a?b", "a[b", "a%", "\t", "a\"b", "a\x7f"})
    EXPECT_FALSE(is_iri_part(wrong)) << wrong;
}

TEST(CaliperGrammarTest, knows_a_host) {
  EXPECT_TRUE(is_host("canvas.example.edu"));
  EXPECT_TRUE(is_host("canvas-1.local:3000"));
  for (auto const* const wrong : {"", ":80", "a b", "a/b", "a:b", "user@a", "a\"b"})
    EXPECT_FALSE(is_host(wrong)) << wrong;
}

TEST(CaliperGrammarTest, knows_a_UUID_as_a_URN_in_any_case) {
  EXPECT_TRUE(is_uuid_urn("urn:uuid:0193536e-5f00-7000-8000-000000000001"));
  EXPECT_TRUE(is_uuid_urn("URN:UUID:0193536E-5F00-7000-8000-000000000001"));
  EXPECT_FALSE(is_uuid_urn("urn:uuid:"));
  EXPECT_FALSE(is_uuid_urn("0193536e-5f00-7000-8000-000000000001"));
  EXPECT_FALSE(is_uuid_urn("urn:uuid:0193536e5f0070008000000000000001"));
}

TEST(CaliperGrammarTest, knows_a_time_of_a_day_that_exists) {
  EXPECT_EQ(time_form("2028-02-29T23:59:59.999Z"), TimeForm::exact);
  EXPECT_EQ(time_form("1895-01-01T00:00:00.000Z"), TimeForm::exact);
  EXPECT_EQ(time_form("2016-12-31T23:59:60.000Z"), TimeForm::exact);
  EXPECT_EQ(time_form("2026-10-01T10:00:00Z"), TimeForm::without_milliseconds);
  for (auto const* const wrong :
       {"", "2026-02-29T10:00:00.000Z", "2026-13-01T10:00:00.000Z", "2026-10-01T24:00:00.000Z",
        "2026-10-01T10:60:00.000Z", "2026-10-01T10:00:60.000Z", "2026-10-01T10:00:00.00Z",
        "2026-10-01 10:00:00.000Z", "2026-10-01T10:00:00.000z", "2026-10-01T10:00:00+00:00",
        "2026-99-99T99:99:99Z", "2026-10-01T10:00:00.0x0Z"})
    EXPECT_EQ(time_form(wrong), TimeForm::other) << wrong;
}

TEST(CaliperGrammarTest, knows_a_duration) {
  for (auto const* const right : {"P1D", "PT1H", "P1Y2M3DT4H5M6S", "PT1.5S", "PT1,5S", "P2W", "P0D",
                                  "PT36H", "P1Y", "P1YT1S", "PT0.5H"})
    EXPECT_TRUE(is_duration(right)) << right;
  for (auto const* const wrong :
       {"",         "P",        "PT",     "P1",    "1H",    "P1H",   "PT1S2H",  "P1M1Y",
        "P1DT",     "P1D1D",    "PT1H1H", "P1W2D", "P1Y2W", "PT1.S", "PT.5S",   "P1.5Y2M",
        "P1.5DT1H", "PT1.5H2M", "-P1D",   "P1S",   "pt1h",  "PT1HX", "P1D PT1H"})
    EXPECT_FALSE(is_duration(wrong)) << wrong;
}

}  // namespace
}  // namespace millrace::formats
