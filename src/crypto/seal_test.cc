#include "crypto/seal.h"

#include <gtest/gtest.h>

namespace millrace::crypto {
namespace {

std::string const nonce(24, 'n');
Sealer sealer(char key) { return Sealer::make(std::string(32, key)).value(); }

TEST(Sealer, opens_what_it_sealed) {
  for (std::string const& plain :
       {std::string(), std::string("secret"), std::string(100'000, '\0')}) {
    auto const sealed = sealer('k').seal(plain, "streams/1", nonce);

    EXPECT_EQ(sealed.size(), plain.size() + 41);
    EXPECT_EQ(sealer('k').open(sealed, "streams/1").value(), plain);
  }
}

TEST(Sealer, hides_what_it_sealed) {
  auto const sealed = sealer('k').seal("a very secret word", "p", nonce);

  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_NE(sealed, sealer('k').seal("a very secret word", "p", std::string(24, 'm')));
}

TEST(Sealer, opens_nothing_under_another_key_or_purpose) {
  auto const sealed = sealer('k').seal("secret", "streams/1", nonce);

  EXPECT_EQ(sealer('l').open(sealed, "streams/1").error().fault, Fault::corrupt);
  EXPECT_EQ(sealer('k').open(sealed, "streams/2").error().fault, Fault::corrupt);
}

TEST(Sealer, notices_every_changed_byte_and_every_cut) {
  auto const sealed = sealer('k').seal("secret", "p", nonce);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(sealer('k').open(changed, "p")) << i;
    EXPECT_FALSE(sealer('k').open(sealed.substr(0, i), "p")) << i;
  }
}

TEST(Sealer, tells_keys_apart_by_their_fingerprints) {
  EXPECT_EQ(sealer('k').fingerprint(), sealer('k').fingerprint());
  EXPECT_NE(sealer('k').fingerprint(), sealer('l').fingerprint());
  EXPECT_EQ(sealer('k').fingerprint().size(), 16U);
}

TEST(Sealer, wants_a_key_of_32_bytes) {
  EXPECT_FALSE(Sealer::make(""));
  EXPECT_FALSE(Sealer::make(std::string(31, 'k')));
  EXPECT_FALSE(Sealer::make(std::string(33, 'k')));
}

}  // namespace
}  // namespace millrace::crypto
