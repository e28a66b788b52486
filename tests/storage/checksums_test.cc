#include "storage/checksums.h"

#include <doctest/doctest.h>
#include <xxhash.h>

#include <algorithm>
#include <string>
#include <vector>

namespace ringdrop::storage {
namespace {

std::string xxh128(Bytes bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return {reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest};
}

std::vector<std::byte> numbered(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  return bytes;
}

TEST_CASE("an empty file has no checksum") {
  Checksums checksums;
  CHECK(checksums.finish().empty());
}

TEST_CASE("each begun 64 MiB has a checksum of its own, however the bytes came") {
  for (const std::size_t size : {std::size_t{1}, std::size_t{kChecksumSpan}, std::size_t{kChecksumSpan} + 1,
                                 2 * std::size_t{kChecksumSpan} + 12345}) {
    const std::vector<std::byte> bytes = numbered(size);
    std::string expected;
    for (std::size_t start = 0; start < size; start += kChecksumSpan) {
      expected += xxh128(Bytes(bytes).subspan(start, std::min<std::size_t>(kChecksumSpan, size - start)));
    }
    for (const std::size_t piece : {std::size_t{4096}, std::size_t{1'000'003}, size}) {
      CAPTURE(size);
      CAPTURE(piece);
      Checksums checksums;
      for (std::size_t start = 0; start < size; start += piece) {
        checksums.update(Bytes(bytes).subspan(start, std::min(piece, size - start)));
      }
      CHECK(checksums.finish() == expected);
    }
  }
}

}  // namespace
}  // namespace ringdrop::storage
