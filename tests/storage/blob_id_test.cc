#include "storage/blob_id.h"

#include <doctest/doctest.h>

namespace ringdrop::storage {
namespace {

TEST_CASE("a blob's number is its directory and its serial, and comes back from both") {
  const BlobId id = BlobId::make(0x2a, 0xb3);
  CHECK(id.value == 0x2a * 4096 + 0xb3);
  CHECK(id.directory() == 0x2a);
  CHECK(id.serial() == 0xb3);
  CHECK(id.file_name() == "0b3");
  CHECK(directory_name(id.directory()) == "0000002a");
  CHECK(BlobId::make(kMaxDirectory, kFilesPerDirectory - 1).directory() == kMaxDirectory);
  CHECK(BlobId::make(1, 4095) < BlobId::make(2, 0));
}

TEST_CASE("only names that the server itself makes are numbers") {
  CHECK(parse_hex_name("0000002a", 8) == 0x2a);
  CHECK(parse_hex_name("fff", 3) == 0xfff);
  for (const char* name : {"", "0000002A", "+000002a", "0000002a ", "2a", "0000002g", "0x00002a", "-0000001"}) {
    CAPTURE(name);
    CHECK_FALSE(parse_hex_name(name, 8));
  }
}

}  // namespace
}  // namespace ringdrop::storage
