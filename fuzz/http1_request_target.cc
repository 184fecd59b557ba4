#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/error.h"
#include "http_server/server.h"
#include "targets.h"
#include "testing/fake_network.h"
#include "testing/sim.h"

namespace millrace::fuzz {
namespace {

constexpr std::size_t connections = 4;
constexpr std::size_t max_pieces = 256;

// A piece of what one of the connections sends.
struct Piece {
  std::size_t connection;
  std::string_view bytes;
};
using Heard = std::array<std::string, connections>;

// Answers with all that it saw.
io::Task<http::ServerResponse> mirror(http::ServerRequest request) {
  http::ServerResponse response;
  response.body = request.method + " " + request.target;
  for (auto const& [name, value] : request.headers) response.body += "|" + name + "=" + value;
  response.body += "|" + request.body;
  co_return response;
}

// Each piece: a byte whose lowest two bits are the connection, a byte that is the size, the bytes.
std::vector<Piece> pieces_of(std::string_view input) {
  std::vector<Piece> pieces;
  while (input.size() > 2 && pieces.size() < max_pieces) {
    auto const connection = static_cast<unsigned char>(input[0]) % connections;
    auto const size =
        std::min<std::size_t>(input.size() - 2, 1U + static_cast<unsigned char>(input[1]));
    pieces.push_back({connection, input.substr(2, size)});
    input.remove_prefix(2 + size);
  }
  return pieces;
}

// A server on one loop, and its clients.
class Doors {
 public:
  Doors() {
    http::server::ServerLimits limits;
    limits.header_bytes = 2048;
    limits.headers = 20;
    limits.target_bytes = 512;
    limits.body_bytes = 4096;
    auto const at = io::Endpoint(boost::asio::ip::address_v4::loopback(), 80);
    server_ = http::server::serve(std::move(*network_.listen(sim_.executor(), at)), sim_.executor(),
                                  {sim_.executor()}, mirror, sim_.clock(), limits);
    for (auto& client : clients_) client = std::move(*sim_.run(network_.connect(at)));
    sim_.settle();
  }

  // The server has seen it and waits for more when this returns.
  void send(Piece const& piece) {
    static_cast<void>(clients_[piece.connection]->try_write(as_bytes(piece.bytes)));
    sim_.settle();
    for (std::size_t i = 0; i < connections; ++i) hear(i);
  }

  Heard end() {
    for (std::size_t i = 0; i < connections; ++i) {
      sim_.settle();
      hear(i);
      clients_[i]->close();
    }
    sim_.settle();
    check(server_->connections() == 0, "a connection ends with its client");
    return std::move(heard_);
  }

 private:
  void hear(std::size_t i) {
    std::array<std::byte, 4096> bytes;
    for (;;) {
      auto const moved = clients_[i]->try_read(bytes);
      if (moved.state != io::Moved::State::done) return;
      heard_[i] += as_text(std::span(bytes).first(moved.bytes));
      sim_.settle();
    }
  }

  testing::Sim sim_;
  testing::FakeNetwork network_{sim_.executor(), sim_.clock()};
  std::array<std::unique_ptr<io::ByteStream>, connections> clients_;
  std::unique_ptr<http::server::Server> server_;
  Heard heard_;
};

}  // namespace

// What a client hears does not depend on what the others say meanwhile.
void http1_request(std::string_view input) {
  auto const pieces = pieces_of(input);

  Doors together;
  for (auto const& piece : pieces) together.send(piece);
  auto const heard = together.end();

  for (std::size_t alone = 0; alone < connections; ++alone) {
    if (std::ranges::none_of(pieces, [&](auto const& one) { return one.connection == alone; }))
      continue;
    Doors doors;
    for (auto const& piece : pieces)
      if (piece.connection == alone) doors.send(piece);
    check(doors.end()[alone] == heard[alone], "each connection gets its own answers");
  }
}

}  // namespace millrace::fuzz
