#include "io/blame.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>

namespace millrace::io {
namespace {

// By name, so that a number that means another thing elsewhere is seen.
TEST(BlameTest, each_errno_that_a_network_gives_is_put_where_it_belongs) {
  std::map<int, Blame> const table = {
      {0, Blame::endpoint},
      // No road, no ports, no descriptors, no memory, or not allowed.
      {ENETUNREACH, Blame::ours},
      {ENETDOWN, Blame::ours},
      {EADDRNOTAVAIL, Blame::ours},
      {EADDRINUSE, Blame::ours},
      {EAGAIN, Blame::ours},
      {EMFILE, Blame::ours},
      {ENFILE, Blame::ours},
      {ENOMEM, Blame::ours},
      {ENOBUFS, Blame::ours},
      {ENOSR, Blame::ours},
      {EPERM, Blame::ours},
      {EACCES, Blame::ours},
      {EAFNOSUPPORT, Blame::ours},
      {EPFNOSUPPORT, Blame::ours},
      {EPROTONOSUPPORT, Blame::ours},
      {ENODEV, Blame::ours},
      {ENXIO, Blame::ours},
      {EIO, Blame::ours},
      // Calls that are wrong.
      {EBADF, Blame::ours},
      {EFAULT, Blame::ours},
      {EINVAL, Blame::ours},
      {ENOTSOCK, Blame::ours},
      {EISCONN, Blame::ours},
      {EALREADY, Blame::ours},
      {EINTR, Blame::ours},
      {ECANCELED, Blame::ours},
      // The other end, or those before it.
      {ECONNREFUSED, Blame::endpoint},
      {ECONNRESET, Blame::endpoint},
      {ECONNABORTED, Blame::endpoint},
      {EPIPE, Blame::endpoint},
      {ETIMEDOUT, Blame::endpoint},
      {ENOTCONN, Blame::endpoint},
      {ESHUTDOWN, Blame::endpoint},
      {EPROTO, Blame::endpoint},
      {ENOPROTOOPT, Blame::endpoint},
      {EOPNOTSUPP, Blame::endpoint},
      {EMSGSIZE, Blame::endpoint},
      {EREMOTEIO, Blame::endpoint},
      {EBADMSG, Blame::endpoint},
      {EILSEQ, Blame::endpoint},
      {EHOSTDOWN, Blame::endpoint},
      // Either.
      {EHOSTUNREACH, Blame::ambiguous},
      {ENONET, Blame::ambiguous},
      {ENETRESET, Blame::ambiguous}};
  for (auto const& [code, blame] : table)
    EXPECT_EQ(blame_of_errno(code), blame) << std::strerror(code);
  // Of all that the system knows, only those of the table can come of the other side.
  for (int code = 1; code < 4096; ++code)
    if (!table.contains(code)) EXPECT_EQ(blame_of_errno(code), Blame::ours) << std::strerror(code);
}

}  // namespace
}  // namespace millrace::io
