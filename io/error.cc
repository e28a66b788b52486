#include "io/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace ringdrop::io {
namespace {

const char* name_of(Errc code) {
  switch (code) {
    case Errc::cancelled:
      return "cancelled";
    case Errc::timed_out:
      return "timed out";
    case Errc::closed:
      return "connection closed by the peer";
    case Errc::no_space:
      return "no space left";
    case Errc::not_found:
      return "not found";
    case Errc::exists:
      return "exists already";
    case Errc::exhausted:
      return "a limit is reached";
    case Errc::corrupt:
      return "stored data is inconsistent";
    case Errc::refused:
      return "refused";
    case Errc::system:
      return "system error";
  }
  return "unknown error";
}

}  // namespace

Error error_from_errno(int sys_errno, const char* op) {
  switch (sys_errno) {
    case ECANCELED:
      return {Errc::cancelled, sys_errno, op};
    case ETIME:
    case ETIMEDOUT:
      return {Errc::timed_out, sys_errno, op};
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED:
    case ECONNRESET:
      return {Errc::closed, sys_errno, op};
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return {Errc::no_space, sys_errno, op};
    case ENOENT:
      return {Errc::not_found, sys_errno, op};
    case EEXIST:
      return {Errc::exists, sys_errno, op};
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return {Errc::exhausted, sys_errno, op};
    default:
      return {Errc::system, sys_errno, op};
  }
}

std::string describe(const Error& error) {
  if (error.sys_errno == 0) return fmt::format("{}: {}", error.op, name_of(error.code));
  const char* symbol = strerrorname_np(error.sys_errno);
  const char* text = strerrordesc_np(error.sys_errno);
  return fmt::format("{}: {} ({})", error.op, text ? text : "unknown error", symbol ? symbol : "?");
}

}  // namespace ringdrop::io
