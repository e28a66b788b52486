#include "base/bytes.h"

#include <doctest/doctest.h>

namespace ringdrop {
namespace {

TEST_CASE("aligning rounds to the next multiple, and leaves multiples alone") {
  struct Row {
    uint64_t value, down, up;
  };
  for (const Row& row : {Row{0, 0, 0}, Row{1, 0, 4096}, Row{4095, 0, 4096}, Row{4096, 4096, 4096},
                         Row{4097, 4096, 8192}, Row{5 * kGiB + 1, 5 * kGiB, 5 * kGiB + 4096}}) {
    CAPTURE(row.value);
    CHECK(align_down(row.value, 4096) == row.down);
    CHECK(align_up(row.value, 4096) == row.up);
  }
}

TEST_CASE("text and bytes are two views of the same memory") {
  const std::string_view text("a\0b", 3);
  CHECK(as_bytes(text).size() == 3);
  CHECK(as_text(as_bytes(text)) == text);
  CHECK(as_text(as_bytes(text)).data() == text.data());
}

}  // namespace
}  // namespace ringdrop
