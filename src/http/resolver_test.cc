#include "http/resolver.h"

#include <gmock/gmock.h>

#include <boost/asio/ip/udp.hpp>
#include <functional>

#include "testing/sim.h"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using Udp = boost::asio::ip::udp;

// A name server of one loop: answers each question by `answer` (the bytes of the question come, those of the answer go; empty: silence).
class NameServer {
 public:
  using Answering = std::function<std::string(std::string const& question, bool v6)>;
  NameServer(testing::Sim& sim, Answering answer)
      : sim_(sim),
        socket_(sim.executor(), Udp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
        serving_(sim.start(serve(*this))),
        answer_(std::move(answer)) {}
  ~NameServer() {
    socket_.close();
    sim_.run_until([&] { return serving_.done(); });
  }
  std::string address() const {
    return "127.0.0.1:" + std::to_string(socket_.local_endpoint().port());
  }
  int questions() const { return questions_; }

 private:
  static io::Task<void> serve(NameServer& self) {
    for (;;) {
      std::string question(1500, '\0');
      Udp::endpoint from;
      auto const [error, size] =
          co_await self.socket_.async_receive_from(io::asio::buffer(question), from, io::op);
      if (error) co_return;
      question.resize(size);
      ++self.questions_;
      auto const end = question.find('\0', 12);
      bool const v6 = question[end + 2] == 28;
      auto const reply = self.answer_(question.substr(0, end + 5), v6);
      if (!reply.empty())
        co_await self.socket_.async_send_to(io::asio::buffer(reply), from, io::op);
    }
  }
  testing::Sim& sim_;
  Udp::socket socket_;
  testing::Started<testing::Nothing> serving_;
  Answering answer_;
  int questions_ = 0;
};

std::string reply(std::string question, char code, std::string const& records, char count) {
  question[2] = static_cast<char>(0x81);
  question[3] = static_cast<char>(0x80 | code);
  question[6] = '\0';
  question[7] = count;
  question[8] = question[9] = question[10] = question[11] = '\0';
  return question + records;
}

std::string a_record(std::string const& v4, char ttl) {
  return std::string("\xc0\x0c\0\x01\0\x01\0\0\0", 9) + ttl + std::string("\0\x04", 2) + v4;
}

class ResolverTest : public ::testing::Test {
 protected:
  Lookup const& look_up(Resolver& resolver, std::string const& host) {
    kept.push_back(resolver.look_up(host));
    auto const& lookup = *kept.back();
    sim.run_until([&] {
      resolver.tick();
      return lookup.done;
    });
    return lookup;
  }
  testing::Sim sim;
  std::vector<std::shared_ptr<Lookup>> kept;
};

TEST_F(ResolverTest, gives_the_addresses_and_keeps_them_for_their_time) {
  NameServer server(sim, [](std::string const& question, bool v6) {
    return v6 ? reply(question, 0, "", 0)
              : reply(question, 0,
                      a_record("\x08\x08\x08\x08", 30) + a_record("\x0a\x01\x01\x01", 20), 2);
  });
  Resolver resolver(sim.executor(), sim.clock(), server.address());

  auto const& lookup = look_up(resolver, "two.example");
  EXPECT_EQ(lookup.trouble, NameTrouble::none) << lookup.reason;
  EXPECT_EQ(lookup.addresses.size(), 2U);
  EXPECT_THAT(lookup.addresses, Contains(boost::asio::ip::make_address("10.1.1.1")));
  auto const asked = server.questions();
  look_up(resolver, "two.example");
  EXPECT_EQ(server.questions(), asked);
  sim.advance(21s);
  look_up(resolver, "two.example");
  EXPECT_GT(server.questions(), asked);
}

TEST_F(ResolverTest, a_name_that_does_not_exist_is_the_names_trouble) {
  NameServer server(sim,
                    [](std::string const& question, bool) { return reply(question, 3, "", 0); });
  Resolver resolver(sim.executor(), sim.clock(), server.address());
  auto const& lookup = look_up(resolver, "nowhere.example");
  EXPECT_EQ(lookup.trouble, NameTrouble::name);
  EXPECT_THAT(lookup.reason, HasSubstr("nowhere.example: "));
}

TEST_F(ResolverTest, a_server_that_fails_for_all_is_the_resolvers_trouble_and_for_one_the_names) {
  NameServer server(sim, [](std::string const& question, bool v6) {
    if (question.find("good") == question.npos) return reply(question, 2, "", 0);
    return v6 ? reply(question, 0, "", 0) : reply(question, 0, a_record("\x08\x08\x08\x08", 1), 1);
  });
  Resolver resolver(sim.executor(), sim.clock(), server.address());

  EXPECT_EQ(look_up(resolver, "bad.example").trouble, NameTrouble::resolver);
  EXPECT_EQ(resolver.silence(), NameTrouble::resolver);
  EXPECT_EQ(look_up(resolver, "good.example").trouble, NameTrouble::none);
  EXPECT_EQ(look_up(resolver, "bad.example").trouble, NameTrouble::name);
  sim.advance(61s);
  EXPECT_EQ(look_up(resolver, "bad.example").trouble, NameTrouble::resolver);
}

TEST_F(ResolverTest, joins_questions_for_one_name) {
  NameServer server(sim, [](std::string const& question, bool v6) {
    return v6 ? reply(question, 0, "", 0) : reply(question, 0, a_record("\x08\x08\x08\x08", 30), 1);
  });
  Resolver resolver(sim.executor(), sim.clock(), server.address());
  auto const first = resolver.look_up("same.example");
  EXPECT_EQ(resolver.look_up("same.example"), first);
  sim.run_until([&] { return first->done; });
  EXPECT_LE(server.questions(), 2);
}

TEST_F(ResolverTest, ends_while_a_question_is_open) {
  NameServer server(sim, [](std::string const&, bool) { return std::string(); });
  auto resolver = std::make_unique<Resolver>(sim.executor(), sim.clock(), server.address());
  auto const lookup = resolver->look_up("silent.example");
  sim.run_until([&] { return server.questions() > 0; });
  resolver.reset();
  sim.settle();
  EXPECT_FALSE(lookup->done);
}

}  // namespace
}  // namespace millrace::http
