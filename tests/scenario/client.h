// A client of the node: one kept connection, whose requests come in pieces.
#pragma once
#include <boost/json.hpp>
#include <memory>
#include <string>

#include "scenario/world.h"
#include "testing/wire.h"

namespace millrace::scenario {

struct Reply {
  int status = 0;  // 0: none came
  std::string head, body;
  std::string header(std::string_view name) const;
  boost::json::object json() const;
  std::string text(std::string_view key) const;  // of a member that is one
  std::uint64_t number(std::string_view key) const;
};

struct Request {
  std::string method, target;
  std::string head{};  // lines, each with its end
  std::string body{};
  std::string text() const;
};
std::string bearer(std::string_view token);

class Client {
 public:
  Client(World& world, std::uint64_t seed, std::uint64_t who) : world_(world), chance_(seed, who) {}

  // Cut into as many pieces as chance wants, with pauses. Ends 40 s after it began, answered or not.
  io::Task<Reply> ask(Request request);
  // Sends only a part, and is gone.
  io::Task<void> ask_half(Request request);
  bool in_pieces = true;

 private:
  using SharedWire = std::shared_ptr<testing::Wire>;
  io::Task<bool> connect();
  io::Task<bool> send(SharedWire wire, std::string text);
  io::Task<Reply> read(SharedWire wire);
  static io::Task<std::string> read_body(testing::Wire& wire, Reply const& head);
  static io::Task<void> cut_off(io::Clock& clock, SharedWire wire, std::shared_ptr<bool> over);

  World& world_;
  Chance chance_;
  SharedWire wire_;
};

}  // namespace millrace::scenario
