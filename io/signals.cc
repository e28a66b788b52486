#include "io/signals.h"

#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ringdrop::io {
namespace {

sigset_t termination_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void block_termination_signals() {
  const sigset_t set = termination_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // A write past RLIMIT_FSIZE is to fail with EFBIG, not to end the process (setrlimit(2)).
  std::signal(SIGXFSZ, SIG_IGN);
}

Result<TerminationSignals> TerminationSignals::open(EventLoop& loop) {
  const sigset_t set = termination_set();
  const int fd = signalfd(-1, &set, SFD_CLOEXEC);
  if (fd < 0) return std::unexpected(error_from_errno(errno, "signalfd"));
  return TerminationSignals(loop, OwnedFd(loop.ring(), fd));
}

Task<Result<int>> TerminationSignals::next(std::stop_token stop) {
  std::array<std::byte, sizeof(signalfd_siginfo)> bytes;
  Request request;
  request.op = Op::read;
  request.fd = fd_.get();
  request.data = bytes.data();
  request.bytes = bytes.size();
  request.offset = kNoOffset;
  const Result<std::size_t> got = co_await Pending<std::size_t>(loop_, "signalfd", request, kNever, &stop);
  if (!got) co_return std::unexpected(got.error());
  signalfd_siginfo info{};
  std::memcpy(&info, bytes.data(), sizeof info);
  co_return static_cast<int>(info.ssi_signo);
}

}  // namespace ringdrop::io
