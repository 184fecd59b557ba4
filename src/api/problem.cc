#include "api/problem.h"

#include <cstdlib>

#include "api/json_text.h"
#include "ingest/problem.h"

namespace millrace::api {
namespace {

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "The input is wrong";
    case 401:
      return "A credential is needed";
    case 403:
      return "This credential may not do this";
    case 404:
      return "There is no such thing";
    case 405:
      return "This path does not take this method";
    case 406:
      return "No form of the answer is acceptable";
    case 409:
      return "The state of the thing forbids this";
    case 412:
      return "The thing has changed meanwhile";
    case 413:
      return "The body is too large";
    case 415:
      return "The body is not of a type that is read here";
    case 422:
      return "The same Idempotency-Key came with another body";
    case 502:
      return "Another party could not be reached";
    case 503:
      return "Busy";
    case 504:
      return "It may or may not have happened";
    default:
      return "Something failed here";
  }
}

// `"errors":[{"field":…,"message":…},…]`
std::string members_of(FieldFaults const& errors) {
  std::vector<std::string> items;
  for (auto const& error : errors) {
    ObjectText item;
    item.text("field", error.field).text("message", error.message);
    items.push_back(std::move(item).done());
  }
  return "\"errors\":" + list_json(items);
}

}  // namespace

int status_of(Fault fault) {
  switch (fault) {
    case Fault::invalid:
      return 400;
    case Fault::denied:
      return 403;
    case Fault::missing:
      return 404;
    case Fault::conflict:
      return 409;
    case Fault::busy:
    case Fault::fenced:
      return 503;
    case Fault::unreachable:
      return 502;
    case Fault::uncertain:
      return 504;
    case Fault::corrupt:
    case Fault::io:
      return 500;
  }
  std::abort();
}

http::ServerResponse problem(int status, std::string const& detail, FieldFaults const& errors) {
  // The one fault that has a type of its own, at both doors: callers tell it from others by it.
  auto const type = status == 422 ? ingest::key_reused : std::string_view("about:blank");
  auto out = ingest::problem_with(status, title_of(status), detail, type,
                                  errors.empty() ? std::string() : members_of(errors));
  out.headers.push_back({"Cache-Control", "no-store"});
  if (status == 503) out.headers.push_back({"Retry-After", "1"});
  return out;
}

http::ServerResponse problem(Error const& error) {
  auto const status = status_of(error.fault);
  if (status == 500)
    return problem(status, "this node could not read or write what it needs; its log says why");
  return problem(status, error.what);
}

http::ServerResponse bad_input(FieldFaults const& errors) {
  std::string detail = errors.size() == 1 ? errors.front().field + " " + errors.front().message
                                          : std::to_string(errors.size()) + " faults";
  return problem(400, detail, errors);
}

}  // namespace millrace::api
