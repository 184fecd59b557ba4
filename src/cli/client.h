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
#include "cli/command.h"
#include "http/client.h"

namespace millrace::cli {

struct Reach {  // how to reach the server, and how to print
  std::string server = "http://127.0.0.1:8080";
  std::string token;
  std::string data;
  bool server_given = false;
  bool json = false;
};

// Adds --server, --token, --data and --json. `reach` outlives `app`.
void add_reach(CLI::App& app, Reach& reach);

// HTTP for a program that has nothing else to do meanwhile. It may talk to any address: the user named it.
class HttpDesk {
 public:
  static Result<std::unique_ptr<HttpDesk>> open(http::TlsSettings tls = {});
  virtual ~HttpDesk() = default;
  virtual http::Answer ask(http::Ask ask) = 0;
  virtual void sleep(Duration span) = 0;
  virtual io::Clock& clock() = 0;
  virtual http::Client& client() = 0;
  // Runs the task to its end.
  virtual void run(io::Task<void> task) = 0;
};

class ServerClient {
 public:
  // Finds the token. Fails with: invalid (the URL), denied (no token, and where one was looked for).
  static Result<ServerClient> open(Reach const& reach);

  struct Reply {
    int status = 0;
    std::string body;
  };
  // `target`: path and query. A status of 400 and above is a failure, in the server's own words.
  // Fails with: invalid (the server found faults in the input), denied, missing, conflict, busy, unreachable, io.
  Result<Reply> call(std::string_view method, std::string const& target,
                     std::string const& body = {});
  // call(), and its answer as a JSON object. Empty for 204.
  Result<boost::json::object> object(std::string_view method, std::string const& target,
                                     std::string const& body = {});
  // The items of a list, page by page, `most` at most.
  Result<boost::json::array> items(std::string const& target, std::size_t most = 100'000);

 private:
  std::string server_;
  http::Url base_;
  std::string token_;
  std::unique_ptr<HttpDesk> desk_;
};

// Prints the error's line; no for `missing`, usage for `invalid`, failed for all else.
Exit give_up(Error const& error);

// The token that `reach` names. Fails with: denied.
Result<std::string> find_token(Reach const& reach);

// "a b" as "a%20b", for queries and path parts.
std::string percent(std::string_view text);

// A leaf of the command line, `run` being called when it was chosen. Keeps what `run` captures alive with the App.
struct Choice {
  std::function<Exit()> run;
};

// A value as JSON text, numbers as people write them; and printed, with a line end.
std::string json_text(boost::json::value const& value);
void print_json(boost::json::value const& value);
// As a person reads it in a table or a list: text bare, null as "", arrays joined by commas.
std::string shown(boost::json::value const* value);
std::string shown(boost::json::object const& object, std::string_view key);
std::string shown_at(boost::json::object const& object,
                     std::initializer_list<std::string_view> path);
// "name:  value" lines of an object; what is nested is indented.
void print_fields(boost::json::object const& object, int indent = 0);
// What came from outside, safe to print: no control characters.
std::string harmless(std::string_view text);

}  // namespace millrace::cli
