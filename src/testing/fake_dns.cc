#include "testing/fake_dns.h"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace millrace::testing {
namespace {

namespace ip = boost::asio::ip;

// Big-endian.
std::string be(std::uint32_t value, int bytes) {
  std::string out;
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes) & 0xff);
  return out;
}

std::string labels(std::string const& name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    auto const end = std::min(name.find('.', at), name.size());
    out += static_cast<char>(end - at);
    out += name.substr(at, end - at);
    at = end + 1;
  }
  return out + '\0';
}

std::string name_in(std::string const& message, std::size_t at) {
  std::string name;
  while (at < message.size() && message[at] != 0) {
    auto const size = static_cast<unsigned char>(message[at]);
    name += (name.empty() ? "" : ".") + message.substr(at + 1, size);
    at += size + 1U;
  }
  return name;
}

}  // namespace

DnsRecord dns_a(std::string const& address, std::uint32_t ttl) {
  return {1, be(ip::make_address_v4(address).to_uint(), 4), ttl};
}
DnsRecord dns_aaaa(std::string const& address, std::uint32_t ttl) {
  auto const bytes = ip::make_address_v6(address).to_bytes();
  return {28, {reinterpret_cast<char const*>(bytes.data()), bytes.size()}, ttl};
}
DnsRecord dns_cname(std::string const& to, std::string const& owner) {
  return {5, labels(to), 60, owner};
}

std::string DnsQuestion::message(int code, std::vector<DnsRecord> const& records) const {
  std::string out = bytes.substr(0, 2) + be(0x8180U | static_cast<unsigned>(code), 2) + be(1, 2) +
                    be(static_cast<std::uint32_t>(records.size()), 2) + be(0, 4) + bytes.substr(12);
  for (auto const& record : records)
    out += (record.owner.empty() ? std::string("\xc0\x0c") : labels(record.owner)) +
           be(record.type, 2) + be(1, 2) + be(record.ttl, 4) +
           be(static_cast<std::uint32_t>(record.data.size()), 2) + record.data;
  return out;
}

FakeDns::FakeDns(Sim& sim)
    : sim_(sim),
      tcp_(sim.executor(), Tcp::endpoint(ip::address_v4::loopback(), 0)),
      udp_(sim.executor(), Udp::endpoint(ip::address_v4::loopback(), tcp_.local_endpoint().port())),
      scope_(sim.executor()) {
  scope_.start(serve_udp(*this));
  scope_.start(serve_tcp(*this));
}

FakeDns::~FakeDns() {
  udp_.close();
  tcp_.close();
  scope_.cancel();
  sim_.run_until([&] { return scope_.running() == 0; });
}

std::string FakeDns::address() const {
  return "127.0.0.1:" + std::to_string(udp_.local_endpoint().port());
}

void FakeDns::release() {
  holds = false;
  for (auto const& [message, to] : std::exchange(held_, {}))
    udp_.send_to(io::asio::buffer(message), to);
}

std::string FakeDns::reply_to(std::string bytes, bool tcp) {
  DnsQuestion question{.name = name_in(bytes, 12), .tcp = tcp, .number = ++questions_};
  auto const end = 12 + question.name.size() + 2;
  question.v6 = bytes.at(end + 1) == 28;
  question.bytes = bytes.substr(0, end + 4);
  over_tcp_ += tcp ? 1 : 0;
  return answer(question);
}

io::Task<void> FakeDns::serve_udp(FakeDns& self) {
  for (;;) {
    std::string bytes(1500, '\0');
    Udp::endpoint from;
    auto const [error, size] =
        co_await self.udp_.async_receive_from(io::asio::buffer(bytes), from, io::op);
    if (error) co_return;
    bytes.resize(size);
    auto reply = self.reply_to(bytes, false);
    if (reply.empty()) continue;
    if (reply.size() > 512) {
      reply.resize(512);
      reply[2] = static_cast<char>(reply[2] | 2);  // truncated
    }
    if (self.holds)
      self.held_.emplace_back(std::move(reply), from);
    else
      self.udp_.send_to(io::asio::buffer(reply), from);
  }
}

io::Task<void> FakeDns::serve_tcp(FakeDns& self) {
  for (;;) {
    auto [error, socket] = co_await self.tcp_.async_accept(io::op);
    if (error) co_return;
    self.scope_.start(serve_connection(self, std::move(socket)));
  }
}

io::Task<void> FakeDns::serve_connection(FakeDns& self, Tcp::socket socket) {
  for (;;) {
    unsigned char size[2];
    auto const [no_size, n] = co_await io::asio::async_read(socket, io::asio::buffer(size), io::op);
    if (no_size) co_return;
    std::string bytes(size[0] * 256U + size[1], '\0');
    auto const [no_question, m] =
        co_await io::asio::async_read(socket, io::asio::buffer(bytes), io::op);
    if (no_question) co_return;
    auto const reply = self.reply_to(bytes, true);
    if (reply.empty()) continue;
    auto const framed = be(static_cast<std::uint32_t>(reply.size()), 2) + reply;
    auto const [broken, sent] =
        co_await io::asio::async_write(socket, io::asio::buffer(framed), io::op);
    if (broken) co_return;
  }
}

}  // namespace millrace::testing
