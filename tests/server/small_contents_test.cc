#include "server/small_contents.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>

namespace ringdrop::server {
namespace {

TEST_CASE("a small file is held to its last byte, a larger one is refused at the piece that makes it so") {
  SmallContents all(8, 100);
  HeldContent held(all);
  CHECK(held.try_append(as_bytes("abcde")));
  CHECK_FALSE(held.try_append(as_bytes("fghi")));
  CHECK(held.bytes() == "abcde");
  CHECK(held.try_append(as_bytes("fgh")));
  CHECK(held.bytes() == "abcdefgh");
  CHECK_FALSE(held.try_append(as_bytes("i")));
  CHECK(held.try_append({}));
  HeldContent other(all);
  CHECK_FALSE(other.try_append(as_bytes(std::string(9, 'x'))));
}

TEST_CASE("what is held at a time is bounded, and counted until the content is gone, moved or taken as it may be") {
  SmallContents all(8, 12);
  std::optional<HeldContent> one(std::in_place, all);
  CHECK(one->try_append(as_bytes("12345678")));
  HeldContent two(all);
  CHECK_FALSE(two.try_append(as_bytes("12345")));
  CHECK(two.try_append(as_bytes("1234")));
  CHECK(all.held_bytes() == 12);
  std::optional<HeldContent> moved(std::move(*one));
  one.reset();
  CHECK(all.held_bytes() == 12);
  CHECK(moved->take() == "12345678");
  CHECK(all.held_bytes() == 12);
  moved.reset();
  CHECK(all.held_bytes() == 4);
  CHECK(two.try_append(as_bytes("5678")));
}

TEST_CASE("without small files an empty one is held, and nothing else") {
  SmallContents all(0, 100);
  HeldContent held(all);
  CHECK(held.try_append({}));
  CHECK_FALSE(held.try_append(as_bytes("a")));
}

}  // namespace
}  // namespace ringdrop::server
