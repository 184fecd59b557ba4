#include "crypto/rsa.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/encoding.h"
#include "crypto/digest.h"

namespace millrace::crypto {
namespace {

template <class T, void (*Free)(T*)>
struct Freeing {
  void operator()(T* thing) const { Free(thing); }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY, EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freeing<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freeing<BIGNUM, BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freeing<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freeing<OSSL_PARAM, OSSL_PARAM_free>>;
using Memory = std::unique_ptr<BIO, Freeing<BIO, BIO_free_all>>;

constexpr int least_bits = 2048, most_bits = 8192;  // larger ones only cost the verifier time

unsigned char const* raw(std::string_view s) {
  return reinterpret_cast<unsigned char const*>(s.data());
}
EVP_PKEY* as_key(void const* key) { return static_cast<EVP_PKEY*>(const_cast<void*>(key)); }

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(raw(bytes), static_cast<int>(bytes.size()), nullptr));
}

// OpenSSL keeps a queue of errors for each thread; what is left in it would show up at some later, unrelated call.
std::unexpected<Error> refuse(std::string what) {
  ERR_clear_error();
  return fail(Fault::invalid, std::move(what));
}

KeyContext rs256_context(EVP_PKEY* key, int (*init)(EVP_PKEY_CTX*)) {
  KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  if (context == nullptr || init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1)
    return nullptr;
  return context;
}

std::string number_member(void const* key, char const* name) {
  BIGNUM* got = nullptr;
  check(EVP_PKEY_get_bn_param(as_key(key), name, &got) == 1, "an RSA key has its numbers");
  Number const number(got);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return base64url(bytes);
}

// No pass phrase is ever asked for: OpenSSL's own way would read the terminal.
int no_pass_phrase(char*, int, int, void*) { return 0; }

// RFC 7518 asks for base64url without padding; some writers pad.
std::optional<std::string> digits_of(std::string_view text) {
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return unbase64url(text);
}

}  // namespace

Result<PublicKey> PublicKey::from_jwk(std::string_view n, std::string_view e) {
  constexpr std::size_t most_digits = 2048;
  if (n.size() > most_digits || e.size() > 16)
    return fail(Fault::invalid, "RSA key: n or e is too long");
  auto const modulus = digits_of(n), exponent = digits_of(e);
  if (!modulus || !exponent) return fail(Fault::invalid, "RSA key: n or e is not base64url");
  auto const n_number = number_of(*modulus), e_number = number_of(*exponent);
  if (n_number == nullptr || e_number == nullptr) return refuse("RSA key: n or e cannot be read");
  auto const bits = BN_num_bits(n_number.get());
  if (bits < least_bits || bits > most_bits)
    return fail(Fault::invalid, "RSA key: has " + std::to_string(bits) + " bits, not 2048 to 8192");
  if (BN_is_odd(n_number.get()) == 0 || BN_is_odd(e_number.get()) == 0 ||
      BN_is_one(e_number.get()) == 1)
    return fail(Fault::invalid, "RSA key: n or e is not what an RSA key can have");

  ParamBuilder const builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n_number.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e_number.get()) != 1)
    return refuse("RSA key: cannot be built");
  Params const params(OSSL_PARAM_BLD_to_param(builder.get()));
  KeyContext const context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return refuse("RSA key: OpenSSL refuses it");
  PublicKey key;
  key.key_ = std::shared_ptr<void const>(made, [](void const* p) { EVP_PKEY_free(as_key(p)); });
  return key;
}

bool PublicKey::verify_rs256(std::string_view signed_bytes, std::string_view signature) const {
  return Rs256Verifier(*this).verify(signed_bytes, signature);
}

Rs256Verifier::Rs256Verifier(PublicKey const& key) : key_(key.key_) {
  check(key_ != nullptr, "a PublicKey comes from from_jwk()");
  auto context = rs256_context(as_key(key_.get()), &EVP_PKEY_verify_init);
  check(context != nullptr, "OpenSSL knows RS256");
  context_ = std::move(context);
}

bool Rs256Verifier::verify(std::string_view signed_bytes, std::string_view signature) {
  auto const hash = sha256(signed_bytes);
  auto* const context = static_cast<EVP_PKEY_CTX*>(context_.get());
  bool const good =
      EVP_PKEY_verify(context, raw(signature), signature.size(), raw(hash), hash.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

SigningKey SigningKey::generate() {
  EVP_PKEY* const made = EVP_RSA_gen(2048);
  check(made != nullptr, "OpenSSL makes an RSA key");
  SigningKey key;
  key.key_ = std::shared_ptr<void>(made, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); });
  return key;
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  if (pem.size() > 64 * 1024)
    return fail(Fault::invalid, "signing key: is too long for a PEM file of a key");
  Memory const memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key read(memory == nullptr
               ? nullptr
               : PEM_read_bio_PrivateKey(memory.get(), nullptr, &no_pass_phrase, nullptr));
  if (read == nullptr)
    return refuse("signing key: is not a private key in PEM without a pass phrase");
  if (EVP_PKEY_is_a(read.get(), "RSA") != 1)
    return fail(Fault::invalid, "signing key: is not an RSA key");
  auto const bits = EVP_PKEY_get_bits(read.get());
  if (bits != 2048)
    return fail(Fault::invalid, "signing key: has " + std::to_string(bits) + " bits, not 2048");
  SigningKey key;
  key.key_ = std::shared_ptr<void>(read.release(),
                                   [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); });
  return key;
}

std::string SigningKey::to_pem() const {
  Memory const memory(BIO_new(BIO_s_mem()));
  check(memory != nullptr &&
            PEM_write_bio_PKCS8PrivateKey(memory.get(), static_cast<EVP_PKEY*>(key_.get()), nullptr,
                                          nullptr, 0, nullptr, nullptr) == 1,
        "a key is written to memory");
  char* text = nullptr;
  auto const bytes = BIO_get_mem_data(memory.get(), &text);
  return std::string(text, static_cast<std::size_t>(bytes));
}

std::string SigningKey::sign_rs256(std::string_view bytes) const {
  check(key_ != nullptr, "a SigningKey comes from generate() or from_pem()");
  // A context of its own for each signature: one cannot be shared by threads, and making it costs a hundredth of the signature.
  auto const context = rs256_context(static_cast<EVP_PKEY*>(key_.get()), &EVP_PKEY_sign_init);
  check(context != nullptr, "OpenSSL knows RS256");
  auto const hash = sha256(bytes);
  std::string signature(256, '\0');
  auto size = signature.size();
  check(EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                      raw(hash), hash.size()) == 1 &&
            size == signature.size(),
        "an RSA-2048 key signs");
  return signature;
}

std::string SigningKey::modulus() const { return number_member(key_.get(), OSSL_PKEY_PARAM_RSA_N); }
std::string SigningKey::exponent() const {
  return number_member(key_.get(), OSSL_PKEY_PARAM_RSA_E);
}

}  // namespace millrace::crypto
