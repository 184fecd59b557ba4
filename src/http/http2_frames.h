// What both sides of HTTP/2 do with nghttp2 alike. Pure.
#pragma once
#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace millrace::http {

struct Http2Free {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  void operator()(nghttp2_option* options) const { nghttp2_option_del(options); }
};
using Http2Session = std::unique_ptr<nghttp2_session, Http2Free>;
using Http2Options = std::unique_ptr<nghttp2_option, Http2Free>;

// About so many bytes are given to be sent at a time.
inline constexpr std::size_t http2_given_at_once = 32 * 1024;

// Of a session whose peer may be hostile: acknowledgements that wait, settings and continuations are bounded.
Http2Options http2_options();
// Callbacks without any; they are kept for as long as the program runs.
nghttp2_session_callbacks* new_http2_callbacks();
// The session's first SETTINGS.
void submit_settings(nghttp2_session* session, std::span<nghttp2_settings_entry const> settings);
// A field that nghttp2 copies; it makes the name small. What it points to lives until it is submitted.
nghttp2_nv http2_field(std::string_view name, std::string_view value,
                       std::uint8_t flags = NGHTTP2_NV_FLAG_NONE);

inline std::string_view text_of(std::uint8_t const* bytes, std::size_t size) {
  return {reinterpret_cast<char const*>(bytes), size};
}
// What nghttp2 makes of what came: its answer is negative when the peer does not keep to HTTP/2.
inline ssize_t take_http2(nghttp2_session* session, std::string_view bytes) {
  return nghttp2_session_mem_recv(session, reinterpret_cast<std::uint8_t const*>(bytes.data()),
                                  bytes.size());
}

}  // namespace millrace::http
