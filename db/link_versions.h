// Whether a link may have changed since somebody looked: for those who keep what they have found. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace ringdrop::db {

class LinkVersions {
 public:
  // Read before the catalogue is asked; what was found is true as long as it stays the same.
  uint64_t of(std::string_view token) const { return slots_[slot(token)].load(std::memory_order_acquire); }
  // Called between the commit of a change and its acknowledgement.
  void changed(std::string_view token) { slots_[slot(token)].fetch_add(1, std::memory_order_release); }

 private:
  // Links share them: the change of one makes some others be looked up once more.
  static constexpr std::size_t kSlots = 4096;

  static std::size_t slot(std::string_view token) { return std::hash<std::string_view>()(token) % kSlots; }

  std::array<std::atomic<uint64_t>, kSlots> slots_{};
};

}  // namespace ringdrop::db
