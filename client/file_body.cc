#include "client/file_body.h"

#include <algorithm>
#include <utility>

namespace ringdrop::client {

using io::Errc;
using io::Result;
using io::Task;

FileBody::FileBody(io::EventLoop& loop, io::File& file, const io::FileStatus& was, uint64_t offset,
                   PieceBuffers& buffers, std::function<void(std::size_t)> on_sent)
    : file_(file),
      was_(was),
      begin_(offset),
      given_(offset),
      buffers_(buffers),
      on_sent_(std::move(on_sent)),
      reading_(loop) {
  for (std::vector<std::byte>& buffer : buffers_) buffer.resize(kPieceBytes);
}

// All of it, or 0 bytes when the file has become shorter.
Task<> FileBody::read(std::vector<std::byte>& into, uint64_t offset, std::size_t bytes) {
  std::size_t got = 0;
  while (got < bytes) {
    const Result<std::size_t> some =
        co_await file_.read_some_at(MutableBytes(into).first(bytes).subspan(got), offset + got);
    if (!some || *some == 0) {
      read_ = some;
      co_return;
    }
    got += *some;
  }
  read_ = got;
}

void FileBody::read_ahead() {
  const std::size_t bytes = static_cast<std::size_t>(std::min<uint64_t>(kPieceBytes, was_.size_bytes - given_));
  ahead_ = bytes > 0;
  if (ahead_) reading_.spawn(read(buffers_[filling_], given_, bytes));
}

Task<Result<>> FileBody::check_unchanged() {
  io::FileStatus now;
  const Result<> looked = co_await file_.stat(now);
  if (!looked) co_return looked;
  if (now.size_bytes == was_.size_bytes && now.modified_ns == was_.modified_ns) co_return Result<>{};
  co_return io::fail(Errc::corrupt, "read");
}

Task<Result<Bytes>> FileBody::next() {
  const Result<Bytes> piece = co_await take_piece();
  if (!piece) failure_ = piece.error();
  co_return piece;
}

Task<Result<Bytes>> FileBody::take_piece() {
  if (given_ == was_.size_bytes) co_return Bytes{};
  if (!ahead_) read_ahead();
  co_await reading_.join();
  if (!read_) co_return std::unexpected(read_.error());
  if (*read_ == 0) co_return io::fail(Errc::corrupt, "read");
  const Bytes piece = Bytes(buffers_[filling_]).first(*read_);
  given_ += piece.size();
  filling_ = 1 - filling_;
  if (given_ == was_.size_bytes) {
    // The server must not get the last byte of a mixture.
    const Result<> same = co_await check_unchanged();
    if (!same) co_return std::unexpected(same.error());
  } else {
    read_ahead();
  }
  co_return piece;
}

}  // namespace ringdrop::client
