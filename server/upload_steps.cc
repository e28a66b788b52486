#include "server/upload_steps.h"

#include <fmt/format.h>

#include <utility>

#include "server/http_error.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using Kind = AppendEnd::Kind;

}  // namespace

Task<Appended> append_and_park(const Exchange& exchange, UploadResource& upload, UploadEnd ends, AppendWishes wishes) {
  Appended done;
  done.end = co_await upload.append(exchange.body, std::move(wishes), exchange.stop);
  const bool full = upload.length() == upload.offset_bytes();
  const bool beyond = done.end.kind == Kind::refused && done.end.why.code == errors::kSizeLimit.code;
  if (beyond && upload.length()) {
    proto::Rejection why = errors::kBeyondLength;
    if (ends != UploadEnd::when_full) why = co_await invalidate(upload);
    done.end = AppendEnd::refused(why);
  }
  bool last = false;
  if (ends == UploadEnd::when_full) {
    // All bytes are there: it is complete, however the request ended.
    last = full && (done.end.kind == Kind::whole || done.end.kind == Kind::client_broke);
  } else if (ends == UploadEnd::with_body && done.end.kind == Kind::whole) {
    last = full || !upload.length();
    if (!last) done.end = AppendEnd::refused(errors::kInconsistentLength);
  }
  if (last) {
    auto completed = co_await upload.complete(exchange.stop);
    if (completed) {
      done.complete = true;
      done.link = std::move(*completed);
    } else {
      done.end = AppendEnd::refused(completed.error());
      done.failed_at_end = true;
    }
  }
  done.offset_bytes = upload.offset_bytes();
  co_await upload.park();
  done.expires_at_ms = upload.row().expires_at_ms;
  co_return done;
}

// "... rejecting the request once the offset exceeds the length, marking the upload resource invalid"
Task<proto::Rejection> invalidate(UploadResource& upload) {
  const auto failed = co_await upload.cancel(db::UploadState::failed, "size_limit_exceeded");
  co_return failed ? errors::kInconsistentLength : failed.error();
}

Task<Result<>> answer_broken(const Services& services, const Exchange& exchange, const AppendEnd& end,
                             const proto::Fields& fields) {
  if (end.kind == Kind::client_broke) co_return co_await answer_broken_body(exchange, end.error);
  exchange.response.close_after();
  proto::Rejection why = end.why;
  if (end.kind == Kind::store_failed) {
    services.loop.log().error(
        fmt::format("an upload failed after {} bytes: {}", exchange.body.bytes_read(), io::describe(end.error)));
    why = rejection_for(end.error);
  }
  co_return co_await send_rejection(why, exchange, fields);
}

std::stop_source stopped_by_next(const Exchange& exchange, proto::Method method) {
  if (method == proto::Method::patch) return exchange.cut;
  return std::stop_source();
}

Task<Result<>> cancel_and_answer(const Exchange& exchange, UploadResource& upload) {
  const auto cancelled = co_await upload.cancel(db::UploadState::cancelled, {});
  if (!cancelled) {
    co_await upload.park();
    co_return co_await send_rejection(cancelled.error(), exchange);
  }
  proto::ResponseHead head;
  head.status = 204;
  co_return co_await exchange.response.send(head, {});
}

}  // namespace ringdrop::server
