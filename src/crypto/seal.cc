#include "crypto/seal.h"

#include <sodium.h>

#include <utility>

#include "base/encoding.h"

// A sealed text is: one byte 0x01 (this form), 24 bytes of nonce, then the secretbox (16 bytes longer than what is in it).
namespace millrace::crypto {
namespace {

constexpr char form = 1;

unsigned char* raw(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }
unsigned char const* raw(std::string_view s) {
  return reinterpret_cast<unsigned char const*>(s.data());
}

// A key of its own for each purpose: a box moved to another place does not open there.
std::string derived(std::string_view master, std::string_view label, std::string_view purpose,
                    std::size_t bytes) {
  std::string const text = std::string(label) + std::string(purpose);
  std::string out(bytes, '\0');
  check(crypto_generichash(raw(out), out.size(), raw(text), text.size(), raw(master),
                           master.size()) == 0,
        "a keyed digest in memory cannot fail");
  return out;
}

}  // namespace

Result<Sealer> Sealer::make(std::string_view master_key) {
  if (master_key.size() != crypto_secretbox_KEYBYTES)
    return fail(Fault::invalid, "master key: must have 32 bytes");
  if (sodium_init() < 0) return fail(Fault::io, "libsodium: does not start on this machine");
  return Sealer(std::string(master_key));
}

std::string Sealer::seal(std::string_view plain, std::string_view purpose,
                         std::string_view nonce_bytes) const {
  check(nonce_bytes.size() == crypto_secretbox_NONCEBYTES, "a nonce has 24 bytes");
  auto key = derived(key_, "millrace seal 1\n", purpose, crypto_secretbox_KEYBYTES);
  std::string out(1 + nonce_bytes.size() + plain.size() + crypto_secretbox_MACBYTES, '\0');
  out[0] = form;
  nonce_bytes.copy(out.data() + 1, nonce_bytes.size());
  check(crypto_secretbox_easy(raw(out) + 1 + nonce_bytes.size(), raw(plain), plain.size(),
                              raw(nonce_bytes), raw(key)) == 0,
        "sealing in memory cannot fail");
  sodium_memzero(key.data(), key.size());
  return out;
}

Result<std::string> Sealer::open(std::string_view sealed, std::string_view purpose) const {
  auto const wrong = [purpose] {
    return fail(Fault::corrupt,
                std::string(purpose) +
                    ": does not open: it was sealed with another master key, or has changed");
  };
  constexpr std::size_t overhead = 1 + crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
  if (sealed.size() < overhead || sealed[0] != form) return wrong();
  auto const nonce = sealed.substr(1, crypto_secretbox_NONCEBYTES);
  auto const box = sealed.substr(1 + nonce.size());
  auto key = derived(key_, "millrace seal 1\n", purpose, crypto_secretbox_KEYBYTES);
  std::string out(box.size() - crypto_secretbox_MACBYTES, '\0');
  bool const good =
      crypto_secretbox_open_easy(raw(out), raw(box), box.size(), raw(nonce), raw(key)) == 0;
  sodium_memzero(key.data(), key.size());
  if (!good) return wrong();
  return out;
}

std::string Sealer::fingerprint() const {
  // libsodium's shortest digest has 16 bytes; 8 of them tell enough.
  return hex(
      derived(key_, "millrace fingerprint 1\n", "", crypto_generichash_BYTES_MIN).substr(0, 8));
}

}  // namespace millrace::crypto
