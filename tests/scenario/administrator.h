// An administrator of one account: makes, edits, stops, starts and deletes its data streams, looks at them, and hands out tokens. Others do
// so at the same time.
#pragma once
#include <string>
#include <vector>

#include "scenario/client.h"
#include "scenario/receiver.h"

namespace millrace::scenario {

struct AdministratorSettings {
  int index;
  std::string account, token;  // of an owner
};

class Administrator {
 public:
  Administrator(World& world, AdministratorSettings settings,
                std::vector<std::unique_ptr<Receiver>>& receivers);
  io::Task<void> run();
  bool done = false;

 private:
  io::Task<void> do_one();
  io::Task<void> make();
  io::Task<void> edit(int number);
  io::Task<void> stop(int number);
  io::Task<void> go_on(int number);
  io::Task<void> remove(int number);
  io::Task<void> look(int number);
  io::Task<void> look_at_others();
  io::Task<void> list();
  io::Task<void> hand_out_token();
  io::Task<Reply> ask(std::string method, std::string target, std::string body = {},
                      std::string head = {});
  void expect(Reply const& reply, std::string const& what, std::vector<int> allowed);
  std::vector<std::string> some_types();
  Stream& stream(int number) { return world_.book().streams.at(number); }
  std::string path(int number) { return "/api/v1/data_streams/" + stream(number).id; }
  std::vector<int> numbers(bool ours) const;  // that have an id
  std::string name() const;

  World& world_;
  AdministratorSettings settings_;
  std::vector<std::unique_ptr<Receiver>>& receivers_;
  Chance chance_;
  Client client_;
  int tokens_ = 0;
};

}  // namespace millrace::scenario
