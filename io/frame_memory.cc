#include "io/frame_memory.h"

#include <array>
#include <cstdint>
#include <new>

namespace ringdrop::io {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kReuse = false;  // a sanitizer is to see each frame's end
#elif defined(__has_feature)
constexpr bool kReuse = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool kReuse = true;
#endif

constexpr std::size_t kStepBytes = 64;
constexpr std::size_t kMostBytes = 4096;
constexpr std::size_t kMostWaitingBytes = 64 * 1024;  // of one size on one thread, so 4 MiB a thread at the very most

struct Waiting {
  Waiting* next;
};

// Of one thread. Plain values, so that it can be used until the thread is gone; `closed` from its end on.
struct Lists {
  std::array<Waiting*, kMostBytes / kStepBytes> first{};
  std::array<uint32_t, kMostBytes / kStepBytes> count{};
  bool closed = false;
};
thread_local constinit Lists lists;

struct AtThreadEnd {
  ~AtThreadEnd() {
    lists.closed = true;
    for (Waiting* frame : lists.first) {
      while (frame != nullptr) {
        Waiting* const next = frame->next;
        ::operator delete(frame);
        frame = next;
      }
    }
    lists.first.fill(nullptr);
  }
};
thread_local AtThreadEnd at_thread_end;

std::size_t list_of(std::size_t bytes) {
  return (bytes - 1) / kStepBytes;
}

}  // namespace

void* take_frame(std::size_t bytes) {
  if (!kReuse || bytes > kMostBytes) return ::operator new(bytes);
  const std::size_t list = list_of(bytes);
  Waiting* const waiting = lists.first[list];
  if (waiting == nullptr) return ::operator new((list + 1) * kStepBytes);
  lists.first[list] = waiting->next;
  --lists.count[list];
  return waiting;
}

void give_back_frame(void* frame, std::size_t bytes) noexcept {
  const std::size_t list = list_of(bytes);
  if (!kReuse || bytes > kMostBytes || lists.closed ||
      lists.count[list] * (list + 1) * kStepBytes >= kMostWaitingBytes) {
    ::operator delete(frame);
    return;
  }
  if (lists.first[list] == nullptr) static_cast<void>(&at_thread_end);  // made, so that it ends with the thread
  lists.first[list] = ::new (frame) Waiting{lists.first[list]};
  ++lists.count[list];
}

}  // namespace ringdrop::io
