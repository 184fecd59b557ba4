// Counts the memory of the whole test program, so that a test can hold an exchange to a bound.
#include "testing/allocations.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

namespace millrace::testing {
namespace {

std::atomic<std::size_t> held{0}, most{0};

void* counted(void* memory) {
  if (memory == nullptr) return nullptr;
  auto const now = held += ::malloc_usable_size(memory);
  if (now > most) most = now;
  return memory;
}
void* uncounted(void* memory) {
  if (memory != nullptr) held -= ::malloc_usable_size(memory);
  return memory;
}

void* openssl_malloc(std::size_t size, char const*, int) { return counted(std::malloc(size)); }
void* openssl_realloc(void* memory, std::size_t size, char const*, int) {
  return counted(std::realloc(uncounted(memory), size));
}
void openssl_free(void* memory, char const*, int) { std::free(uncounted(memory)); }

// Before main, because OpenSSL takes no other functions once it has used its own.
bool const openssl_counts =
    CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1;

}  // namespace

std::size_t bytes_allocated() { return held; }
std::size_t most_bytes_allocated() { return most; }
void forget_most_bytes() { most = held.load(); }

TEST(AllocationsTest, are_counted) {
  forget_most_bytes();
  auto const before = bytes_allocated();
  std::make_unique<std::string>(1'000'000, 'x').reset();
  auto* const other = OPENSSL_malloc(2'000'000);
  OPENSSL_free(other);

  EXPECT_TRUE(openssl_counts);
  EXPECT_GE(most_bytes_allocated(), before + 2'000'000);
  EXPECT_LT(most_bytes_allocated(), before + 2'500'000);
  EXPECT_EQ(bytes_allocated(), before);
}

}  // namespace millrace::testing

void* operator new(std::size_t size) {
  if (void* const memory = millrace::testing::counted(std::malloc(std::max<std::size_t>(size, 1))))
    return memory;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(millrace::testing::uncounted(memory)); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }
