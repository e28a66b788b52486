#include "io/unwatched.h"

#include <doctest/doctest.h>

namespace ringdrop::test {
namespace {

class Counting final : public io::Unwatched {
 public:
  void watch() noexcept override { ++watched; }
  int watched = 0;
};

}  // namespace

TEST_CASE("what the ring has seen and not completed is watched, once") {
  io::UnwatchedList list;
  Counting late, over;
  list.add(late);
  list.add(over);
  CHECK_FALSE(list.empty());
  list.begin_turn();
  list.remove(over);
  list.watch_late();
  CHECK(late.watched == 1);
  CHECK(over.watched == 0);
  CHECK(list.empty());
  list.begin_turn();
  list.watch_late();
  CHECK(late.watched == 1);
}

TEST_CASE("what is added while the ring is turned is watched one turn later, or may be over before") {
  io::UnwatchedList list;
  Counting first, late, over, over_later;
  list.add(first);
  list.begin_turn();
  list.add(over);
  list.add(late);
  list.add(over_later);
  list.remove(over);
  list.watch_late();
  CHECK(first.watched == 1);
  CHECK(late.watched == 0);
  list.remove(over_later);
  list.begin_turn();
  list.watch_late();
  CHECK(late.watched == 1);
  CHECK(over.watched + over_later.watched == 0);
  CHECK(list.empty());
}

}  // namespace ringdrop::test
