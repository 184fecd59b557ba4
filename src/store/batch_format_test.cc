#include "store/batch_format.h"

#include <gtest/gtest.h>
#include <lz4.h>

#include "base/encoding.h"

namespace millrace::store {
namespace {

RecordBatch small_batch() {
  RecordBatch batch;
  batch.number = 7;
  batch.accepted_at = from_unix_ms(1'790'000'000'123);
  batch.first_id = {0x0123456789AB7CDE, 0x8123456789AB0000};
  batch.events.add("acc", "a", R"({"m":1})", R"({"b":1})");
  batch.events.add("acc", "b", "{}", "{}");
  return batch;
}

// README.md shows the table that these bytes follow.
TEST(BatchFormatTest, writes_the_bytes_of_its_table) {
  auto const stored = encode_batch(small_batch());

  EXPECT_EQ(hex(stored.header.substr(0, 50)),
            "01"                // format 1
            "01"                // LZ4
            "0700000000000000"  // number
            "7b6c50c4a0010000"  // accepted_at, ms
            "de7cab8967452301"  // first id, high
            "0000ab8967452381"  // first id, low
            "02000000"          // events
            "54000000"          // bytes of the body before compression
            "2a4970ee"          // CRC-32C of the body
            "02000000");        // kinds
  EXPECT_EQ(hex(stored.header.substr(50, 16)),
            "01000000"        // events of the first kind
            "03000000616363"  // account
            "0100000061");    // type
  std::string plain(0x54, '\0');
  ASSERT_EQ(LZ4_decompress_safe(stored.body.data(), plain.data(),
                                static_cast<int>(stored.body.size()), 0x54),
            0x54);
  EXPECT_EQ(hex(plain.substr(0, 24)),
            "00000000"  // kind of the first event
            "23000000"  // where it ends
            "07000000"  // bytes of its metadata
            "01000000"  // the second
            "3c000000"
            "02000000");
  EXPECT_EQ(plain.substr(24), R"({"metadata":{"m":1},"body":{"b":1}}{"metadata":{},"body":{}})");
}

TEST(BatchFormatTest, reads_what_it_wrote_compressed_or_not) {
  for (int events : {1, 2, 500}) {
    RecordBatch batch = small_batch();
    for (int i = 2; i < events; ++i)
      batch.events.add("acc", "a", "{}", R"({"same":"again and again and again"})");
    auto const stored = encode_batch(batch);

    auto const read = decode_batch(7, stored.header, stored.body);
    auto const summary = decode_summary(7, stored.header);

    ASSERT_TRUE(read) << read.error().what;
    EXPECT_EQ((*read)->events.bytes(), batch.events.bytes());
    EXPECT_EQ((*read)->first_id, batch.first_id);
    EXPECT_EQ((*read)->accepted_at, batch.accepted_at);
    ASSERT_TRUE(summary);
    EXPECT_EQ(summary->kinds.size(), 2U);
    EXPECT_EQ(summary->kinds[1].kind.type, "b");
    if (events == 500) EXPECT_LT(stored.body.size(), batch.events.payload_bytes() / 5);
  }
}

TEST(BatchFormatTest, refuses_every_flipped_bit_and_every_cut) {
  auto const stored = encode_batch(small_batch());
  auto const refused = [](std::string const& header, std::string const& body) {
    auto const read = decode_batch(7, header, body);
    return !read && read.error().fault == Fault::corrupt;
  };

  for (std::size_t bit = 0; bit < stored.header.size() * 8; ++bit) {
    auto header = stored.header;
    header[bit / 8] = static_cast<char>(header[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(refused(header, stored.body)) << bit;
  }
  for (std::size_t bit = 0; bit < stored.body.size() * 8; ++bit) {
    auto body = stored.body;
    body[bit / 8] = static_cast<char>(body[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(refused(stored.header, body)) << bit;
  }
  for (std::size_t size = 0; size < stored.header.size(); ++size)
    EXPECT_TRUE(refused(stored.header.substr(0, size), stored.body));
  for (std::size_t size = 0; size < stored.body.size(); ++size)
    EXPECT_TRUE(refused(stored.header, stored.body.substr(0, size)));
  EXPECT_FALSE(decode_batch(8, stored.header, stored.body)) << "a batch in another's place";
}

}  // namespace
}  // namespace millrace::store
