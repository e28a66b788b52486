#include "server/http_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <utility>

#include "proto/media_type.h"

namespace ringdrop::server {
namespace {

bool wants_json(const proto::RequestHead& request) {
  const std::string accept = request.fields.joined("Accept");
  return proto::accepts_by_name(accept, "application/problem+json") ||
         proto::accepts_by_name(accept, "application/json");
}

proto::ResponseHead rejection_head(const proto::Rejection& why, std::string_view content_type) {
  proto::ResponseHead head;
  head.status = why.status;
  head.fields.add("Content-Type", content_type);
  head.fields.add("X-Content-Type-Options", "nosniff");
  head.fields.add("Cache-Control", "no-store");
  if (why.status == 503) head.fields.add("Retry-After", "5");
  return head;
}

std::string line(const proto::Rejection& why) {
  return fmt::format("ringdrop: {} {}: {}\n", why.status, why.code, why.reason);
}

}  // namespace

proto::Rejection rejection_for(const io::Error& error) {
  switch (error.code) {
    case io::Errc::no_space:
      return errors::kNoSpace;
    case io::Errc::exhausted:
      return error.sys_errno == EBUSY ? errors::kLocked : errors::kBusy;
    case io::Errc::timed_out:
      return errors::kBusy;
    default:
      return errors::kStorage;
  }
}

io::Task<io::Result<>> send_problem(const proto::Rejection& why, const Exchange& exchange, const proto::Fields& fields,
                                    proto::Problem problem) {
  const bool json = wants_json(exchange.request);
  proto::ResponseHead head = rejection_head(why, json ? "application/problem+json" : "text/plain; charset=utf-8");
  for (const proto::Field& field : fields) {
    if (head.fields.count(field.name) == 0) head.fields.add(field.name, field.value);
  }
  problem.status = why.status;
  problem.code = why.code;
  problem.detail = why.reason;
  std::string body;
  if (json) {
    body = proto::format_problem(problem);
  } else {
    body = line(why);
  }
  co_return co_await exchange.response.send(head, body);
}

io::Task<io::Result<>> send_rejection(const proto::Rejection& why, const Exchange& exchange,
                                      const proto::Fields& fields) {
  proto::Problem plain;
  co_return co_await send_problem(why, exchange, fields, std::move(plain));
}

io::Task<io::Result<>> send_rejection(const proto::Rejection& why, const Exchange& exchange) {
  const proto::Fields none;
  co_return co_await send_rejection(why, exchange, none);
}

io::Task<io::Result<>> send_rejection_line(const proto::Rejection& why, http::ResponseWriter& response) {
  const proto::ResponseHead head = rejection_head(why, "text/plain; charset=utf-8");
  const std::string body = line(why);
  co_return co_await response.send(head, body);
}

io::Task<io::Result<>> answer_broken_body(const Exchange& exchange, io::Error error) {
  exchange.response.close_after();
  if (error.code == io::Errc::timed_out) co_return co_await send_rejection(errors::kStalled, exchange);
  if (error.code == io::Errc::exhausted) co_return co_await send_rejection(errors::kBusy, exchange);
  if (exchange.body.rejection()) co_return co_await send_rejection(*exchange.body.rejection(), exchange);
  co_return std::unexpected(error);
}

proto::Fields challenge(std::string_view scheme) {
  proto::Fields fields;
  fields.add("WWW-Authenticate", scheme);
  return fields;
}

}  // namespace ringdrop::server
