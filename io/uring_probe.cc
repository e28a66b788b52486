#include <fmt/format.h>
#include <liburing.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "io/process_limits.h"
#include "io/uring_ring.h"
#include "io/uring_setup.h"

namespace ringdrop::io {
namespace {

constexpr unsigned kSubmissionEntries = 1024;
// Every operation in flight has a completion, and a connection may have several in flight: room for bursts.
constexpr unsigned kCompletionEntries = 8 * kSubmissionEntries;
// Threads that the kernel may use for what cannot run inline (open, fsync, fallocate, buffered writes on ext4).
constexpr std::array<unsigned, 2> kKernelWorkers = {16, 16};  // bounded, unbounded work

constexpr const char* kCure = "ringdrop needs io_uring of Linux 6.1 or newer.";

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.release) : std::string("unknown");
}

// The value of kernel.io_uring_disabled (Linux 6.6), or 0 where there is none.
int io_uring_disabled() {
  std::FILE* const file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re");
  if (file == nullptr) return 0;
  const int digit = std::fgetc(file);
  std::fclose(file);
  return digit >= '0' && digit <= '2' ? digit - '0' : 0;
}

std::string explain(int error) {
  const int disabled = io_uring_disabled();
  if (error == EPERM && disabled != 0) {
    return fmt::format(
        "io_uring is switched off on this machine (kernel.io_uring_disabled = {}). {} Switch it on with "
        "`sysctl -w kernel.io_uring_disabled=0`{}.",
        disabled, kCure,
        disabled == 1 ? ", or run the server in the group of kernel.io_uring_group or with CAP_SYS_ADMIN" : "");
  }
  if (error == EPERM || error == EACCES) {
    return fmt::format(
        "io_uring is blocked by a seccomp filter ({}), as the default profiles of Docker, Podman and Kubernetes do. {} "
        "Run the container with a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register "
        "(e.g. `--security-opt seccomp=unconfined`); under systemd allow @aio in SystemCallFilter=.",
        strerrorname_np(error), kCure);
  }
  if (error == ENOSYS) {
    return fmt::format(
        "io_uring is missing: the kernel ({}) was built without it, or a sandbox (gVisor, a seccomp filter) hides it. "
        "{}",
        kernel_release(), kCure);
  }
  if (error == EINVAL) {
    return fmt::format("io_uring of this kernel ({}) is too old: it refuses the set-up flags. {}", kernel_release(),
                       kCure);
  }
  if (error == ENOMEM) {
    return fmt::format(
        "io_uring could not get memory for its queues (ENOMEM). {} Raise RLIMIT_MEMLOCK (`ulimit -l`, "
        "LimitMEMLOCK= under systemd).",
        kCure);
  }
  if (error == EMFILE || error == ENFILE) {
    return fmt::format("io_uring could not get a file descriptor ({}): raise RLIMIT_NOFILE.", strerrorname_np(error));
  }
  return fmt::format("io_uring cannot be set up: {} ({}). {}", strerrordesc_np(error), strerrorname_np(error), kCure);
}

constexpr std::array<std::pair<int, const char*>, 17> kNeeded = {{
    {IORING_OP_ACCEPT, "accept"},
    {IORING_OP_ASYNC_CANCEL, "cancel"},
    {IORING_OP_CLOSE, "close"},
    {IORING_OP_CONNECT, "connect"},
    {IORING_OP_FALLOCATE, "fallocate"},
    {IORING_OP_FSYNC, "fsync"},
    {IORING_OP_MKDIRAT, "mkdirat"},
    {IORING_OP_OPENAT2, "openat2"},
    {IORING_OP_POLL_ADD, "poll"},
    {IORING_OP_READ, "read"},
    {IORING_OP_RECV, "recv"},
    {IORING_OP_SEND, "send"},
    {IORING_OP_SENDMSG, "sendmsg"},
    {IORING_OP_SHUTDOWN, "shutdown"},
    {IORING_OP_SYNC_FILE_RANGE, "sync_file_range"},
    {IORING_OP_UNLINKAT, "unlinkat"},
    {IORING_OP_WRITE, "write"},
}};

// A filter may allow the set-up and block io_uring_enter: 0 when an operation goes in and comes back.
int try_operation(io_uring& ring) {
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
  if (sqe == nullptr) return -EAGAIN;
  io_uring_prep_nop(sqe);
  const int submitted = io_uring_submit_and_wait(&ring, 1);
  return submitted < 0 ? submitted : 0;
}

std::string missing_operations(io_uring& ring) {
  io_uring_probe* const probe = io_uring_get_probe_ring(&ring);
  if (probe == nullptr) return "(the kernel cannot be asked)";
  std::string missing;
  for (const auto& [op, name] : kNeeded) {
    if (io_uring_opcode_supported(probe, op)) continue;
    missing += missing.empty() ? "" : ", ";
    missing += name;
  }
  io_uring_free_probe(probe);
  return missing;
}

}  // namespace

int setup_ring(io_uring& ring) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = kCompletionEntries;
  const int error = io_uring_queue_init_params(kSubmissionEntries, &ring, &params);
  if (error < 0) return error;
  std::array<unsigned, 2> workers = kKernelWorkers;
  const int limited = io_uring_register_iowq_max_workers(&ring, workers.data());
  if (limited < 0) io_uring_queue_exit(&ring);
  return std::min(limited, 0);
}

std::expected<void, std::string> probe_io_uring() {
  io_uring ring{};
  const int error = setup_ring(ring);
  if (error < 0) return std::unexpected(explain(-error));
  const int refused = try_operation(ring);
  if (refused < 0) {
    io_uring_queue_exit(&ring);
    return std::unexpected(explain(-refused));
  }
  std::string missing = missing_operations(ring);
  io_uring_queue_exit(&ring);
  if (!missing.empty()) {
    return std::unexpected(
        fmt::format("io_uring of this kernel ({}) is too old: it lacks {}. {}", kernel_release(), missing, kCure));
  }
  return {};
}

}  // namespace ringdrop::io
