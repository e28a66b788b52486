// Operations that were just submitted and should be over when the ring has been turned once, as a send is nearly
// always: a timer and a stop callback for them, both among those of other connections, would be made and taken away for
// nothing. So nobody watches their deadline and their stop until then, and the loop does not sleep meanwhile.
#pragma once

#include <cstddef>
#include <vector>

namespace ringdrop::io {

// On the list from add() to remove(), or until watch() is called.
class Unwatched {
 public:
  // It is late: from now on its deadline and its stop are to be watched.
  virtual void watch() noexcept = 0;

 protected:
  ~Unwatched() = default;

 private:
  friend class UnwatchedList;
  std::size_t number_ = 0;  // of all that were ever added
};

class UnwatchedList {
 public:
  void add(Unwatched& operation) {
    operation.number_ = first_ + operations_.size();
    operations_.push_back(&operation);
  }
  // It is over. It is on the list.
  void remove(Unwatched& operation);

  // There may be some: no sleep.
  bool empty() const { return operations_.empty(); }
  // The ring is about to be turned.
  void begin_turn() { turned_ = operations_.size(); }
  // It was: watches those that it has not completed, and forgets them.
  void watch_late();

 private:
  std::vector<Unwatched*> operations_;  // by number; nullptr: over
  std::size_t first_ = 0;               // number
  std::size_t turned_ = 0;              // so many of them the ring has seen
};

}  // namespace ringdrop::io
