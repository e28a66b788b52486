#include "io/frame_memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

namespace ringdrop::io {
namespace {

TEST_CASE("frames of any size hold what is written to them, given back in any order, on any thread") {
  struct Frame {
    unsigned char* bytes;
    std::size_t size;
  };
  std::vector<Frame> frames;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size = 1; size <= 6000; size += 61) {
      auto* const bytes = static_cast<unsigned char*>(take_frame(size));
      std::memset(bytes, static_cast<int>(size % 251), size);
      frames.push_back({bytes, size});
    }
    for (const Frame& frame : frames) {
      const auto fill = static_cast<unsigned char>(frame.size % 251);
      CHECK(std::all_of(frame.bytes, frame.bytes + frame.size, [&](unsigned char byte) { return byte == fill; }));
    }
    const auto give_back_all = [&] {
      for (const Frame& frame : frames) give_back_frame(frame.bytes, frame.size);
    };
    if (round == 1) {
      std::thread(give_back_all).join();
    } else {
      std::ranges::reverse(frames);
      give_back_all();
    }
    frames.clear();
  }
}

TEST_CASE("more frames than are kept go back to where they came from") {
  std::vector<void*> frames;
  for (int n = 0; n < 1000; ++n) frames.push_back(take_frame(200));
  std::ranges::sort(frames);
  CHECK(std::ranges::adjacent_find(frames) == frames.end());
  for (void* const frame : frames) give_back_frame(frame, 200);
  void* const again = take_frame(200);
  give_back_frame(again, 200);
}

}  // namespace
}  // namespace ringdrop::io
