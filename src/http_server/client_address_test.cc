#include "http_server/client_address.h"

#include <gmock/gmock.h>

namespace millrace::http::server {
namespace {

struct Case {
  char const* name;
  char const* peer;
  std::vector<std::string> forwarded;
  char const* client;
};

class ClientAddressTest : public ::testing::TestWithParam<Case> {};

TEST_P(ClientAddressTest, is_the_last_that_no_trusted_proxy_has) {
  auto const proxies = AddressRange::parse_all({"10.0.0.0/8", "::1/128"});
  ASSERT_TRUE(proxies);
  ServerRequest request;
  request.peer = io::Endpoint(boost::asio::ip::make_address(GetParam().peer), 4711);
  for (auto const& value : GetParam().forwarded)
    request.headers.push_back({"x-Forwarded-For", value});

  EXPECT_EQ(client_address(request, *proxies).to_string(), GetParam().client);
}

INSTANTIATE_TEST_SUITE_P(
    Requests, ClientAddressTest,
    ::testing::Values(
        Case{"a_stranger_is_himself", "192.0.2.1", {"192.0.2.9"}, "192.0.2.1"},
        Case{"a_proxy_is_believed", "10.0.0.1", {"192.0.2.9"}, "192.0.2.9"},
        Case{"a_proxy_in_the_form_of_IPv6", "::ffff:10.0.0.1", {"192.0.2.9"}, "192.0.2.9"},
        Case{"a_chain_of_proxies", "::1", {"192.0.2.9, 10.2.3.4 , 10.0.0.7"}, "192.0.2.9"},
        Case{"what_a_stranger_wrote_is_not", "10.0.0.1", {"10.9.9.9, 192.0.2.9"}, "192.0.2.9"},
        Case{"headers_go_on", "10.0.0.1", {"192.0.2.9", "192.0.2.8, 10.0.0.2"}, "192.0.2.8"},
        Case{"with_a_port", "10.0.0.1", {"192.0.2.9:80"}, "192.0.2.9"},
        Case{"IPv6_with_a_port", "10.0.0.1", {"[2001:db8::1]:80"}, "2001:db8::1"},
        Case{"IPv6", "10.0.0.1", {"2001:db8::1"}, "2001:db8::1"},
        Case{"nonsense_ends_at_who_wrote_it", "10.0.0.1", {"192.0.2.9, unknown"}, "10.0.0.1"},
        Case{"nothing", "10.0.0.1", {""}, "10.0.0.1"},
        Case{"no_header", "10.0.0.1", {}, "10.0.0.1"},
        Case{"an_endless_chain",
             "10.0.0.1",
             {"192.0.2.9, 10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,"
              "10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1"},
             "10.0.0.1"}),
    [](auto const& one) { return one.param.name; });

}  // namespace
}  // namespace millrace::http::server
