#include "http/http2_frames.h"

#include "base/error.h"

namespace millrace::http {

Http2Options http2_options() {
  nghttp2_option* made = nullptr;
  check(nghttp2_option_new(&made) == 0, "nghttp2 has memory");
  nghttp2_option_set_max_outbound_ack(made, 100);
  nghttp2_option_set_max_settings(made, 32);
  nghttp2_option_set_max_continuations(made, 8);
  nghttp2_option_set_no_closed_streams(made, 1);
  return Http2Options(made);
}

nghttp2_session_callbacks* new_http2_callbacks() {
  nghttp2_session_callbacks* made = nullptr;
  check(nghttp2_session_callbacks_new(&made) == 0, "nghttp2 has memory");
  return made;
}

void submit_settings(nghttp2_session* session, std::span<nghttp2_settings_entry const> settings) {
  check(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0,
        "nghttp2 has memory");
}

nghttp2_nv http2_field(std::string_view name, std::string_view value, std::uint8_t flags) {
  auto* const at = const_cast<char*>(name.data());
  auto* const to = const_cast<char*>(value.data());
  return {reinterpret_cast<std::uint8_t*>(at), reinterpret_cast<std::uint8_t*>(to), name.size(),
          value.size(), flags};
}

}  // namespace millrace::http
