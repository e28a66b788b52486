#include "io/kernel_workers.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "io/error.h"
#include "io/small_file.h"

namespace ringdrop::io {

std::size_t count_kernel_workers() {
  constexpr std::size_t kMostNameBytes = 64;
  std::size_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator task("/proc/self/task", error), end; !error && task != end;
       task.increment(error)) {
    // One that has ended meanwhile is none.
    const Result<std::string> name = read_small_file(task->path() / "comm", kMostNameBytes);
    if (name && name->starts_with("iou-wrk-")) ++count;
  }
  return count;
}

}  // namespace ringdrop::io
