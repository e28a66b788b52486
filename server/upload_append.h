// The body's way to disk: one buffer is received into while the one before it is written.
#pragma once

#include <cstdint>
#include <stop_token>

#include "io/task.h"
#include "server/http/body_reader.h"
#include "server/services.h"
#include "storage/blob_writer.h"

namespace ringdrop::server {

// How an append ended. `whole`: the body is complete and handed to the writer. The others say who failed.
struct AppendEnd {
  enum class Kind : uint8_t {
    whole,
    too_large,     // more than `limit_bytes` came
    client_broke,  // closed, stalled, or broken framing: `error`
    store_failed,  // no_space, exhausted, system: `error`
  };
  Kind kind = Kind::whole;
  io::Error error{io::Errc::system};
};

// Appends the body to `writer` until its end or until it exceeds `limit_bytes`. Does not commit.
io::Task<AppendEnd> append_body(const Services& services, http::BodyReader& body, storage::BlobWriter& writer,
                                uint64_t limit_bytes, std::stop_token stop);

}  // namespace ringdrop::server
