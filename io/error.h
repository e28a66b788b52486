// What can go wrong below the application: one Error value, made from errno in io/ only. It becomes an HTTP status in
// server/http_error and text where it is logged, nowhere else.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace ringdrop::io {

enum class Errc : uint8_t {
  cancelled,  // a stop was requested
  timed_out,  // the deadline passed first
  closed,     // the peer ended or reset the connection
  no_space,   // ENOSPC, EDQUOT, EFBIG, or the floor of free space
  not_found,  // ENOENT
  exists,     // EEXIST
  exhausted,  // a bound of ours: queue, buffers, descriptors
  corrupt,    // what is stored contradicts what was recorded
  refused,    // the peer's message breaks its protocol or a rule of ours
  system,     // any other errno
};

// Trivial, so that it may appear anywhere in a co_await expression (GCC 12).
struct Error {
  Errc code;
  int sys_errno = 0;    // 0 when no system call failed
  const char* op = "";  // what was tried: a string literal
};

template <class T = void>
using Result = std::expected<T, Error>;

// `sys_errno` > 0.
Error error_from_errno(int sys_errno, const char* op);

// "write: no space left on device (ENOSPC)": for the log.
std::string describe(const Error& error);

// The expected-failure return: `return fail(Errc::closed, "receive");`
inline std::unexpected<Error> fail(Errc code, const char* op, int sys_errno = 0) {
  return std::unexpected(Error{code, sys_errno, op});
}

}  // namespace ringdrop::io
