#include "io/interruption.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace ringdrop::io {

Result<Interruption> Interruption::open() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  LocalFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (fd.get() < 0) return std::unexpected(error_from_errno(errno, "signalfd"));
  return Interruption(std::move(fd));
}

// What is pending stays so: it is never read.
bool Interruption::wait_for(std::chrono::milliseconds time) {
  pollfd waiting{};
  waiting.fd = fd_.get();
  waiting.events = POLLIN;
  return poll(&waiting, 1, static_cast<int>(std::clamp<int64_t>(time.count(), 0, INT_MAX))) > 0;
}

}  // namespace ringdrop::io
