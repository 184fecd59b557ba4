#include "http_server/input.h"

#include <span>
#include <utility>

#include "base/encoding.h"
#include "base/error.h"

namespace millrace::http::server {

io::Moved Input::read(io::ByteStream& from, ReadBuffer& lent) {
  if (emptied_) return {io::Moved::State::again};
  auto const moved = from.try_read(lent.bytes_);
  if (moved.state != io::Moved::State::done) return moved;
  emptied_ = !keeps_some_ && moved.bytes < lent.bytes_.size();
  bytes_.erase(0, std::exchange(taken_, 0));
  bytes_.append(as_text(std::span(lent.bytes_).first(moved.bytes)));
  return moved;
}

io::Moved Input::drop(io::ByteStream& from, ReadBuffer& lent) { return from.try_read(lent.bytes_); }

void Input::take(std::size_t count) {
  check(count <= bytes_.size() - taken_, "only what came is taken");
  taken_ += count;
  if (!empty()) return;
  std::string().swap(bytes_);  // an assignment would keep the memory
  taken_ = 0;
}

}  // namespace millrace::http::server
