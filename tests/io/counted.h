// Objects that keep a ledger of themselves: what a compiler that loses, doubles or copies bitwise an object of a
// coroutine frame does shows as a fault of the ledger, in every build and without a sanitizer.
#pragma once

#include <memory>
#include <set>

namespace ringdrop::test {

struct Ledger {
  int made = 0;
  int destroyed = 0;
  int faults = 0;  // destroyed twice, made on top of a living one, or moved in memory without a constructor
  std::set<const void*> living;

  bool balanced() const { return made == destroyed && faults == 0 && living.empty(); }
};

class Counted {
 public:
  explicit Counted(Ledger& ledger, int value = 0) : ledger_(&ledger), value_(value) { enter(); }
  Counted(const Counted& other) : ledger_(other.ledger_), value_(other.value_) { enter(); }
  Counted(Counted&& other) noexcept : ledger_(other.ledger_), value_(other.value_) {
    other.value_ = -1;
    enter();
  }
  Counted& operator=(const Counted& other) {
    value_ = other.value_;
    return *this;
  }
  Counted& operator=(Counted&& other) noexcept {
    value_ = other.value_;
    other.value_ = -1;
    return *this;
  }
  ~Counted() {
    ++ledger_->destroyed;
    if (ledger_->living.erase(this) != 1 || self_ != this) ++ledger_->faults;
  }

  // -1: moved from.
  int value() const { return value_; }

 private:
  void enter() {
    ++ledger_->made;
    if (!ledger_->living.insert(this).second) ++ledger_->faults;
  }

  Ledger* ledger_;
  int value_;
  const void* self_ = this;
  // AddressSanitizer's view of the same: a second destructor frees it twice.
  std::unique_ptr<int> allocation_ = std::make_unique<int>(0);
};

}  // namespace ringdrop::test
