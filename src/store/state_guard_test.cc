// A folder that has less state than it must have had: whichever way it came about, the start is refused, says what to do, and changes
// nothing. A crash alone never makes such a folder.
#include "store/state_guard.h"

#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace millrace::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class StateGuardTest : public StoreTest {
 protected:
  using Content = std::map<std::string, std::string>;

  StateGuardTest() { settings.journal_bytes = 1'500; }

  Content content() {
    Content found;
    for (auto const& name : *files.list("/data"))
      found[name] = *static_cast<io::Files&>(files).read_all("/data/" + name, 1ULL << 30);
    return found;
  }
  void put(Content const& wanted) {
    for (auto const& name : *files.list("/data"))
      if (!wanted.contains(name)) ASSERT_TRUE(files.remove("/data/" + name));
    for (auto const& [name, bytes] : wanted) ASSERT_TRUE(files.write_all("/data/" + name, bytes));
  }
  void put_state(Content const& of) {
    for (auto const* const name : {"state.db", "state.db-wal"}) {
      static_cast<void>(files.remove("/data/" + std::string(name)));
      if (auto const at = of.find(name); at != of.end())
        ASSERT_TRUE(files.write_all("/data/" + at->first, at->second));
    }
  }
  void set_token(std::string const& value) {
    ASSERT_TRUE(wait(store->change({{"tokens", "t", value, std::nullopt}})));
  }
  void mark(std::uint64_t k) {
    StreamDelta delta;
    delta.stream = {{1, 1}};
    delta.progress.cursor = {k, 0};
    ASSERT_TRUE(wait(store->checkpoint({delta})));
  }
  // A folder as a killed process leaves it: one batch, a token that was valid and is revoked, progress.
  Content killed() {
    open();
    EXPECT_TRUE(append(block(1)));
    EXPECT_TRUE(files.write_all("/data/admin.token", "first\n"));
    set_token("valid");
    mark(1);
    set_token("revoked");
    auto found = content();
    store.reset();
    put(found);
    return found;
  }
  std::string token() {
    auto const records = wait(store->records("tokens"));
    return records && !records->empty() ? records->front().value : "";
  }
  // The start is refused, says where and what to do, and leaves every file as it was but for SQLite's own.
  void expect_refused(Fault fault, std::string const& why) {
    auto before = content();
    auto const opened = try_open();
    ASSERT_FALSE(opened) << why;
    EXPECT_EQ(opened.error().fault, fault) << opened.error().what;
    EXPECT_THAT(opened.error().what,
                AllOf(HasSubstr(why), HasSubstr("backup"), HasSubstr("/data/accept-lost-state")));
    auto after = content();
    for (auto const* const name : {"state.db", "state.db-wal"}) {
      before.erase(name);
      after.erase(name);
    }
    EXPECT_EQ(before, after);
  }
};

// A backup of state.db and its witness of one moment is whole in itself: the log knows that it is old.
TEST_F(StateGuardTest, refuses_a_state_that_is_older_than_the_event_log_with_a_witness_as_old) {
  open();
  set_token("valid");
  ASSERT_TRUE(append(block(1)));
  auto const older = content();
  set_token("revoked");
  ASSERT_TRUE(append(block(1)));
  auto const newest = content();
  store.reset();
  put(newest);
  put_state(older);
  ASSERT_TRUE(files.write_all("/data/state.witness", older.at("state.witness")));

  expect_refused(Fault::conflict, "is older than the event log");

  ASSERT_TRUE(files.write_all("/data/accept-lost-state", ""));
  open();
  EXPECT_EQ(token(), "valid");
  EXPECT_EQ(read_all(1).size(), 2U);
  reopen();
  EXPECT_EQ(token(), "valid");
}

TEST_F(StateGuardTest, refuses_every_older_state_and_takes_the_newest) {
  open();
  ASSERT_TRUE(append(block(1)));
  std::vector<Content> moments;
  for (std::uint64_t k = 1; k <= 30; ++k) {
    if (k % 3 == 0)
      set_token(std::to_string(k));
    else if (k % 7 == 0)
      ASSERT_TRUE(wait(store->add_dead_letters({DeadLetter()})));
    else
      mark(k);
    moments.push_back(content());
  }
  store.reset();
  auto const newest = moments.back();
  for (std::size_t i = 0; i + 1 < moments.size(); ++i) {
    SCOPED_TRACE(i);
    put(newest);
    put_state(moments[i]);

    expect_refused(Fault::conflict, "is older than it was: it ends at commit");
  }
  put(newest);

  open();

  EXPECT_EQ(token(), "30");
}

TEST_F(StateGuardTest, a_flipped_bit_in_the_write_ahead_log_never_brings_a_revoked_token_back) {
  auto const good = killed();
  auto const size = good.at("state.db-wal").size();
  int refused = 0;
  for (std::size_t at = 20; at < size; at += 997) {
    SCOPED_TRACE(at);
    put(good);
    files.flip_bit("/data/state.db-wal", at, static_cast<unsigned>(at % 8));

    if (try_open())
      EXPECT_EQ(token(), "revoked");
    else
      ++refused;
    store.reset();
  }
  EXPECT_GT(refused, 10);
}

