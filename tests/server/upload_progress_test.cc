#include "server/upload_progress.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::server {
namespace {

UploadProgress full_one() {
  UploadProgress progress;
  progress.whole_spans = std::string("\0\xff", 2) + std::string(30, 'x');
  progress.digested_bytes = uint64_t{5} << 40;
  progress.digests.emplace_back(proto::DigestAlgorithm::sha256, std::string(112, '\1'));
  progress.digests.emplace_back(proto::DigestAlgorithm::md5, "");
  progress.expected.push_back({proto::DigestAlgorithm::sha512, std::string(64, '\2')});
  progress.cut_to = 0;
  return progress;
}

}  // namespace

TEST_CASE("progress comes back as it was, the empty one too") {
  for (const UploadProgress& progress : {full_one(), UploadProgress{}}) {
    const auto decoded = decode_progress(encode_progress(progress));
    REQUIRE(decoded);
    CHECK(decoded->whole_spans == progress.whole_spans);
    CHECK(decoded->digested_bytes == progress.digested_bytes);
    CHECK(decoded->digests == progress.digests);
    CHECK(decoded->expected == progress.expected);
    CHECK(decoded->cut_to == progress.cut_to);
  }
  CHECK(decode_progress("").has_value());
}

TEST_CASE("what was cut short, lengthened or is of another version is none") {
  const std::string bytes = encode_progress(full_one());
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode_progress(std::string_view(bytes).substr(0, size)).has_value());
  }
  CHECK_FALSE(decode_progress(bytes + 'x').has_value());
  CHECK_FALSE(decode_progress('\2' + bytes.substr(1)).has_value());
}

}  // namespace ringdrop::server
