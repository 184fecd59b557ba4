#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>

#include "base/encoding.h"
#include "base/error.h"

namespace millrace::crypto {
namespace {

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

// Fetching an algorithm takes OpenSSL's locks and costs as much as the digest of a short text; the fetched object never changes.
EVP_MD const* sha256_algorithm() {
  static EVP_MD const* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  check(fetched != nullptr, "OpenSSL has SHA-256");
  return fetched;
}

std::string digest(EVP_MD const* algorithm, std::string_view bytes) {
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(algorithm)), '\0');
  check(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()),
                   nullptr, algorithm, nullptr) == 1,
        "a digest in memory cannot fail");
  return out;
}

// One pass of HMAC (RFC 2104): the digest of the padded key and then the bytes.
std::string padded_digest(std::array<char, 64> const& key, char pad, std::string_view bytes) {
  std::array<char, 64> block;
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(key[i] ^ pad);
  Context const context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string out(32, '\0');
  check(context != nullptr && EVP_DigestInit_ex2(context.get(), sha256_algorithm(), nullptr) == 1 &&
            EVP_DigestUpdate(context.get(), block.data(), block.size()) == 1 &&
            EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
            EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(out.data()),
                               nullptr) == 1,
        "a digest in memory cannot fail");
  OPENSSL_cleanse(block.data(), block.size());
  return out;
}

}  // namespace

std::string sha256(std::string_view bytes) { return digest(sha256_algorithm(), bytes); }
std::string sha256_hex(std::string_view bytes) { return hex(sha256(bytes)); }
std::string md5(std::string_view bytes) { return digest(EVP_md5(), bytes); }

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<char, 64> block{};
  if (key.size() > block.size()) {
    auto const shorter = sha256(key);
    shorter.copy(block.data(), shorter.size());
  } else {
    key.copy(block.data(), key.size());
  }
  auto const inner = padded_digest(block, 0x36, bytes);
  auto out = padded_digest(block, 0x5C, inner);
  OPENSSL_cleanse(block.data(), block.size());
  return out;
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace millrace::crypto
