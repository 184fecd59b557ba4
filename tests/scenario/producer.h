// A producer: sends events of one account, as NDJSON with a token or by PutRecords with a signature; repeats itself, and is broken at times.
#pragma once
#include <string>
#include <vector>

#include "scenario/client.h"

namespace millrace::scenario {

struct ProducerSettings {
  int index;
  std::string account;
  std::string token;                   // of NDJSON; empty: PutRecords
  std::string access_key, secret_key;  // of PutRecords
};

class Producer {
 public:
  Producer(World& world, ProducerSettings settings);
  io::Task<void> run();
  bool done = false;

 private:
  struct Sending {
    std::vector<std::string> markers;
    std::string key;  // of idempotency
    Request request;
  };
  Sending make();
  std::string event(std::string const& marker);
  Request ndjson(Sending const& sending);
  Request put_records(Sending const& sending);
  Request signed_request(std::string body);
  io::Task<void> send(Sending sending);
  io::Task<void> send_broken();
  void judge(Sending const& sending, Reply const& reply);
  void took(Sending const& sending, Reply const& reply);
  bool uses_kinesis() const { return settings_.token.empty(); }
  std::string name() const;

  World& world_;
  ProducerSettings settings_;
  Chance chance_;
  Client client_;
  int made_ = 0;
};

}  // namespace millrace::scenario
