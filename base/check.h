// CHECK: what must be true whatever the input, in release builds too. It ends the process with one line that names the
// place. Never for anything that a client, a disk or a configuration can cause: those are Results.
#pragma once

namespace ringdrop {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace ringdrop

#define CHECK_THAT(condition) \
  ((condition) ? static_cast<void>(0) : ::ringdrop::check_failed(#condition, __FILE__, __LINE__))
