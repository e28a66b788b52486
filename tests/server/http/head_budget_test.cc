#include "server/http/head_budget.h"

#include <doctest/doctest.h>

#include <optional>

namespace ringdrop::http {
namespace {

constexpr std::size_t kOrdinary = kOrdinaryHeadBytes;

TEST_CASE("a head of ordinary size takes nothing from the budget") {
  HeadBudget budget(100);
  HeadCharge charge(budget);
  CHECK(charge.add(0));
  CHECK(charge.add(1));
  CHECK(charge.add(kOrdinary - 1));
  CHECK(budget.left_bytes() == 100);
}

TEST_CASE("what is above the ordinary size is charged, in whichever pieces it comes") {
  struct Row {
    std::size_t first;
    std::size_t second;
    uint64_t charged;
  };
  const Row rows[] = {
      {kOrdinary, 1, 1}, {kOrdinary + 1, 0, 1},    {kOrdinary - 1, 2, 1}, {kOrdinary + 40, 60, 100},
      {kOrdinary, 0, 0}, {1, kOrdinary + 99, 100}, {0, kOrdinary, 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.first);
    CAPTURE(row.second);
    HeadBudget budget(100);
    HeadCharge charge(budget);
    CHECK(charge.add(row.first));
    CHECK(charge.add(row.second));
    CHECK(budget.left_bytes() == 100 - row.charged);
  }
}

TEST_CASE("the budget is used to its last byte, and what it has no room for is not charged") {
  HeadBudget budget(100);
  HeadCharge charge(budget);
  CHECK(charge.add(kOrdinary + 100));
  CHECK(budget.left_bytes() == 0);
  CHECK_FALSE(charge.add(1));
  CHECK(budget.left_bytes() == 0);
  charge.reset();
  CHECK(budget.left_bytes() == 100);
}

TEST_CASE("a head that was refused gives back what it had") {
  HeadBudget budget(100);
  {
    HeadCharge charge(budget);
    CHECK(charge.add(kOrdinary + 60));
    CHECK_FALSE(charge.add(41));
    CHECK(budget.left_bytes() == 40);
  }
  CHECK(budget.left_bytes() == 100);
}

TEST_CASE("the next head of a connection begins anew") {
  HeadBudget budget(100);
  HeadCharge charge(budget);
  for (int head = 0; head < 3; ++head) {
    CHECK(charge.add(kOrdinary));
    CHECK(budget.left_bytes() == 100);
    CHECK(charge.add(100));
    CHECK(budget.left_bytes() == 0);
    charge.reset();
    charge.reset();
    CHECK(budget.left_bytes() == 100);
  }
}

TEST_CASE("connections share the budget, and who has ended makes room") {
  HeadBudget budget(100);
  std::optional<HeadCharge> first(std::in_place, budget);
  HeadCharge second(budget);
  CHECK(first->add(kOrdinary + 70));
  CHECK(second.add(kOrdinary));
  CHECK_FALSE(second.add(31));
  first.reset();
  second.reset();
  CHECK(second.add(kOrdinary + 100));
  CHECK(budget.left_bytes() == 0);
}

TEST_CASE("without a budget heads of ordinary size are still taken") {
  HeadBudget budget(0);
  HeadCharge charge(budget);
  CHECK(charge.add(kOrdinary));
  CHECK_FALSE(charge.add(1));
}

}  // namespace
}  // namespace ringdrop::http
