// The steps of a request to an upload that has an id, whatever protocol it speaks: append and complete, tell why that
// failed, cancel. How a good answer looks is the protocol's own.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"
#include "server/upload_resource.h"

namespace ringdrop::server {

// What the types of an append are, in either protocol: Accept-Patch (RFC 5789 2.2, 3.1).
inline constexpr std::string_view kAcceptPatch = "application/partial-upload, application/offset+octet-stream";

// Where the upload ends.
enum class UploadEnd : uint8_t {
  later,      // more is to come
  with_body,  // where this body does
  when_full,  // with the byte that makes it as long as was declared
};

// What an append has made of the upload, which is given back by then.
struct Appended {
  AppendEnd end;
  uint64_t offset_bytes = 0;  // durable
  io::EpochMs expires_at_ms = 0;
  bool complete = false;
  bool failed_at_end = false;       // all of it has come, and is not what it had to be
  std::optional<CreatedLink> link;  // of a complete one that is no part of another
};

// What the next request for this upload may stop: an append, which waits for its client. HEAD and DELETE are over soon
// by themselves; cut, they would only lose an answer for what has been done.
std::stop_source stopped_by_next(const Exchange& exchange, proto::Method method);

// Appends the request's body, completes the upload when that is its end, and gives it back. Suspends.
io::Task<Appended> append_and_park(const Exchange& exchange, UploadResource& upload, UploadEnd ends,
                                   AppendWishes wishes);

// Content runs past the length that is known: the upload is invalid from now on (draft-ietf-httpbis-resumable-upload,
// 4.4.2). What the client is to hear. Suspends.
io::Task<proto::Rejection> invalidate(UploadResource& upload);

// The answer to an append that was not taken as a whole; the connection ends behind it. `fields` come on top.
io::Task<io::Result<>> answer_broken(const Services& services, const Exchange& exchange, const AppendEnd& end,
                                     const proto::Fields& fields);

// Cancels, gives it back, and answers: 204, or why not.
io::Task<io::Result<>> cancel_and_answer(const Exchange& exchange, UploadResource& upload);

}  // namespace ringdrop::server
