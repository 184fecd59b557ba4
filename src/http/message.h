// A request as its handler gets it, and the answer that the handler gives. What is small goes into ServerResponse::body; what may be large comes
// from a BodySource, piece by piece, at the pace of the reader.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/net.h"
#include "io/task.h"

namespace millrace::http {

struct Header {
  std::string name;  // as received
  std::string value;
};

// Looks a header up, whatever its case; the first if it is repeated.
std::optional<std::string_view> find_header(std::vector<Header> const& headers,
                                            std::string_view name);

struct ServerRequest {
  std::string method;
  std::string target;  // as received: path and query, still encoded
  std::string path;    // the part before '?', still encoded
  std::string query;   // the part after it
  std::vector<Header> headers;
  std::string body;
  io::Endpoint peer;
  std::optional<std::string_view> header(std::string_view name) const {
    return find_header(headers, name);
  }
};

// The rest of an answer's body, pulled by the server on the connection's loop.
//   Use      response.body = the beginning (may be empty); response.more = std::make_unique<Pages>(...). The status is sent before the
//            first piece is asked for: what can fail early is better found out by the handler.
//   Life     Owned by the answer: destroyed when that has ended, in the middle or before anything was asked for too. It refers to nothing of the
//            request.
class BodySource {
 public:
  static constexpr std::size_t most = 1024 * 1024;
  virtual ~BodySource() = default;
  // The next piece, of 1 to `most` bytes; empty: the end. Asked for only when all that came before is written to the socket, one at a time,
  // and not after an end or a failure. A failure (or what it throws) cuts the connection: the reader never takes the answer for whole.
  virtual io::Task<Result<std::string>> next() = 0;
};

struct ServerResponse {
  int status = 200;
  std::vector<Header>
      headers;  // without Content-Length, Transfer-Encoding, Connection, Date: the server's own
  std::string body;
  std::unique_ptr<BodySource> more = nullptr;  // behind `body`; none: `body` is all
  bool close = false;                          // end the connection after this answer
};

using Handler = std::function<io::Task<ServerResponse>(ServerRequest)>;

}  // namespace millrace::http
