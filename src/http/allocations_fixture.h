// How much memory this test program holds: what operator new and OpenSSL have given out (allocations_test.cc counts).
#pragma once
#include <cstddef>

namespace millrace::http {

std::size_t bytes_allocated();
std::size_t most_bytes_allocated();  // since the last forget_most_bytes()
void forget_most_bytes();

}  // namespace millrace::http
