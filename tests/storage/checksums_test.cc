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

TEST_CASE("a copy knows nothing of what comes later, in the middle of a span too") {
  const std::vector<std::byte> bytes = numbered(kChecksumSpan + 54'321);
  for (const std::size_t at : {std::size_t{0}, std::size_t{777}, std::size_t{kChecksumSpan}, bytes.size() - 1}) {
    CAPTURE(at);
    Checksums checksums;
    checksums.update(Bytes(bytes).first(at));
    Checksums before = checksums.copy();
    checksums.update(numbered(100'000));
    CHECK(before.bytes() == at);
    before.update(Bytes(bytes).subspan(at));
    CHECK(before.finish() == xxh128(Bytes(bytes).first(kChecksumSpan)) + xxh128(Bytes(bytes).subspan(kChecksumSpan)));
  }
}

}  // namespace
}  // namespace ringdrop::storage
