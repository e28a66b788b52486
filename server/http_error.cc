#include "server/http_error.h"

#include <fmt/format.h>

#include <string>

namespace ringdrop::server {

proto::Rejection rejection_for(const io::Error& error) {
  switch (error.code) {
    case io::Errc::no_space:
      return errors::kNoSpace;
    case io::Errc::exhausted:
    case io::Errc::timed_out:
      return errors::kBusy;
    default:
      return errors::kStorage;
  }
}

io::Task<io::Result<>> send_rejection(const proto::Rejection& why, http::ResponseWriter& response,
                                      std::string_view allow) {
  proto::ResponseHead head;
  head.status = why.status;
  head.fields.add("Content-Type", "text/plain; charset=utf-8");
  head.fields.add("X-Content-Type-Options", "nosniff");
  if (!allow.empty()) head.fields.add("Allow", allow);
  if (why.status == 503) head.fields.add("Retry-After", "5");
  const std::string body = fmt::format("ringdrop: {} {}: {}\n", why.status, why.code, why.reason);
  co_return co_await response.send(head, body);
}

}  // namespace ringdrop::server
