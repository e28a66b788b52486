// The main of every doctest executable.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// A ring's memory is unmapped by liburing itself, which TSan does not see: a ring made later by another thread at the
// same address looks like a race with the one that is gone.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:io_uring_prep_rw\nrace:io_uring_sqe_set_data64\nrace:io_uring_sqe_set_flags\n";
}
#endif
#endif
