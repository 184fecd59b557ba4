// The client's side of HTTP/2, as a test speaks it: what it says is composed by hand (testing/http2_wire.h), what the server says is read
// frame by frame. Pure: the test moves the bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"
#include "testing/http2_wire.h"

struct nghttp2_hd_inflater;

namespace millrace::testing {

class Http2Caller {
 public:
  struct Answer {
    std::string status;
    std::vector<std::string> interims;  // statuses from 100 to 199
    std::vector<http::Header> fields;
    std::string body;
    bool whole = false;
    std::optional<std::uint32_t> reset;  // its code
    std::string field(std::string_view name) const;
  };

  Http2Caller();
  ~Http2Caller();
  Http2Caller(Http2Caller const&) = delete;
  Http2Caller& operator=(Http2Caller const&) = delete;

  // The preface and an empty SETTINGS, or with entries.
  static std::string hello(
      std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> entries = {});
  using Fields = std::vector<std::pair<std::string, std::string>>;
  // The four pseudo-headers of "https://host" + path, and `fields`, as a block.
  static std::string block(std::string_view method, std::string_view path,
                           Fields const& fields = {});
  static std::string get(std::uint32_t stream, std::string_view path = "/");
  // Its body in frames of 16 KiB at most, without Content-Length unless in `fields`.
  static std::string post(std::uint32_t stream, std::string_view path, std::string_view body,
                          Fields const& fields = {});

  // What the server said.
  void take(std::string_view bytes);
  Answer const& answer(std::uint32_t stream) { return answers[stream]; }
  bool broken = false;  // what it said is not in frames
  std::map<std::uint32_t, Answer> answers;
  std::map<std::uint16_t, std::uint32_t> settings;
  int settings_acks = 0, ping_acks = 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> goaways;  // last stream, code
  std::map<std::uint32_t, std::uint64_t> credits;  // by stream: bytes of windows that were opened
  std::size_t data_frames = 0, data_bytes = 0;

 private:
  void take_frame(h2::Type type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload);
  void take_block(std::uint32_t stream, std::string_view bytes);

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string left_, block_;
};

}  // namespace millrace::testing
