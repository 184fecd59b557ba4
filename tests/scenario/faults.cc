#include "scenario/faults.h"

#include <fmt/format.h>

namespace millrace::scenario {

void Faults::step() {
  switch (chance_.below(16)) {
    case 0:
    case 1:
    case 2:
      return trouble_a_receiver();
    case 3:
    case 4:
      return trouble_a_way();
    case 5:
      return trouble_the_disk();
    case 6:
      return chance_.one_in(4) ? jump() : void();
    case 7:
      return chance_.one_in(3) ? stop_the_machine() : void();
    default:
      return;
  }
}

void Faults::trouble_a_receiver() {
  auto& receiver = *receivers_[chance_.below(receivers_.size())];
  // Good as often as all else together.
  receiver.mood = chance_.one_in(2) ? Mood::good : static_cast<Mood>(chance_.below(moods));
  world_.note("faults", fmt::format("{} is {}", receiver.url_of(0), name_of(receiver.mood)));
}

void Faults::trouble_a_way() {
  auto& receiver = *receivers_[chance_.below(receivers_.size())];
  auto& route = chance_.one_in(3) ? world_.network().at(world_.door().address()) : receiver.route();
  bool const is_door = &route != &receiver.route();
  auto const choice = chance_.below(is_door ? 3 : 6);
  world_.note("faults",
              fmt::format("way {} {}", is_door ? "to the node" : receiver.url_of(0), choice));
  switch (choice) {
    case 0:
      route.delay = chance_.between(0ms, 300ms);
      break;
    case 1:
      world_.network().cut(is_door ? world_.door().address() : receiver.at().address());
      break;
    case 2:
      world_.network().fail_operation(world_.network().operations() + chance_.below(50));
      break;
    case 3:
      route.refuses = !route.refuses;
      break;
    case 4:
      route.breaks_after = chance_.one_in(2) ? ~std::uint64_t{0} : 100 + chance_.below(3000);
      break;
    default:
      route = {};
      break;
  }
}

void Faults::trouble_the_disk() {
  auto const choice = chance_.below(4);
  world_.note("faults", fmt::format("disk {}", choice));
  auto& files = world_.files();
  switch (choice) {
    case 0:
      world_.disk_takes(chance_.one_in(2) ? 0ms : chance_.between(0ms, 80ms));
      break;
    case 1:
      files.limit_space(files.used_space() + chance_.below(3 << 20));
      break;
    case 2:
      files.limit_space(std::uint64_t{1} << 40);
      break;
    default:
      files.fail_at(files.operations() + chance_.below(100), Fault::busy);
      break;
  }
}

void Faults::jump() {
  auto const by = chance_.between(0h, 30h) - 10h;
  world_.note("faults", fmt::format("the clock jumps by {:.0f} s", seconds(by)));
  world_.clock().step_wall(by);
}

void Faults::stop_the_machine() {
  if (!world_.is_up()) return;
  auto const choice = chance_.below(3);
  if (choice == 0) {
    world_.stop();
    world_.book().crashed(world_.now());
    world_.start();
  } else if (choice == 1) {
    world_.crash(chance_.below(1'000'000));
    world_.start();
  } else {
    world_.note("faults", "the machine will stop");
    world_.files().stop_at(world_.files().operations() + chance_.below(300));
  }
}

void Faults::bring_back() {
  for (int starts = 0; starts < 5; ++starts) {
    world_.crash(chance_.below(1'000'000));
    world_.start();
    if (world_.is_up() || !world_.must_crash()) return;
  }
}

void Faults::heal() {
  world_.note("faults", "all is well again");
  for (auto const& receiver : receivers_) {
    receiver->mood = Mood::good;
    receiver->route() = {};
  }
  world_.network().at(world_.door().address()) = {};
  world_.network().fail_operation(~std::uint64_t{0});
  world_.disk_takes(0ms);
  world_.files().limit_space(std::uint64_t{1} << 40);
  world_.files().fail_at(~std::uint64_t{0});
  world_.files().stop_at(~std::uint64_t{0});
}

}  // namespace millrace::scenario
