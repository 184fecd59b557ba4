#include "commands/faults.h"

#include <gtest/gtest.h>

namespace millrace::commands {
namespace {

TEST(FaultsTest, fields_are_told_as_the_flags_that_set_them) {
  EXPECT_EQ(flag_of("/delivery/url"), "--url");
  EXPECT_EQ(flag_of("/contact_email"), "--contact-email");
  EXPECT_EQ(flag_of("/event_types"), "--event-type");
  EXPECT_EQ(flag_of("/event_types/2"), "--event-type");
  EXPECT_EQ(flag_of("/accounts/0"), "--account");
  EXPECT_EQ(flag_of("/headers/X-Key"), "--header X-Key");
  EXPECT_EQ(flag_of("/delivery/tls/client_key"), "--client-key");
  EXPECT_EQ(flag_of("?since"), "--since");
  EXPECT_EQ(flag_of("?event_type"), "--event-type");
  EXPECT_EQ(flag_of("/expires_at"), "--expires");
}

TEST(FaultsTest, a_field_that_no_flag_sets_stays_as_it_is) {
  EXPECT_EQ(flag_of("/delivery/method"), "/delivery/method");
  EXPECT_EQ(flag_of("/event_typesx"), "/event_typesx");
  EXPECT_EQ(flag_of("?"), "?");
  EXPECT_EQ(flag_of(""), "");
}

std::string of_url(std::string_view url) {
  auto const sent = R"({"delivery":{"url":")" + std::string(url) + R"("}})";
  return problem_text(
      400,
      R"({"detail":"/delivery/url is not allowed","errors":[{"field":"/delivery/url",)"
      R"("message":"is not allowed"}]})",
      sent);
}

TEST(FaultsTest, a_refused_address_comes_with_the_flag_that_allows_it) {
  EXPECT_EQ(of_url("https://10.1.2.3/x"),
            "--url: is not allowed (where that is a receiver of yours, start the service with "
            "--delivery-allow 10.1.2.3/32, or set delivery.allow)");
  EXPECT_NE(of_url("http://[fd00::1]/").find("--delivery-allow fd00::1/128"), std::string::npos);
  EXPECT_NE(of_url("http://ally.example.edu/").find("--delivery-allow RANGE"), std::string::npos);
  EXPECT_EQ(of_url("https://ally.example.edu/"), "--url: is not allowed");
  EXPECT_EQ(of_url("nonsense"), "--url: is not allowed");
}

TEST(FaultsTest, all_faults_are_told_and_the_detail_only_where_there_are_none) {
  EXPECT_EQ(
      problem_text(400,
                   R"({"detail":"2 faults","errors":[{"field":"/name","message":"is needed"},)"
                   R"({"field":"","message":"is odd"}]})",
                   ""),
      "--name: is needed; is odd");
  EXPECT_EQ(problem_text(409, R"({"detail":"is active already"})", ""), "is active already");
  EXPECT_EQ(problem_text(500, "<html>", ""), "the server answered 500");
  EXPECT_EQ(problem_text(400, "{\"detail\":\"a\\u001bb\\u0000c\"}", ""), "a?b?c");
}

TEST(FaultsTest, a_refused_token_comes_with_the_ways_to_give_one) {
  EXPECT_NE(problem_text(401, R"({"detail":"no"})", "").find("MILLRACE_TOKEN"), std::string::npos);
}

}  // namespace
}  // namespace millrace::commands
