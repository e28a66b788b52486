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
  Checksums() : Checksums(std::string()) {}
  // Goes on behind spans that have ended: `ended` is what whole_spans() gave.
  explicit Checksums(std::string ended);
  ~Checksums();
  Checksums(Checksums&&) noexcept;
  Checksums& operator=(Checksums&&) noexcept;

  // The next bytes of the file.
  void update(Bytes bytes);
  // The values of the spans that have ended: what can be kept of an unfinished file.
  const std::string& whole_spans() const { return finished_; }
  // As they are now, to go back to when what comes next does not count after all.
  Checksums copy() const;
  // How many bytes were added, or stood before.
  uint64_t bytes() const { return finished_.size() / kChecksumBytes * kChecksumSpan + in_span_; }
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
