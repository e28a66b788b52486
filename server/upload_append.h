// The body's way from the connection to whoever takes it: one buffer is received into while the one before it is
// written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <utility>

#include "io/task.h"
#include "server/http/body_reader.h"
#include "server/http_error.h"
#include "server/services.h"

namespace ringdrop::server {

// How an append ended. `whole`: the body is complete and taken. The others say who failed.
struct AppendEnd {
  enum class Kind : uint8_t {
    whole,
    refused,       // the content is not acceptable: `why`
    client_broke,  // closed, stalled, or broken framing: `error`
    store_failed,  // no_space, exhausted, system: `error`
  };
  Kind kind = Kind::whole;
  io::Error error{io::Errc::system};
  proto::Rejection why{};

  static AppendEnd refused(const proto::Rejection& why) { return {Kind::refused, io::Error{io::Errc::refused}, why}; }
  static AppendEnd client_broke(const io::Error& error) { return {Kind::client_broke, error}; }
  static AppendEnd store_failed(const io::Error& error) { return {Kind::store_failed, error}; }
};

// Takes a body piece by piece.
class BodySink {
 public:
  // How many bytes the next piece in a buffer of that size may have: so that writes stay aligned.
  virtual std::size_t room(std::size_t buffer_bytes) const = 0;
  // The next `bytes` bytes, at the front of `buffer`. Anything but `whole` ends the append.
  virtual io::Task<AppendEnd> take(io::Buffer buffer, std::size_t bytes) = 0;

 protected:
  ~BodySink() = default;
};

// The whole body is one file: an IncomingFile, or a BlobWriter that goes on with one.
template <class File>
class FileSink final : public BodySink {
 public:
  FileSink(File& file, uint64_t limit_bytes) : file_(file), limit_bytes_(limit_bytes) {}

  std::size_t room(std::size_t buffer_bytes) const override { return file_.room_to_alignment(buffer_bytes); }
  io::Task<AppendEnd> take(io::Buffer buffer, std::size_t bytes) override {
    if (file_.bytes_appended() + bytes > limit_bytes_) co_return AppendEnd::refused(errors::kSizeLimit);
    const io::Result<> appended = co_await file_.append(std::move(buffer), bytes);
    if (!appended) co_return AppendEnd::store_failed(appended.error());
    co_return AppendEnd{};
  }

 private:
  File& file_;
  uint64_t limit_bytes_;
};

// Gives the body to `sink` until its end or until somebody fails.
io::Task<AppendEnd> append_body(const Services& services, http::BodyReader& body, BodySink& sink, std::stop_token stop);

}  // namespace ringdrop::server
