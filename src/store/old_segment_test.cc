// A folder whose log has the form before, files of SQLite, opens and goes on in the form of now.
#include "store/old_segment.h"

#include "store/batch_format.h"
#include "store/database.h"
#include "store/store_fixture.h"

namespace millrace::store {
namespace {

class OldSegmentTest : public StoreTest {
 protected:
  OldSegmentTest() {
    settings.tail_bytes = 0;
    settings.cache_bytes = 0;
  }

  // Batches [from, to) as the program before wrote them, with a repeat key for the first one.
  void make_old(std::uint64_t from, std::uint64_t to, bool folded) {
    ASSERT_TRUE(files.make_folders("/data", 0700));
    SqliteVfs const vfs(files, settings.fatal);
    auto const path = fmt::format("/data/log-{:020}.db", from);
    auto const database = *Database::open(vfs, path, {});
    constexpr char const* steps[] = {
        "CREATE TABLE batches(number INTEGER PRIMARY KEY, accepted_ms INTEGER NOT NULL, header "
        "BLOB NOT NULL, body BLOB NOT NULL);"
        "CREATE TABLE repeats(id INTEGER PRIMARY KEY, key BLOB NOT NULL, expires_ms INTEGER NOT "
        "NULL, batch INTEGER NOT NULL, event INTEGER NOT NULL, body_hash BLOB NOT NULL, answer "
        "BLOB NOT NULL);",
        "CREATE TABLE marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"};
    ASSERT_TRUE(database->migrate(0x4D524C47, steps));
    for (auto number = from; number < to; ++number) {
      RecordBatch batch;
      batch.number = number;
      batch.accepted_at = clock.wall();
      batch.first_id = Uuid::v7(clock.wall(), number, number << 20);
      batch.first_id.low &= ~std::uint64_t{0xFFFF};
      batch.events = block(10, 300, "grade_change", static_cast<int>(number));
      auto const stored = encode_batch(batch);
      auto row = database->query("INSERT INTO batches VALUES(?1, ?2, ?3, ?4)");
      row.bind(1, number).bind(2, unix_ms(batch.accepted_at));
      row.blob(3, stored.header).blob(4, stored.body);
      ASSERT_TRUE(row.run());
    }
    auto row = database->query(
        "INSERT INTO repeats(key, expires_ms, batch, event, body_hash, answer) VALUES('old', ?1, "
        "?2, 0, ?3, 'stored')");
    row.bind(1, unix_ms(clock.wall() + std::chrono::hours(24))).bind(2, from);
    std::string const hash(32, 'h');
    row.blob(3, hash);
    ASSERT_TRUE(row.run());
    if (folded) ASSERT_TRUE(database->checkpoint(true));
  }
  std::vector<std::string> names(std::string_view ending) {
    std::vector<std::string> found;
    for (auto const& name : *files.list("/data"))
      if (name.starts_with("log-") && name.ends_with(ending)) found.push_back(name);
    return found;
  }
  void accept_lost_state() { ASSERT_TRUE(files.write_all("/data/accept-lost-state", "")); }
};

TEST_F(OldSegmentTest, is_read_and_the_log_goes_on_in_files_of_its_own) {
  make_old(1, 6, true);
  make_old(6, 11, false);
  accept_lost_state();
  open();

  auto const appended = append(block(10, 300, "grade_change", 11));
  auto const again = append(block(10, 300, "grade_change", 6),
                            RepeatKey{"old", std::string(32, 'h'), "", std::chrono::hours(24)});

  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->first.batch, 11U);
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->answer, "stored");
  for (int round = 0; round < 2; ++round) {
    auto const batches = read_all(1);
    ASSERT_EQ(batches.size(), 11U);
    for (auto const& batch : batches)
      EXPECT_EQ(batch->events.bytes(),
                block(10, 300, "grade_change", static_cast<int>(batch->number)).bytes());
    EXPECT_EQ(wait(store->find(batches[7]->id_of(3)))->first->number, 8U);
    reopen();
  }
  EXPECT_EQ(names(".db").size(), 2U);
  for (auto const& name : names(".db-wal")) EXPECT_EQ(files.size_of("/data/" + name), 0U);
  EXPECT_EQ(settings.meters->batches_damaged.value(), 0U);
}

TEST_F(OldSegmentTest, goes_when_retention_takes_it) {
  make_old(1, 6, true);
  accept_lost_state();
  open();
  clock.advance(std::chrono::hours(24 * 9));
  ASSERT_TRUE(append(block(1)));

  auto const left = wait(store->retain(clock.wall()));

  EXPECT_EQ(left->oldest, 6U);
  EXPECT_TRUE(names(".db").empty());
  EXPECT_EQ(read_all(6).size(), 1U);
}

TEST_F(OldSegmentTest, an_empty_one_makes_way) {
  make_old(1, 6, true);
  make_old(6, 6, false);
  accept_lost_state();
  open();

  EXPECT_EQ(append(block(1))->first.batch, 6U);

  reopen();
  EXPECT_EQ(read_all(1).size(), 6U);
  EXPECT_EQ(names(".db").size(), 1U);
}

}  // namespace
}  // namespace millrace::store
