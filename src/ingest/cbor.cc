#include "ingest/cbor.h"

#include <cbor.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <vector>

#include "base/error.h"

namespace millrace::ingest {
namespace {

using Kind = CborItem::Kind;

CborItem& item_of(void* context) { return *static_cast<CborItem*>(context); }

template <class Number>
void on_number(void* context, Number) {
  item_of(context).kind = Kind::number;
}
template <Kind kind>
void on_mark(void* context) {
  item_of(context).kind = kind;
  item_of(context).open = true;
}
template <Kind kind>
void on_string(void* context, cbor_data bytes, std::size_t size) {
  item_of(context).kind = kind;
  item_of(context).text = {reinterpret_cast<char const*>(bytes), size};
}
template <Kind kind>
void on_sized(void* context, std::size_t size) {
  item_of(context).kind = kind;
  item_of(context).size = size;
}

cbor_callbacks const callbacks{
    .uint8 = on_number<std::uint8_t>,
    .uint16 = on_number<std::uint16_t>,
    .uint32 = on_number<std::uint32_t>,
    .uint64 = on_number<std::uint64_t>,
    .negint64 = on_number<std::uint64_t>,
    .negint32 = on_number<std::uint32_t>,
    .negint16 = on_number<std::uint16_t>,
    .negint8 = on_number<std::uint8_t>,
    .byte_string_start = on_mark<Kind::bytes_row>,
    .byte_string = on_string<Kind::bytes>,
    .string = on_string<Kind::text>,
    .string_start = on_mark<Kind::text_row>,
    .indef_array_start = on_mark<Kind::array>,
    .array_start = on_sized<Kind::array>,
    .indef_map_start = on_mark<Kind::map>,
    .map_start = on_sized<Kind::map>,
    .tag = [](void* context, std::uint64_t) { item_of(context).kind = Kind::tag; },
    .float2 = on_number<float>,
    .float4 = on_number<float>,
    .float8 = on_number<double>,
    .undefined = [](void* context) { item_of(context).kind = Kind::null; },
    .null = [](void* context) { item_of(context).kind = Kind::null; },
    .boolean = [](void* context, bool) { item_of(context).kind = Kind::flag; },
    .indef_break = on_mark<Kind::stop>,
};

// Appends what `encode(buffer, bytes)` writes.
template <class Encode>
void append_head(std::string& out, Encode const& encode) {
  std::array<unsigned char, 9> buffer{};
  auto const size = encode(buffer.data(), buffer.size());
  check(size > 0, "the head of a CBOR item fits in nine bytes");
  out.append(reinterpret_cast<char const*>(buffer.data()), size);
}

void append_value(std::string& out, boost::json::value const& value) {
  switch (value.kind()) {
    case boost::json::kind::object:
      append_cbor_map(out, value.get_object().size());
      for (auto const& [key, member] : value.get_object()) {
        append_cbor_text(out, {key.data(), key.size()});
        append_value(out, member);
      }
      return;
    case boost::json::kind::array:
      append_cbor_array(out, value.get_array().size());
      for (auto const& item : value.get_array()) append_value(out, item);
      return;
    case boost::json::kind::string:
      return append_cbor_text(out, {value.get_string().data(), value.get_string().size()});
    case boost::json::kind::bool_:
      return append_head(out, [&](unsigned char* to, std::size_t n) {
        return cbor_encode_bool(value.get_bool(), to, n);
      });
    case boost::json::kind::int64:
      check(value.get_int64() >= 0, "numbers of answers are not negative");
      return append_cbor_number(out, static_cast<std::uint64_t>(value.get_int64()));
    case boost::json::kind::uint64:
      return append_cbor_number(out, value.get_uint64());
    case boost::json::kind::double_:
      check(false, "numbers of answers are whole");
      return;
    case boost::json::kind::null:
      return append_head(out,
                         [](unsigned char* to, std::size_t n) { return cbor_encode_null(to, n); });
  }
}

}  // namespace

std::optional<CborItem> CborReader::read() {
  CborItem item;
  auto const result = cbor_stream_decode(reinterpret_cast<cbor_data>(rest_.data()), rest_.size(),
                                         &callbacks, &item);
  if (result.status != CBOR_DECODER_FINISHED) return std::nullopt;
  rest_.remove_prefix(result.read);
  return item;
}

std::optional<CborItem> CborReader::next() {
  auto item = read();
  for (std::size_t seen = 0; item && item->kind == Kind::tag; ++seen) {
    if (seen == tags) return std::nullopt;
    item = read();
  }
  return item;
}

std::optional<std::string_view> CborReader::string(CborItem const& item) {
  if (item.kind == Kind::bytes || item.kind == Kind::text) return item.text;
  if (item.kind != Kind::bytes_row && item.kind != Kind::text_row) return std::nullopt;
  if (kept_.size() == kept) return std::nullopt;
  auto const piece_kind = item.kind == Kind::bytes_row ? Kind::bytes : Kind::text;
  auto& whole = kept_.emplace_back();
  for (;;) {
    auto const piece = read();
    if (!piece) return std::nullopt;
    if (piece->kind == Kind::stop) return whole;
    if (piece->kind != piece_kind) return std::nullopt;
    whole += piece->text;
  }
}

bool CborReader::skip(CborItem const& item) {
  struct Open {
    bool open;  // until a stop
    bool pairs;
    std::uint64_t left;  // items still to come; or, until a stop, those that came
  };
  std::vector<Open> opened;
  auto const enter = [&](CborItem const& of) {
    if (of.kind == Kind::array || of.kind == Kind::map) {
      bool const pairs = of.kind == Kind::map;
      if (pairs && of.size > UINT64_MAX / 2) return false;
      opened.push_back({of.open, pairs, of.size * (pairs ? 2 : 1)});
    } else if (of.kind == Kind::bytes_row || of.kind == Kind::text_row) {
      auto const whole = string(of);
      if (whole) kept_.pop_back();
      return whole.has_value();
    }
    return opened.size() <= depth && of.kind != Kind::stop;
  };
  if (!enter(item)) return false;
  while (!opened.empty()) {
    auto& top = opened.back();
    if (!top.open && top.left == 0) {
      opened.pop_back();
      continue;
    }
    auto const inner = next();
    if (!inner) return false;
    if (top.open && inner->kind == Kind::stop) {
      if (top.pairs && top.left % 2 != 0) return false;
      opened.pop_back();
      continue;
    }
    if (top.open)
      ++top.left;
    else
      --top.left;
    if (!enter(*inner)) return false;
  }
  return true;
}

std::optional<CborItem> CborRow::next(CborReader& reader) {
  if (malformed_ || (!open_ && left_ == 0)) return std::nullopt;
  auto const item = reader.next();
  if (item && open_ && item->kind == Kind::stop) {
    open_ = false;
    left_ = 0;
    return std::nullopt;
  }
  if (!item || item->kind == Kind::stop) {
    malformed_ = true;
    return std::nullopt;
  }
  if (!open_) --left_;
  return item;
}

void append_cbor_map(std::string& out, std::size_t size) {
  append_head(out,
              [&](unsigned char* to, std::size_t n) { return cbor_encode_map_start(size, to, n); });
}

void append_cbor_array(std::string& out, std::size_t size) {
  append_head(
      out, [&](unsigned char* to, std::size_t n) { return cbor_encode_array_start(size, to, n); });
}

void append_cbor_text(std::string& out, std::string_view text) {
  append_head(out, [&](unsigned char* to, std::size_t n) {
    return cbor_encode_string_start(text.size(), to, n);
  });
  out += text;
}

void append_cbor_number(std::string& out, std::uint64_t number) {
  append_head(out,
              [&](unsigned char* to, std::size_t n) { return cbor_encode_uint(number, to, n); });
}

std::string cbor_of_json(std::string_view json) {
  boost::system::error_code error;
  auto const value = boost::json::parse(boost::json::string_view(json.data(), json.size()), error);
  check(!error, "our own answers are JSON");
  std::string out;
  append_value(out, value);
  return out;
}

}  // namespace millrace::ingest
