// What goes wrong: receivers change their mood, ways are slow or break, the disk is slow or full or fails, the clock jumps, the machine
// stops. One a step at most.
#pragma once
#include <memory>
#include <vector>

#include "scenario/receiver.h"

namespace millrace::scenario {

class Faults {
 public:
  Faults(World& world, std::vector<std::unique_ptr<Receiver>>& receivers)
      : world_(world), receivers_(receivers), chance_(world.seed(), 700) {}
  void step();
  void heal();  // all is well from now on
  // The machine has stopped, by what step() asked for: it comes up again.
  void bring_back();

 private:
  void trouble_a_receiver();
  void trouble_a_way();
  void trouble_the_disk();
  void jump();
  void stop_the_machine();

  World& world_;
  std::vector<std::unique_ptr<Receiver>>& receivers_;
  Chance chance_;
};

}  // namespace millrace::scenario
