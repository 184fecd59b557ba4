// What commands that talk to a server share: their flags, one exchange at a time, and how its failures are told.
#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "commands/command.h"
#include "commands/print.h"
#include "commands/reach.h"
#include "http_client/client.h"

namespace millrace::commands {

// HTTP for a program that has nothing else to do meanwhile. It may talk to any address: the user named it.
class HttpDesk {
 public:
  // Fails as http::make_tls_client.
  static Result<std::unique_ptr<HttpDesk>> open(http::TlsSettings tls = {});
  virtual ~HttpDesk() = default;
  virtual http::client::Answer ask(http::client::Ask ask) = 0;
  virtual void sleep(Duration span) = 0;
  virtual io::Clock& clock() = 0;
  virtual http::client::Client& client() = 0;
  // Runs the task to its end.
  virtual void run(io::Task<void> task) = 0;
};

class ServerClient {
 public:
  // Finds the server and the token, and waits until the server is ready, where that is wanted. Says on stderr what was given and is
  // not used. Fails with: invalid (the URL, an empty token), denied (no token, and where one was looked for); with a wait: unreachable,
  // busy and what call() fails with, where it is not ready by then.
  static Result<ServerClient> open(Reach const& reach);

  struct Reply {
    int status = 0;
    std::string body;
    std::vector<http::Header> headers;
  };
  // `target`: path and query. A status of 400 and above is a failure, in the server's own words.
  // Fails with: invalid (the server found faults in the input), denied, missing, conflict, busy, unreachable, io.
  Result<Reply> call(std::string_view method, std::string const& target,
                     std::string const& body = {});
  // call(), and its answer as a JSON object. Empty for 204.
  Result<boost::json::object> object(std::string_view method, std::string const& target,
                                     std::string const& body = {});
  // The items of a list, `page` at a time, `most` at most.
  Result<boost::json::array> items(std::string const& target, std::size_t most = 100'000,
                                   std::size_t page = 200);

 private:
  static Result<ServerClient> reach_once(Reach const& reach);

  std::string server_;
  http::Url base_;
  std::string token_;
  std::unique_ptr<HttpDesk> desk_;
};

// Prints the error's line; no for `missing`, usage for `invalid`, failed for all else.
Exit give_up(Error const& error);

// What the server did, and thinks that may surprise: each of the answer's `warnings` as a remark.
void remark_warnings(boost::json::object const& answer);

// "a b" as "a%20b", for queries and path parts.
std::string percent(std::string_view text);

}  // namespace millrace::commands
