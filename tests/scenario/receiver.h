// A receiver of deliveries in simulation: what it answers is told from outside, what it gets goes into the book.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "scenario/world.h"
#include "testing/wire.h"

namespace millrace::scenario {

enum class Mood : std::uint8_t { good, slow, failing, too_many, resetting, hanging };
inline constexpr int moods = 6;
std::string_view name_of(Mood mood);

class Receiver {
 public:
  Receiver(World& world, int index);
  void start();
  io::Endpoint at() const;
  std::string url_of(int stream) const;
  testing::FakeRoute& route() { return world_.network().at(at().address()); }

  Mood mood = Mood::good;

 private:
  io::Task<void> accept();
  io::Task<void> serve(std::shared_ptr<testing::Wire> wire);
  io::Task<bool> answer(testing::Wire& wire);
  Stream* record(std::string const& request, std::string& marker);
  void check_try(Stream const& stream);

  World& world_;
  int index_;
  Chance chance_;
  std::unique_ptr<io::Acceptor> acceptor_;
};

}  // namespace millrace::scenario
