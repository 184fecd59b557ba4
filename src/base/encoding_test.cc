#include "base/encoding.h"

#include <gtest/gtest.h>

#include <utility>

namespace millrace {
namespace {

TEST(Base64, gives_the_values_of_rfc_4648) {
  std::pair<std::string_view, std::string_view> const rows[] = {{"", ""},
                                                                {"f", "Zg=="},
                                                                {"fo", "Zm8="},
                                                                {"foo", "Zm9v"},
                                                                {"foob", "Zm9vYg=="},
                                                                {"fooba", "Zm9vYmE="},
                                                                {"foobar", "Zm9vYmFy"}};
  for (auto const& [plain, text] : rows) {
    EXPECT_EQ(base64(plain), text);
    EXPECT_EQ(unbase64(text), plain);
    auto const unpadded = text.substr(0, text.find('='));
    EXPECT_EQ(base64url(plain), unpadded);
    EXPECT_EQ(unbase64url(unpadded), plain);
  }
}

TEST(Base64, tells_its_two_alphabets_apart) {
  std::string const bytes = "\xFB\xEF\xFF";
  EXPECT_EQ(base64(bytes), "++//");
  EXPECT_EQ(base64url(bytes), "--__");
  EXPECT_EQ(unbase64("--__"), std::nullopt);
  EXPECT_EQ(unbase64url("++//"), std::nullopt);
}

TEST(Base64, refuses_what_is_not_canonical) {
  for (auto const* const text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zh==", "Zm9=", "Zm9v\n",
                                 "Zm 9", "Zm9v=", "Zg==Zg==", "Z\xC3\xA9==", "Zm9*"})
    EXPECT_EQ(unbase64(text), std::nullopt) << text;
  for (auto const* const text : {"Z", "Zg==", "Zh", "Zm9", "Zm9v="})
    EXPECT_EQ(unbase64url(text), std::nullopt) << text;
}

TEST(Base64, round_trips_every_length_and_byte) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(unbase64(base64(bytes)), bytes);
    EXPECT_EQ(unbase64url(base64url(bytes)), bytes);
    bytes += static_cast<char>(i);
  }
}

TEST(AppendBase64, appends_or_leaves_alone) {
  std::string out = "kept ";
  EXPECT_TRUE(append_base64("Zm9v", out));
  EXPECT_EQ(out, "kept foo");
  EXPECT_FALSE(append_base64("Zm9vZ!==", out));
  EXPECT_EQ(out, "kept foo");
}

TEST(Hex, round_trips_and_refuses_the_rest) {
  EXPECT_EQ(hex(std::string_view("\x00\x7F\xFF", 3)), "007fff");
  EXPECT_EQ(unhex("007FfF"), std::string("\x00\x7F\xFF", 3));
  EXPECT_EQ(unhex(""), "");
  EXPECT_EQ(unhex("0"), std::nullopt);
  EXPECT_EQ(unhex("0g"), std::nullopt);
  EXPECT_EQ(unhex("+1"), std::nullopt);
}

// RFC 3720, appendix B.4.
TEST(Crc32c, gives_the_values_of_rfc_3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string up;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i);
  EXPECT_EQ(crc32c(up), 0x46DD794EU);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(Crc32c, goes_on_from_a_seed) {
  std::string const text = "The quick brown fox jumps over the lazy dog";
  for (std::size_t i = 0; i <= text.size(); ++i)
    EXPECT_EQ(crc32c(text.substr(i), crc32c(text.substr(0, i))), crc32c(text)) << i;
}

TEST(Bytes, are_the_same_memory) {
  std::string_view const text = "abc";
  EXPECT_EQ(as_text(as_bytes(text)).data(), text.data());
  EXPECT_EQ(as_text(as_bytes(text)), text);
}

}  // namespace
}  // namespace millrace
