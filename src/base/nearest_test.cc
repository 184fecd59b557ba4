#include "base/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

TEST(NearestTest, a_slip_of_the_finger_is_recognised) {
  EXPECT_EQ(nearest("grade_chnage", {"course_created", "grade_change"}), "grade_change");
  EXPECT_EQ(nearest("lst", {"show", "list", "add"}), "list");
  EXPECT_EQ(nearest("ulr", {"name", "url"}), "url");
  EXPECT_EQ(nearest("sumbission_craeted", {"submission_created"}), "submission_created");
}

TEST(NearestTest, size_of_letters_and_a_dash_for_an_underscore_are_no_slips) {
  EXPECT_EQ(nearest("Grade-Change", {"grade_changes", "grade_change"}), "grade_change");
}

TEST(NearestTest, another_word_is_not_guessed_at) {
  EXPECT_EQ(nearest("password", {"name", "url"}), "");
  EXPECT_EQ(nearest("xy", {"ab"}), "");
  EXPECT_EQ(nearest("", {"a"}), "");
  EXPECT_EQ(nearest("abcdef", {"abcxyz"}), "");
}

TEST(NearestTest, the_first_of_the_nearest_is_chosen) {
  EXPECT_EQ(nearest("cat", {"cart", "bat", "cat", "cut"}), "cat");
  EXPECT_EQ(nearest("cat", {"bat", "rat"}), "bat");
}

// Against the whole table of places, which the short way must not differ from.
TEST(NearestTest, slips_count_alike_in_both_directions_and_at_every_place) {
  std::string const word = "assignment_override_updated";
  for (std::size_t i = 0; i < word.size(); ++i) {
    auto without = word;
    without.erase(i, 1);
    auto doubled = word;
    doubled.insert(i, 2, 'q');
    EXPECT_EQ(nearest(without, {word}), word);
    EXPECT_EQ(nearest(word, {without}), without);
    EXPECT_EQ(nearest(doubled, {word}), word);
    doubled.insert(0, "q");
    EXPECT_EQ(nearest(doubled, {word}), "");
  }
}

TEST(NearestTest, long_words_and_endless_lists_cost_nothing_more) {
  EXPECT_EQ(nearest(std::string(65, 'a'), {"aaa"}), "");
  EXPECT_EQ(nearest("aaa", {std::string(1'000'000, 'a')}), "");
  std::vector<std::string_view> many(10'000, "zzzz");
  many.push_back("word");
  EXPECT_EQ(nearest("word", many), "");
}

TEST(NearestTest, the_question_is_asked_only_where_there_is_a_guess) {
  EXPECT_EQ(did_you_mean("list"), "; did you mean list?");
  EXPECT_EQ(did_you_mean(""), "");
}

}  // namespace
}  // namespace millrace