TEST_F(StateGuardTest, refuses_a_state_that_is_missing_empty_or_blank) {
  auto const good = killed();
  for (auto const& [why, state] : std::map<std::string, Content>{
           {"state.db: is missing", {}}, {"state.db: is empty", {{"state.db", ""}}}}) {
    put(good);
    put_state(state);

    expect_refused(Fault::missing, why);
  }
}

TEST_F(StateGuardTest, refuses_a_state_whose_write_ahead_log_is_gone) {
  auto const good = killed();
  Content without = good;
  without.erase("state.db-wal");
  put(without);

  auto const opened = try_open();

  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().what, HasSubstr("accept-lost-state"));
}

TEST_F(StateGuardTest, a_state_that_was_cut_anywhere_is_refused_or_whole) {
  killed();
  open();
  ASSERT_TRUE(wait(store->close()));  // all is in state.db now
  store.reset();
  auto const good = content();
  auto const size = good.at("state.db").size();
  for (std::size_t to = 1; to < size; to += 4'001) {
    SCOPED_TRACE(to);
    put(good);
    files.cut("/data/state.db", to);

    auto const opened = try_open();

    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().what, HasSubstr("accept-lost-state"));
    store.reset();
  }
}

TEST_F(StateGuardTest, refuses_the_state_of_another_folder) {
  auto const good = killed();
  files.replace_disk();
  auto const other = killed();
  put(good);
  put_state(other);

  expect_refused(Fault::conflict, "is not the one that belongs to this folder");
}

TEST_F(StateGuardTest, refuses_a_state_without_its_witness_and_a_witness_without_sense) {
  auto good = killed();
  auto without = good;
  without.erase("state.witness");
  put(without);
  expect_refused(Fault::missing, "state.witness: is missing");

  good["state.witness"] = std::string(1536, 'x');
  put(good);
  expect_refused(Fault::corrupt, "state.witness: is damaged");
}

TEST_F(StateGuardTest, one_damaged_place_of_the_witness_does_no_harm) {
  auto const good = killed();
  for (std::size_t at = 0; at < 1536; at += 512) {
    put(good);
    files.flip_bit("/data/state.witness", at + 10);

    EXPECT_TRUE(try_open());
    EXPECT_EQ(token(), "revoked");
    store.reset();
  }
}

TEST_F(StateGuardTest, an_accepted_loss_is_accepted_once) {
  auto const good = killed();
  auto less = good;
  less.erase("state.db");
  less.erase("state.db-wal");
  less["accept-lost-state"] = "";
  put(less);

  open();
  EXPECT_EQ(token(), "");
  EXPECT_EQ(log.count("lost state is accepted by the operator"), 1);
  EXPECT_FALSE(*files.exists("/data/accept-lost-state"));
  EXPECT_EQ(read_all(1).size(), 1U);
  set_token("new");
  reopen();
  EXPECT_EQ(token(), "new");
  store.reset();

  put_state(good);
  expect_refused(Fault::conflict, "is older than it was");
}

TEST_F(StateGuardTest, an_acceptance_that_was_not_needed_does_not_wait_for_a_loss) {
  auto const good = killed();
  ASSERT_TRUE(files.write_all("/data/accept-lost-state", ""));

  open();

  EXPECT_EQ(token(), "revoked");
  EXPECT_FALSE(*files.exists("/data/accept-lost-state"));
}

TEST_F(StateGuardTest, a_new_folder_and_a_start_that_was_cut_short_are_no_loss) {
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    files.replace_disk();
    files.stop_at(n);
    static_cast<void>(try_open());
    store.reset();
    bool const reached = files.is_stopped();
    files.restart(n);

    auto const opened = try_open();

    ASSERT_TRUE(opened) << opened.error().what;
    store.reset();
    if (!reached) break;
  }
}

TEST_F(StateGuardTest, an_acceptance_that_was_cut_short_still_holds) {
  auto good = killed();
  good.erase("state.db");
  good.erase("state.db-wal");
  good["accept-lost-state"] = "";
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    files.replace_disk();
    ASSERT_TRUE(files.make_folders("/data", 0700));
    put(good);
    files.stop_at(files.operations() + n);
    static_cast<void>(try_open());
    store.reset();
    bool const reached = files.is_stopped();
    files.restart(n);

    auto const opened = try_open();

    ASSERT_TRUE(opened) << opened.error().what;
    store.reset();
    if (!reached) break;
  }
}

// A record's change is witnessed on the disk before it is answered, so that no later loss of it goes unseen.
TEST_F(StateGuardTest, an_answered_change_is_witnessed_whatever_the_machine_does) {
  open();
  set_token("valid");
  auto const old = content();
  set_token("revoked");
  files.stop();
  store.reset();
  files.restart(3);

  put_state(old);

  expect_refused(Fault::conflict, "is older than it was");
}

// Progress costs one write and no sync more than it did.
TEST_F(StateGuardTest, the_witness_of_progress_costs_one_write) {
  settings.journal_bytes = 8 << 20;
  open();
  mark(1);
  auto const before = files.operations();
  auto const beside = content().at("state.db-wal").size();
  mark(2);
  auto const pages = (content().at("state.db-wal").size() - beside) / 4'096;

  // Of state.db: a frame is two writes; one sync. Of the witness: one write.
  EXPECT_LE(files.operations() - before, pages * 2 + 1 + 1);
}

}  // namespace
}  // namespace millrace::store
