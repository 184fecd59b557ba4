// The chunked coding (RFC 9112 section 7.1), strictly: every line ends in CRLF, sizes are 1 to 15 hexadecimal digits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::http {

class ChunkReader {
 public:
  enum class State : std::uint8_t { more, done, bad };

  // Takes what it can of `bytes`, appends the decoded to `body` up to `limit` bytes in all (what is beyond is dropped, and
  // counted), and says how many bytes it took. After done or bad it takes no more. Trailers are dropped; extensions and trailers
  // together may have 16 KiB, and small chunks may cost eight times what they carry.
  std::size_t take(std::string_view bytes, std::string& body, std::size_t limit);

  State state() const { return state_; }
  std::uint64_t decoded() const { return decoded_; }

 private:
  enum class Part : std::uint8_t {
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer,
    trailer_lf,
    last_lf
  };
  State state_ = State::more;
  Part part_ = Part::size;
  unsigned digits_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t decoded_ = 0;
  std::uint64_t overhead_ = 0;
};

}  // namespace millrace::http
