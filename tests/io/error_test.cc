#include "io/error.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <type_traits>

namespace ringdrop::test {

using io::describe;
using io::Errc;
using io::Error;
using io::error_from_errno;

TEST_CASE("each errno that somebody acts on has its code, all others are system") {
  struct Row {
    int sys_errno;
    Errc code;
  };
  for (const Row row : {
           Row{ECANCELED, Errc::cancelled}, Row{ETIME, Errc::timed_out},   Row{ETIMEDOUT, Errc::timed_out},
           Row{EPIPE, Errc::closed},        Row{ECONNRESET, Errc::closed}, Row{ECONNABORTED, Errc::closed},
           Row{ENOTCONN, Errc::closed},     Row{ENOSPC, Errc::no_space},   Row{EDQUOT, Errc::no_space},
           Row{EFBIG, Errc::no_space},      Row{ENOENT, Errc::not_found},  Row{EEXIST, Errc::exists},
           Row{EMFILE, Errc::exhausted},    Row{ENFILE, Errc::exhausted},  Row{ENOBUFS, Errc::exhausted},
           Row{ENOMEM, Errc::exhausted},    Row{EIO, Errc::system},        Row{EACCES, Errc::system},
           Row{EINVAL, Errc::system},       Row{EXDEV, Errc::system},      Row{EWOULDBLOCK, Errc::system},
       }) {
    CAPTURE(row.sys_errno);
    const Error error = error_from_errno(row.sys_errno, "try");
    CHECK(error.code == row.code);
    CHECK(error.sys_errno == row.sys_errno);
    CHECK(error.op == std::string("try"));
  }
}

TEST_CASE("an error is described by what was tried, the system's text and its symbol") {
  CHECK(describe(error_from_errno(ENOSPC, "write")) == "write: No space left on device (ENOSPC)");
  CHECK(describe(error_from_errno(99'999, "write")) == "write: unknown error (?)");
}

TEST_CASE("an error without errno is described by its code") {
  for (const Errc code : {Errc::cancelled, Errc::timed_out, Errc::closed, Errc::no_space, Errc::not_found, Errc::exists,
                          Errc::exhausted, Errc::corrupt, Errc::refused, Errc::system}) {
    const std::string text = describe(Error{code, 0, "op"});
    CHECK(text.starts_with("op: "));
    CHECK(text.find("unknown") == std::string::npos);
  }
  CHECK(describe(Error{Errc::timed_out, 0, "receive"}) == "receive: timed out");
}

TEST_CASE("fail makes a Result that failed") {
  const io::Result<int> result = io::fail(Errc::exists, "create", EEXIST);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == Errc::exists);
  CHECK(result.error().sys_errno == EEXIST);
}

TEST_CASE("an Error may stand anywhere in a co_await expression") {
  CHECK(std::is_trivially_copyable_v<Error>);
  CHECK(std::is_trivially_destructible_v<Error>);
}

}  // namespace ringdrop::test
