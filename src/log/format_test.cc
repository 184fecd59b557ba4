#include "log/format.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace millrace::log {
namespace {

Salt salt() { return Salt::of("0123456789abcdef"); }

FileHeader header() {
  return {.salt = salt(),
          .first = 0x1112,
          .began_ms = 0x2122,
          .never_from = 0x3132,
          .commit = 0x4142,
          .previous = {.first = 0x5152, .end = 0x6162, .salt = Salt::of("ABCDEFGHIJKLMNOP")}};
}

Prefix prefix() {
  return {.kind = FrameKind::batch,
          .index = 1,
          .frames = 3,
          .head_bytes = 0x1112,
          .body_bytes = 0x2122,
          .head_checksum = 0x3132,
          .body_checksum = 0x4142,
          .place = 0x5140,
          .number = 0x6162,
          .commit = 0x7172,
          .change = 0x8182,
          .checkpoint = 0x9192,
          .accepted_ms = 0xA1A2,
          .first_id = {0xB1B2, 0xC1C2},
          .events = 0xD1D2};
}

TEST(Format, has_these_bytes_in_the_header_of_a_file) {
  auto const block = encode(header());

  ASSERT_EQ(block.size(), 4'096U);
  EXPECT_EQ(block.substr(0, 116), block.substr(2'048, 116));
  EXPECT_EQ(hex(block.substr(0, 116)),
            "ff4d524c4f470d0a010000003031323334353637383961626364656612110000"
            "0000000022210000000000003231000000000000424100000000000052510000"
            "0000000062610000000000004142434445464748494a4b4c4d4e4f5000000000"
            "0000000000000000000000000000000054545145");
  EXPECT_EQ(decode_header(block), header());
}

TEST(Format, has_these_bytes_before_a_frame) {
  auto const bytes = encode(prefix(), salt());

  EXPECT_EQ(hex(bytes),
            "ff4d52460101010003000000d2d1000030313233343536373839616263646566"
            "4051000000000000626100000000000072710000000000008281000000000000"
            "9291000000000000a2a1000000000000b2b1000000000000c2c1000000000000"
            "121100002221000032310000424100000000000000000000000000002528186c");
  EXPECT_EQ(decode_prefix(bytes, salt(), 0x5140), prefix());
}

TEST(Format, has_these_bytes_at_the_end_of_a_sealed_file) {
  Summary summary{.end = 0x11,
                  .next = 0x12,
                  .commit = 0x13,
                  .batches = 0x14,
                  .events = 0x15,
                  .first_ms = 0x16,
                  .last_ms = 0x17,
                  .first_id = {0x18, 0x19},
                  .last_id = {0x1A, 0x1B},
                  .change = 0x1C,
                  .checkpoint = 0x1D,
                  .marks = 1,
                  .keys = 2};
  Index const index{.marks = {{0x21, 0x22, 0x23}}, .keys = {0x31, 0x32}};
  auto const trailer = encode_trailer(0x1112, 0x2122, salt());

  EXPECT_EQ(hex(encode(summary)),
            "1100000000000000120000000000000013000000000000001400000000000000"
            "1500000000000000160000000000000017000000000000001800000000000000"
            "19000000000000001a000000000000001b000000000000001c00000000000000"
            "1d0000000000000001000000000000000200000000000000");
  EXPECT_EQ(hex(encode(index)),
            "2100000000000000220000000000000023000000000000003100000000000000"
            "3200000000000000");
  EXPECT_EQ(hex(trailer),
            "ff4d52454e440d0a303132333435363738396162636465661211000000000000"
            "2221000000000000000000000000000000000000000000000000000054a8ba0f");
  EXPECT_EQ(decode_summary(encode(summary)), summary);
  EXPECT_EQ(decode_index(encode(index), summary), index);
  EXPECT_EQ(decode_trailer(trailer, 0x2122, salt()), 0x1112U);
}

TEST(Format, believes_no_prefix_of_another_segment_or_place_or_with_another_bit) {
  auto const bytes = encode(prefix(), salt());

  EXPECT_FALSE(decode_prefix(bytes, Salt::of("0123456789abcdeF"), 0x5140));
  EXPECT_FALSE(decode_prefix(bytes, salt(), 0x5180));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode_prefix(changed, salt(), 0x5140)) << bit;
  }
}

TEST(Format, reads_the_second_copy_where_the_first_is_damaged) {
  auto block = encode(header());
  block[20] ^= 1;

  EXPECT_EQ(decode_header(block), header());
  block[2'068] ^= 1;
  EXPECT_EQ(decode_header(block).error().fault, Fault::corrupt);
}

TEST(Format, refuses_a_file_of_a_newer_version) {
  auto block = encode(header());
  block[8] = 2;
  auto const checksum = crc32c(std::string_view(block).substr(0, 112));
  for (int i = 0; i < 4; ++i)
    block[112 + static_cast<std::size_t>(i)] = static_cast<char>(checksum >> 8 * i);

  EXPECT_EQ(decode_header(block).error().fault, Fault::invalid);
}

TEST(Format, asks_for_no_memory_that_an_index_only_claims) {
  Summary summary;
  summary.marks = 1ULL << 60;

  EXPECT_FALSE(decode_index(std::string(48, 'x'), summary));
}

}  // namespace
}  // namespace millrace::log
