#include "io/unwatched.h"

#include "base/check.h"

namespace ringdrop::io {

void UnwatchedList::remove(Unwatched& operation) {
  const std::size_t place = operation.number_ - first_;
  CHECK_THAT(place < operations_.size() && operations_[place] == &operation);
  operations_[place] = nullptr;
}

void UnwatchedList::watch_late() {
  for (std::size_t i = 0; i < turned_; ++i) {
    if (operations_[i] != nullptr) operations_[i]->watch();
  }
  operations_.erase(operations_.begin(), operations_.begin() + static_cast<std::ptrdiff_t>(turned_));
  first_ += turned_;
  turned_ = 0;
}

}  // namespace ringdrop::io
