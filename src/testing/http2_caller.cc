#include "testing/http2_caller.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace millrace::testing {
namespace {

std::uint32_t number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (char const c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

std::string Http2Caller::Answer::field(std::string_view name) const {
  return std::string(http::find_header(fields, name).value_or(""));
}

Http2Caller::Http2Caller() { check(nghttp2_hd_inflate_new(&inflater_) == 0, "nghttp2 has memory"); }

Http2Caller::~Http2Caller() { nghttp2_hd_inflate_del(inflater_); }

std::string Http2Caller::hello(
    std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> entries) {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2::settings(entries);
}

std::string Http2Caller::block(std::string_view method, std::string_view path,
                               Fields const& fields) {
  auto out = h2::literal(":method", method) + h2::literal(":scheme", "https") +
             h2::literal(":authority", "host") + h2::literal(":path", path);
  for (auto const& [name, value] : fields) out += h2::literal(name, value);
  return out;
}

std::string Http2Caller::get(std::uint32_t stream, std::string_view path) {
  return h2::headers(stream, block("GET", path), true);
}

std::string Http2Caller::post(std::uint32_t stream, std::string_view path, std::string_view body,
                              Fields const& fields) {
  auto out = h2::headers(stream, block("POST", path, fields));
  do {
    auto const piece = body.substr(0, 16 * 1024);
    body.remove_prefix(piece.size());
    out += h2::data(stream, piece, body.empty());
  } while (!body.empty());
  return out;
}

void Http2Caller::take(std::string_view bytes) {
  left_ += bytes;
  std::size_t at = 0;
  while (left_.size() - at >= 9 && !broken) {
    std::string_view const head = std::string_view(left_).substr(at, 9);
    auto const length = number(head.substr(0, 3));
    broken = length > 16 * 1024 || static_cast<unsigned char>(head[3]) > 9;
    if (broken || left_.size() - at - 9 < length) break;
    take_frame(static_cast<h2::Type>(head[3]), static_cast<std::uint8_t>(head[4]),
               number(head.substr(5)), std::string_view(left_).substr(at + 9, length));
    at += 9 + length;
  }
  left_.erase(0, at);
}

void Http2Caller::take_frame(h2::Type type, std::uint8_t flags, std::uint32_t stream,
                             std::string_view payload) {
  using h2::Type;
  bool const acknowledges = (flags & h2::ack) != 0;
  switch (type) {
    case Type::headers:
    case Type::continuation:
      block_ += payload;
      if ((flags & h2::end_headers) != 0) take_block(stream, std::exchange(block_, {}));
      break;
    case Type::data:
      ++data_frames;
      data_bytes += payload.size();
      answers[stream].body += payload;
      break;
    case Type::rst_stream:
      answers[stream].reset = number(payload);
      break;
    case Type::settings:
      settings_acks += acknowledges ? 1 : 0;
      for (; payload.size() >= 6; payload.remove_prefix(6))
        settings[static_cast<std::uint16_t>(number(payload.substr(0, 2)))] =
            number(payload.substr(2, 4));
      break;
    case Type::ping:
      ping_acks += acknowledges ? 1 : 0;
      break;
    case Type::goaway:
      goaways.emplace_back(number(payload.substr(0, 4)), number(payload.substr(4, 4)));
      break;
    case Type::window_update:
      credits[stream] += number(payload);
      break;
    default:
      broken = true;
  }
  if ((type == Type::headers || type == Type::data) && (flags & h2::end_stream) != 0)
    answers[stream].whole = true;
}

void Http2Caller::take_block(std::uint32_t stream, std::string_view bytes) {
  auto& answer = answers[stream];
  std::string status;
  auto const* at = reinterpret_cast<std::uint8_t const*>(bytes.data());
  auto left = bytes.size();
  for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
    nghttp2_nv field{};
    auto const used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
    if (used < 0) {
      broken = true;
      return;
    }
    at += used;
    left -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0) continue;
    std::string const name(reinterpret_cast<char const*>(field.name), field.namelen);
    std::string const value(reinterpret_cast<char const*>(field.value), field.valuelen);
    if (name == ":status")
      status = value;
    else
      answer.fields.push_back({name, value});
  }
  nghttp2_hd_inflate_end_headers(inflater_);
  if (status.starts_with('1'))
    answer.interims.push_back(status);
  else
    answer.status = status;
}

}  // namespace millrace::testing
