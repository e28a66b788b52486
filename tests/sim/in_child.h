// Runs a part of a test in a process of its own, whose memory goes with it: a simulated life that was cut short can
// neither be tidied up nor be destroyed.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

namespace ringdrop::sim {

// What a child that was killed by a signal counts as: a failed CHECK_THAT, a sanitizer's report. Never what a test
// looks for.
inline constexpr int kDied = -1;

// The exit code, 0 to 255, that `run()` returns in a child process; kDied.
template <class Run>
int exit_code_in_child(Run run) {
  const pid_t child = fork();
  CHECK_THAT(child >= 0);
  if (child == 0) _exit(run());
  int status = 0;
  CHECK_THAT(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kDied;
}

}  // namespace ringdrop::sim
