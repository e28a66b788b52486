#include "server/upload_checkpoint.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::server {
namespace {

UploadCheckpoint full_one() {
  UploadCheckpoint checkpoint;
  checkpoint.whole_spans = std::string("\0\xff", 2) + std::string(30, 'x');
  checkpoint.durable_bytes = (uint64_t{5} << 40) + 1;
  checkpoint.digested_bytes = uint64_t{5} << 40;
  checkpoint.digests.emplace_back(proto::DigestAlgorithm::sha256, std::string(112, '\1'));
  checkpoint.digests.emplace_back(proto::DigestAlgorithm::md5, "");
  checkpoint.expected.push_back({proto::DigestAlgorithm::sha512, std::string(64, '\2')});
  checkpoint.cut_to = 0;
  return checkpoint;
}

}  // namespace

TEST_CASE("checkpoint comes back as it was, the empty one too") {
  for (const UploadCheckpoint& checkpoint : {full_one(), UploadCheckpoint{}}) {
    const auto decoded = decode_checkpoint(encode_checkpoint(checkpoint));
    REQUIRE(decoded);
    CHECK(decoded->whole_spans == checkpoint.whole_spans);
    CHECK(decoded->durable_bytes == checkpoint.durable_bytes);
    CHECK(decoded->digested_bytes == checkpoint.digested_bytes);
    CHECK(decoded->digests == checkpoint.digests);
    CHECK(decoded->expected == checkpoint.expected);
    CHECK(decoded->cut_to == checkpoint.cut_to);
  }
  CHECK(decode_checkpoint("").has_value());
}

TEST_CASE("what was cut short, lengthened or is of another version is none") {
  const std::string bytes = encode_checkpoint(full_one());
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode_checkpoint(std::string_view(bytes).substr(0, size)).has_value());
  }
  CHECK_FALSE(decode_checkpoint(bytes + 'x').has_value());
  CHECK_FALSE(decode_checkpoint('\2' + bytes.substr(1)).has_value());
}

TEST_CASE("a file's size is believed to its last whole block, behind it as far as was noted, and never behind a cut") {
  UploadCheckpoint checkpoint;
  CHECK(believable_bytes(checkpoint, 0) == 0);
  CHECK(believable_bytes(checkpoint, 4'095) == 0);
  CHECK(believable_bytes(checkpoint, 8'192) == 8'192);
  checkpoint.durable_bytes = 5'000;
  CHECK(believable_bytes(checkpoint, 5'000) == 5'000);
  CHECK(believable_bytes(checkpoint, 5'100) == 5'000);
  CHECK(believable_bytes(checkpoint, 9'000) == 8'192);
  CHECK(believable_bytes(checkpoint, 4'500) == 4'500);
  checkpoint.cut_to = 4'200;
  CHECK(believable_bytes(checkpoint, 9'000) == 4'200);
}

}  // namespace ringdrop::server
