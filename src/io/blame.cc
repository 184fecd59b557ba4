#include "io/blame.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace millrace::io {
namespace {

// Somebody at the other end, or on the way, has answered, or nobody has.
constexpr auto of_endpoint = std::to_array(
    {ECONNREFUSED, ECONNRESET, ECONNABORTED, EPIPE, ETIMEDOUT, ENOTCONN, ESHUTDOWN, EPROTO,
     ENOPROTOOPT, EOPNOTSUPP, EMSGSIZE, EREMOTEIO, EBADMSG, EILSEQ, EHOSTDOWN});
// A host that no router finds may be away, or we are.
constexpr auto of_both = std::to_array({EHOSTUNREACH, ENONET, ENETRESET});

bool is_in(auto const& codes, int code) { return std::ranges::find(codes, code) != codes.end(); }

}  // namespace

// All other numbers come of what this machine has too little of (descriptors, memory, ports, a network), of what it forbids (a firewall
// of its own), or of calls that are wrong.
Blame blame_of_errno(int code) {
  if (code <= 0 || is_in(of_endpoint, code)) return Blame::endpoint;
  return is_in(of_both, code) ? Blame::ambiguous : Blame::ours;
}

}  // namespace millrace::io
