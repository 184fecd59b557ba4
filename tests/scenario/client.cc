#include "scenario/client.h"

#include <fmt/format.h>
#include <strings.h>

#include <charconv>

namespace millrace::scenario {

std::string Reply::header(std::string_view name) const {
  auto const key = fmt::format("\r\n{}: ", name);
  char const* const at = ::strcasestr(head.c_str(), key.c_str());
  if (at == nullptr) return {};
  std::string_view const rest(at + key.size());
  return std::string(rest.substr(0, rest.find("\r\n")));
}

boost::json::object Reply::json() const {
  boost::system::error_code error;
  auto const value = boost::json::parse(body, error);
  return !error && value.is_object() ? value.get_object() : boost::json::object();
}

std::string Reply::text(std::string_view key) const {
  auto const object = json();
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string()))
                                                : std::string();
}

std::uint64_t Reply::number(std::string_view key) const {
  auto const object = json();
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<std::uint64_t>() : 0;
}

std::string Request::text() const {
  return fmt::format("{} {} HTTP/1.1\r\nHost: 10.1.0.1\r\n{}Content-Length: {}\r\n\r\n{}", method,
                     target, head, body.size(), body);
}

std::string bearer(std::string_view token) {
  return fmt::format("Authorization: Bearer {}\r\n", token);
}

io::Task<bool> Client::connect() {
  if (wire_) co_return true;
  auto stream = co_await world_.network().connect(world_.door());
  if (!stream) co_return false;
  wire_ = std::make_shared<testing::Wire>(std::move(*stream));
  co_return true;
}

io::Task<void> Client::cut_off(io::Clock& clock, SharedWire wire, std::shared_ptr<bool> over) {
  for (int i = 0; i < 40 && !*over; ++i) co_await clock.sleep_for(1s);
  if (!*over) wire->close();
}

io::Task<bool> Client::send(SharedWire wire, std::string text) {
  auto const pieces = in_pieces && chance_.one_in(2) ? 1 + chance_.below(4) : 1;
  for (std::uint64_t left = pieces; left > 1 && !text.empty(); --left) {
    // Often within the head, which is short beside a body.
    auto const most = chance_.one_in(2) ? std::min<std::size_t>(text.size(), 200) : text.size();
    auto const size = 1 + chance_.below(most);
    if (!co_await wire->send(text.substr(0, size))) co_return false;
    text.erase(0, size);
    co_await world_.clock().sleep_for(chance_.between(0ms, 150ms));
  }
  co_return co_await wire->send(std::move(text));
}

io::Task<std::string> Client::read_body(testing::Wire& wire, Reply const& head) {
  std::string body;
  if (head.header("Transfer-Encoding") != "chunked") {
    auto const length = head.header("Content-Length");
    if (length.empty() || head.status == 204 || head.status == 304) co_return body;
    body = co_await wire.read_count(std::stoul(length));
    co_return body;
  }
  for (;;) {
    auto const line = co_await wire.read_until("\r\n");
    std::size_t size = 0;
    std::from_chars(line.data(), line.data() + line.size(), size, 16);
    auto const part = co_await wire.read_count(size + 2);
    if (size == 0 || part.size() < size + 2) co_return body;
    body += part.substr(0, size);
  }
}

io::Task<Reply> Client::read(SharedWire wire) {
  Reply reply;
  auto head = co_await wire->read_until("\r\n\r\n");
  if (!head.ends_with("\r\n\r\n") || head.size() < 12) co_return reply;
  reply.head = std::move(head);
  reply.status = std::stoi(reply.head.substr(9, 3));
  reply.body = co_await read_body(*wire, reply);
  auto const length = reply.header("Content-Length");
  if (!length.empty() && reply.status != 204 && reply.status != 304 &&
      reply.body.size() != std::stoul(length))
    co_return Reply();  // cut
  co_return reply;
}

io::Task<Reply> Client::ask(Request request) {
  if (!co_await connect()) {
    co_await world_.clock().sleep_for(100ms);
    co_return Reply();
  }
  auto const wire = wire_;
  auto const over = std::make_shared<bool>(false);
  world_.sim().start(cut_off(world_.clock(), wire, over));
  static_cast<void>(co_await send(wire, request.text()));
  auto reply = co_await read(wire);
  *over = true;
  if (reply.status == 0 || reply.header("Connection") == "close") {
    wire->close();
    wire_.reset();
  }
  co_return reply;
}

io::Task<void> Client::ask_half(Request request) {
  if (!co_await connect()) co_return;
  auto const wire = std::exchange(wire_, nullptr);
  auto const text = request.text();
  static_cast<void>(co_await wire->send(text.substr(0, 1 + chance_.below(text.size() - 1))));
  co_await world_.clock().sleep_for(chance_.between(0ms, 3s));
  wire->close();
}

}  // namespace millrace::scenario
