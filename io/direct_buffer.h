// Memory that O_DIRECT takes, for commands without a loop; a loop's transfers have io/buffer_pool.h.
#pragma once

#include <new>

#include "base/bytes.h"
#include "io/buffer_pool.h"

namespace ringdrop::io {

class DirectBuffer {
 public:
  explicit DirectBuffer(std::size_t size_bytes)
      : bytes_(static_cast<std::byte*>(::operator new(size_bytes, kAlignment)), size_bytes) {}
  ~DirectBuffer() { ::operator delete(bytes_.data(), kAlignment); }
  DirectBuffer(const DirectBuffer&) = delete;
  DirectBuffer& operator=(const DirectBuffer&) = delete;

  MutableBytes bytes() const { return bytes_; }

 private:
  static constexpr auto kAlignment = static_cast<std::align_val_t>(kDirectAlignment);
  const MutableBytes bytes_;
};

}  // namespace ringdrop::io
