#include "api/list.h"

#include "api/json_text.h"
#include "api/problem.h"

namespace millrace::api {
namespace {

// The state of one page: what was shown, and what is left to show.
class Page {
 public:
  Page(PageAsk ask, std::unique_ptr<RowSource> rows)
      : left_(ask.limit), after_(std::move(ask.after)), rows_(std::move(rows)) {}

  bool ended() const { return ended_; }

  // More of the text; the last piece closes it.
  io::Task<Result<std::string>> piece() {
    auto rows = co_await rows_->read(after_, left_);
    if (!rows) co_return pass(rows);
    std::string text;
    for (auto& item : rows->items) {
      if (shown_++ > 0) text += ',';
      text += item;
      item = {};
    }
    left_ -= std::min(left_, rows->items.size());
    bytes_ += text.size();
    after_ = std::move(rows->next);
    ended_ = after_.empty() || left_ == 0 || ++reads_ >= rows_->most_reads() ||
             bytes_ + ListLimits::piece_bytes > ListLimits::page_bytes;
    if (ended_) text += R"(],"next":)" + (after_.empty() ? "null" : quoted(after_)) + "}";
    co_return text;
  }

 private:
  std::size_t left_;
  std::string after_;
  std::unique_ptr<RowSource> rows_;
  std::size_t shown_ = 0, bytes_ = 0, reads_ = 0;
  bool ended_ = false;
};

// The rest of a page, behind the first piece.
class PageBody final : public http::BodySource {
 public:
  PageBody(Context& context, Page page, std::string begun, Seats::Seat seat)
      : context_(context),
        page_(std::move(page)),
        text_(std::move(begun)),
        seat_(std::move(seat)) {}

  io::Task<Result<std::string>> next() override {
    while (text_.empty() && !page_.ended()) {
      auto piece = co_await page_.piece();
      if (!piece) {
        context_.parts.log.error("a list ends early", {{"why", piece.error().what}});
        co_return pass(piece);
      }
      text_ = std::move(*piece);
    }
    // One item may be larger than a piece.
    if (text_.size() <= most) co_return std::exchange(text_, {});
    auto part = text_.substr(0, most);
    text_.erase(0, most);
    co_return part;
  }

 private:
  Context& context_;
  Page page_;
  std::string text_;
  Seats::Seat seat_;
};

// Whose share an answer takes.
std::string owner_of(model::Principal const& who) {
  std::string owner;
  for (auto const& account : who.accounts) owner.append(account).push_back(' ');
  return owner;
}

}  // namespace

io::Task<http::ServerResponse> list_answer(Context& context, Call const& call, PageAsk ask,
                                           std::unique_ptr<RowSource> rows, std::string extra) {
  auto seat = co_await context.seats.take(owner_of(call.principal));
  if (!seat)
    co_return problem(503, "too many large answers of this account are under way; ask again later");
  Page page(std::move(ask), std::move(rows));
  std::string text = "{" + extra + R"("items":[)";
  do {
    auto piece = co_await page.piece();
    if (!piece) co_return failed(context, "read a list", piece.error());
    text += *piece;
  } while (!page.ended() && text.size() < ListLimits::small_bytes);
  if (page.ended() && text.size() <= ListLimits::small_bytes)
    co_return json_answer(200, std::move(text));
  auto answer = json_answer(200, "");
  answer.more =
      std::make_unique<PageBody>(context, std::move(page), std::move(text), std::move(*seat));
  co_return answer;
}

}  // namespace millrace::api
