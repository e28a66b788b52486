#include "server/page_text.h"

#include <doctest/doctest.h>

#include "base/bytes.h"

namespace ringdrop::server {
namespace {

TEST_CASE("a size is told about and exactly, as the language writes it") {
  CHECK(describe_size(0, Language::en) == "0 bytes");
  CHECK(describe_size(1, Language::en) == "1 byte");
  CHECK(describe_size(1023, Language::en) == "1,023 bytes");
  CHECK(describe_size(1024, Language::en) == "1.0 KiB (1,024 bytes)");
  CHECK(describe_size(1'503'238'553, Language::en) == "1.4 GiB (1,503,238,553 bytes)");
  CHECK(describe_size(5'120'000 * kGiB, Language::en) == "5000.0 TiB (5,497,558,138,880,000 bytes)");
  CHECK(describe_size(1'503'238'553, Language::ru) == "1,4 ГиБ (1\u00a0503\u00a0238\u00a0553 байта)");
  for (const uint64_t bytes : {0U, 1U, 5U, 11U, 12U, 14U, 20U, 21U, 111U, 112U}) {
    CHECK(describe_size(bytes, Language::ru) == std::to_string(bytes) + " байт");
  }
  for (const uint64_t bytes : {2U, 3U, 4U, 22U, 34U, 102U}) {
    CHECK(describe_size(bytes, Language::ru) == std::to_string(bytes) + " байта");
  }
}

TEST_CASE("a limit is told in its own unit") {
  CHECK(whole_size(1024 * kGiB, Language::en) == "1 TiB");
  CHECK(whole_size(1500 * kMiB, Language::en) == "1500 MiB");
  CHECK(whole_size(1000, Language::en) == "1,000 bytes");
  CHECK(whole_size(64 * kMiB, Language::ru) == "64 МиБ");
}

}  // namespace
}  // namespace ringdrop::server
