// A descriptor with one owner. The destructor gives it back to its ring without waiting; what must be known to have
// worked (sync) is done before.
#pragma once

#include <utility>

#include "io/ring.h"

namespace ringdrop::io {

class OwnedFd {
 public:
  OwnedFd() = default;
  OwnedFd(Ring& ring, int fd) : ring_(&ring), fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : ring_(other.ring_), fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) {
      reset();
      ring_ = other.ring_;
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~OwnedFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // Gives up ownership: the caller closes, or hands it to another loop.
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ring_->close(std::exchange(fd_, -1));
  }

 private:
  Ring* ring_ = nullptr;
  int fd_ = -1;
};

}  // namespace ringdrop::io
