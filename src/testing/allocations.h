// How much memory this test program holds: what operator new and OpenSSL have given out. A test program that asks has allocations_test.cc among
// its sources (cmake/room.cmake), which counts.
#pragma once
#include <cstddef>

namespace millrace::testing {

std::size_t bytes_allocated();
std::size_t most_bytes_allocated();  // since the last forget_most_bytes()
void forget_most_bytes();

}  // namespace millrace::testing
