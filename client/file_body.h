// A file from an offset to its end as the body of a request: the next piece is read while one is sent, two buffers in
// all. A file that is not any more what it was when the upload began is never sent to its end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "client/http_client.h"
#include "io/file.h"
#include "io/task_scope.h"

namespace ringdrop::client {

inline constexpr std::size_t kPieceBytes = kMiB;

// The memory of all bodies, one after the other.
using PieceBuffers = std::array<std::vector<std::byte>, 2>;

class FileBody final : public BodySource {
 public:
  // `was`: the file when the upload began. `on_sent` hears of every slice. Everything outlives the body.
  FileBody(io::EventLoop& loop, io::File& file, const io::FileStatus& was, uint64_t offset, PieceBuffers& buffers,
           std::function<void(std::size_t)> on_sent);

  uint64_t length() const override { return was_.size_bytes - begin_; }
  // corrupt: the file has changed. system: it cannot be read.
  io::Task<io::Result<Bytes>> next() override;
  void sent(std::size_t bytes) override { on_sent_(bytes); }
  // What next() has failed with, however the request ended.
  const std::optional<io::Error>& failure() const { return failure_; }
  bool changed() const { return failure_ && failure_->code == io::Errc::corrupt; }
  // To be awaited before the body goes.
  io::Task<> finish() { return reading_.join(); }

 private:
  io::Task<> read(std::vector<std::byte>& into, uint64_t offset, std::size_t bytes);
  void read_ahead();
  io::Task<io::Result<Bytes>> take_piece();
  io::Task<io::Result<>> check_unchanged();

  io::File& file_;
  const io::FileStatus was_;
  const uint64_t begin_;
  uint64_t given_;  // offset of the next piece
  PieceBuffers& buffers_;
  std::size_t filling_ = 0;  // the buffer that is read into
  io::Result<std::size_t> read_{std::size_t{0}};
  bool ahead_ = false;
  std::optional<io::Error> failure_;
  std::function<void(std::size_t)> on_sent_;
  io::TaskScope reading_;
};

}  // namespace ringdrop::client
