// A name server on loopback, over UDP and TCP, that answers as a test says.
//   Use      FakeDns dns(sim); dns.answer = [](auto const& asked) { return asked.v6 ? asked.nothing() : asked.found({a("8.8.8.8")}); };
//            Resolver resolver(loop, clock, dns.address());
//   Threads  One loop's. What does not fit 512 bytes is asked again over TCP, as real servers want it.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "testing/sim.h"

namespace millrace::testing {

struct DnsRecord {
  std::uint16_t type = 1;
  std::string data;  // as it stands in a message
  std::uint32_t ttl = 60;
  std::string owner{};  // empty: the name that was asked for
};
DnsRecord dns_a(std::string const& address, std::uint32_t ttl = 60);
DnsRecord dns_aaaa(std::string const& address, std::uint32_t ttl = 60);
DnsRecord dns_cname(std::string const& to, std::string const& owner = {});

struct DnsQuestion {
  std::string name;  // "two.example"
  bool v6 = false;   // for AAAA, else for A
  bool tcp = false;
  int number = 0;  // of all questions, from 1
  std::string bytes{};

  // Messages that answer it.
  std::string found(std::vector<DnsRecord> const& records) const { return message(0, records); }
  std::string nothing() const { return message(0, {}); }
  std::string failure(int code) const { return message(code, {}); }  // 2: SERVFAIL, 3: NXDOMAIN
  std::string message(int code, std::vector<DnsRecord> const& records) const;
};

class FakeDns {
 public:
  explicit FakeDns(Sim& sim);
  ~FakeDns();
  std::string address() const;  // "127.0.0.1:5353"

  // The bytes to send; none: silence.
  std::function<std::string(DnsQuestion const&)> answer;
  bool holds = false;  // answers wait for release()
  void release();
  int questions() const { return questions_; }
  int over_tcp() const { return over_tcp_; }

 private:
  using Udp = boost::asio::ip::udp;
  using Tcp = boost::asio::ip::tcp;
  static io::Task<void> serve_udp(FakeDns& self);
  static io::Task<void> serve_tcp(FakeDns& self);
  static io::Task<void> serve_connection(FakeDns& self, Tcp::socket socket);
  std::string reply_to(std::string bytes, bool tcp);

  Sim& sim_;
  Tcp::acceptor tcp_;
  Udp::socket udp_;
  std::vector<std::pair<std::string, Udp::endpoint>> held_;
  int questions_ = 0, over_tcp_ = 0;
  io::TaskScope scope_;
};

}  // namespace millrace::testing
