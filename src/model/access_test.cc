#include "model/access.h"

#include <gtest/gtest.h>

namespace millrace::model {
namespace {

TEST(Principal, sees_its_own_accounts_only) {
  Principal const some{"1", "some", Role::owner, {"a", "b"}}, all{"2", "all", Role::viewer, {"*"}},
      none{"3", "none", Role::owner, {}};

  EXPECT_TRUE(some.sees("a"));
  EXPECT_FALSE(some.sees("c"));
  EXPECT_FALSE(some.sees(""));
  EXPECT_FALSE(some.sees_all());
  EXPECT_TRUE(all.sees("c"));
  EXPECT_TRUE(all.sees_all());
  EXPECT_FALSE(none.sees("a"));
}

TEST(Principal, may_do_what_its_role_says) {
  struct Row {
    Role role;
    bool read, edit, own, produce;
  };
  for (auto const& row :
       {Row{Role::owner, true, true, true, true}, Row{Role::editor, true, true, false, false},
        Row{Role::viewer, true, false, false, false},
        Row{Role::producer, false, false, false, true}}) {
    Principal const p{"1", "p", row.role, {"*"}};
    EXPECT_EQ(p.may_read(), row.read) << name_of(row.role);
    EXPECT_EQ(p.may_edit(), row.edit) << name_of(row.role);
    EXPECT_EQ(p.may_own(), row.own) << name_of(row.role);
    EXPECT_EQ(p.may_produce(), row.produce) << name_of(row.role);
  }
}

TEST(Role, has_a_name_that_reads_back) {
  for (auto const role : {Role::owner, Role::editor, Role::viewer, Role::producer})
    EXPECT_EQ(parse_role(name_of(role)), role);
  EXPECT_EQ(parse_role("Owner"), std::nullopt);
  EXPECT_EQ(parse_role(""), std::nullopt);
}

}  // namespace
}  // namespace millrace::model
