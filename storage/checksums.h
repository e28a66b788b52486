// XXH3-128 of each 64 MiB of a file, computed as the bytes pass. They find rot and torn files, and let a reader of a
// long file begin anywhere; they are no proof against an attacker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace ringdrop::storage {

inline constexpr uint64_t kChecksumSpan = 64 * kMiB;
inline constexpr std::size_t kChecksumBytes = 16;

class Checksums {
 public:
  Checksums();
  ~Checksums();
  Checksums(const Checksums&) = delete;
  Checksums& operator=(const Checksums&) = delete;

  // The next bytes of the file.
  void update(Bytes bytes);
  // One value of 16 bytes (XXH128 canonical form, big endian) for each span that was begun, in order. An empty file has
  // none. Nothing may be added afterwards.
  std::string finish();

 private:
  struct State;
  void end_span();

  std::unique_ptr<State> state_;
  std::string finished_;
  uint64_t in_span_ = 0;  // bytes of the span that is under way
};

}  // namespace ringdrop::storage
