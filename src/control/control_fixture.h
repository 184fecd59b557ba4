// Tests only: the records of a node over the store in memory.
#pragma once
#include <fmt/format.h>

#include <memory>
#include <string>

#include "control/registry.h"
#include "testing/memory_store.h"
#include "testing/sim.h"

namespace millrace::control {

inline constexpr auto ours = "11111111-aaaa-4aaa-8aaa-111111111111";    // a root account
inline constexpr auto theirs = "22222222-bbbb-4bbb-8bbb-222222222222";  // another

inline crypto::Sealer test_sealer(char fill = 'k') {
  return *crypto::Sealer::make(std::string(32, fill));
}

inline std::string stream_body(std::string_view account = ours, std::string_view name = "Ally") {
  return fmt::format(
      R"({{"name":"{}","account":"{}","event_types":["grade_change","submission_created"],)"
      R"("delivery":{{"method":"https","url":"https://ally.example.edu/events","sign_payload":true}},)"
      R"("headers":{{"Authorization":"s3cr3t-header"}},"contact_email":"admin@example.edu"}})",
      name, account);
}

class World {
 public:
  World() { restart(); }

  // The same store, read anew.
  void restart() {
    registry = std::move(*sim.run(Registry::open(store, test_sealer(), sim.clock(), sim.random())));
  }

  model::Principal const root{"root", "test", model::Role::owner, {"*"}};
  testing::Sim sim;
  testing::MemoryStore store{sim.clock()};
  std::unique_ptr<Registry> registry;
};

}  // namespace millrace::control
