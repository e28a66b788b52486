#include "io/uring_ring.h"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>
#include <new>
#include <vector>

#include "base/check.h"
#include "io/blocking_calls.h"
#include "io/page_cache.h"
#include "io/uring_setup.h"
#include "io/worker.h"

namespace ringdrop::io {
namespace {

// Completions that are taken off the queue before the first of them is delivered.
constexpr unsigned kCompletionsAtOnce = 256;
// user_data of submissions whose completion nobody awaits, and of the wake-up read.
constexpr uint64_t kNobody = 0;
constexpr uint64_t kWakeUp = 1;

uint64_t user_data_of(Operation& operation) {
  return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&operation));
}

// How often the calling thread has lost its CPU, or has left it to others.
uint64_t times_off_the_cpu() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  return static_cast<uint64_t>(used.ru_nvcsw) + static_cast<uint64_t>(used.ru_nivcsw);
}

}  // namespace

class UringRing::State {
 public:
  explicit State(WorkerLane& blocking_lane) : blocking(blocking_lane) {}

  io_uring_sqe* next_sqe() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    while (sqe == nullptr) {
      // The queue is full: hand it over. -EBUSY and -EAGAIN: the kernel wants to flush completions into the queue
      // first.
      const int submitted = io_uring_submit_and_get_events(&ring);
      CHECK_THAT(submitted >= 0 || submitted == -EBUSY || submitted == -EAGAIN || submitted == -EINTR);
      sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
  }

  void await_completion(TimePoint now, TimePoint until) {
    __kernel_timespec limit{};
    if (until != kNever) {
      const std::chrono::nanoseconds left = std::max(until - now, std::chrono::nanoseconds(0));
      limit.tv_sec = left.count() / 1'000'000'000;
      limit.tv_nsec = left.count() % 1'000'000'000;
    }
    io_uring_cqe* unused = nullptr;
    // Submits too what the kernel has not taken before.
    io_uring_submit_and_wait_timeout(&ring, &unused, 1, until == kNever ? nullptr : &limit, nullptr);
  }

  void arm_wake_up() {
    io_uring_sqe* const sqe = next_sqe();
    io_uring_prep_read(sqe, wake_fd, &wake_count, sizeof wake_count, 0);
    io_uring_sqe_set_data64(sqe, kWakeUp);
  }

  io_uring ring{};
  WorkerLane& blocking;
  int wake_fd = -1;
  uint64_t wake_count = 0;
  // True while the loop sleeps or is about to: only then does a wake-up cost a system call.
  std::atomic<bool> sleeping{false};
  std::atomic<bool> woken{false};
  std::mutex completed_mutex;
  struct Completed {
    Completion* completion;
    int32_t result;
  };
  std::vector<Completed> completed;
  std::vector<Completed> delivering;
  const bool asks_page_cache = page_cache_can_be_asked();
  bool registration_possible = false;
  uint64_t lockable_bytes = 0;  // what may still be registered
  uint64_t switches = 0;        // times_off_the_cpu(), when it was asked last
};

UringRing::UringRing(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<UringRing>> UringRing::create(WorkerLane& blocking, uint64_t lockable_bytes) {
  auto state = std::make_unique<State>(blocking);
  state->lockable_bytes = lockable_bytes;
  const int error = setup_ring(state->ring);
  if (error < 0) return std::unexpected(error_from_errno(-error, "io_uring_setup"));
  state->wake_fd = eventfd(0, EFD_CLOEXEC);
  if (state->wake_fd < 0) {
    const int sys_errno = errno;
    io_uring_queue_exit(&state->ring);
    return std::unexpected(error_from_errno(sys_errno, "eventfd"));
  }
  state->registration_possible = io_uring_register_buffers_sparse(&state->ring, kFixedBufferSlots) == 0;
  state->arm_wake_up();
  return std::unique_ptr<UringRing>(new UringRing(std::move(state)));
}

UringRing::~UringRing() {
  {
    const std::lock_guard last_caller_has_left(state_->completed_mutex);
  }
  io_uring_queue_exit(&state_->ring);
  ::close(state_->wake_fd);
}

void UringRing::cancel(Operation& operation) {
  io_uring_sqe* const sqe = state_->next_sqe();
  io_uring_prep_cancel64(sqe, user_data_of(operation), 0);
  io_uring_sqe_set_data64(sqe, kNobody);
}

void UringRing::close(int fd) {
  io_uring_sqe* const sqe = state_->next_sqe();
  io_uring_prep_close(sqe, fd);
  io_uring_sqe_set_data64(sqe, kNobody);
  // The last close of a removed file frees its blocks: on a worker of the kernel, not here.
  io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
}

Ring::Wait UringRing::wait(TimePoint until) {
  State& state = *state_;
  // Order matters: first announce the sleep, then look whether anybody called. A caller does it the other way round.
  state.sleeping.store(true);
  bool sleeps = !state.woken.exchange(false);
  {
    const std::lock_guard lock(state.completed_mutex);
    state.delivering.swap(state.completed);
  }
  // A loop with more to do does not sleep, but what has been completed meanwhile is to be seen all the same.
  sleeps = sleeps && state.delivering.empty() && now() < until;

  // One call would do for both, but nobody would know which part of it was the sleep. DEFER_TASKRUN: completions are
  // made when the loop asks for them.
  if (!sleeps || io_uring_sq_ready(&state.ring) > 0) io_uring_submit_and_get_events(&state.ring);
  Wait wait;
  wait.began = wait.ended = now();
  if (sleeps && io_uring_cq_ready(&state.ring) == 0) {
    state.await_completion(wait.began, until);
    wait.ended = now();
  }
  state.sleeping.store(false);
  return wait;
}

void UringRing::deliver() {
  State& state = *state_;
  // Taken off before anything is delivered: what follows a completion may submit so much that the kernel completes some
  // of it at once, and that is for a later deliver().
  std::array<io_uring_cqe*, kCompletionsAtOnce> ready;
  struct Taken {
    uint64_t user_data;
    int32_t result;
  };
  std::array<Taken, kCompletionsAtOnce> taken;
  const unsigned count = io_uring_peek_batch_cqe(&state.ring, ready.data(), kCompletionsAtOnce);
  for (unsigned i = 0; i < count; ++i) taken[i] = {ready[i]->user_data, ready[i]->res};
  io_uring_cq_advance(&state.ring, count);

  for (const State::Completed& done : state.delivering) done.completion->complete(done.result);
  state.delivering.clear();
  for (unsigned i = 0; i < count; ++i) {
    if (taken[i].user_data == kNobody) continue;
    if (taken[i].user_data == kWakeUp) {
      state.arm_wake_up();
      continue;
    }
    reinterpret_cast<Operation*>(static_cast<uintptr_t>(taken[i].user_data))->complete(taken[i].result);
  }
}

void UringRing::wake() {
  state_->woken.store(true);
  if (!state_->sleeping.exchange(false)) return;
  const uint64_t one = 1;
  // Fails only when the counter is full: then the loop is being woken already.
  [[maybe_unused]] const ssize_t written = ::write(state_->wake_fd, &one, sizeof one);
}

void UringRing::complete_from_thread(Completion& completion, int32_t result) {
  // Under the lock to the end: once the completion is delivered the loop may end and the ring with it, and the
  // destructor waits for this lock.
  const std::lock_guard lock(state_->completed_mutex);
  state_->completed.push_back({&completion, result});
  wake();
}

void UringRing::give_way() {
  State& state = *state_;
  const uint64_t switches = times_off_the_cpu();
  if (switches == state.switches) sched_yield();
  state.switches = times_off_the_cpu();
}

TimePoint UringRing::now() {
  return std::chrono::steady_clock::now();
}

EpochMs UringRing::epoch_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::chrono::nanoseconds UringRing::thread_cpu_time() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

void UringRing::random(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    CHECK_THAT(got > 0 || errno == EINTR);
    if (got > 0) out = out.subspan(static_cast<std::size_t>(got));
  }
}

std::optional<bool> UringRing::all_cached(int fd, uint64_t offset, std::size_t bytes) {
  return state_->asks_page_cache ? all_pages_cached(fd, offset, bytes) : std::nullopt;
}

void* UringRing::map_pages(int fd, uint64_t offset, std::size_t bytes) {
  return state_->asks_page_cache ? map_file_pages(fd, offset, bytes) : nullptr;
}

void UringRing::unmap_pages(void* pages, std::size_t bytes) {
  unmap_file_pages(pages, bytes);
}

bool UringRing::in_memory(const void* pages, std::size_t offset, std::size_t bytes) {
  return pages_in_memory(pages, offset, bytes);
}

bool UringRing::reads_at_once(int fd, uint64_t offset) {
  return byte_reads_at_once(fd, offset);
}

Result<SentNow> UringRing::send_file(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes) {
  return send_file_without_waiting(socket, head, file, offset, bytes);
}

bool UringRing::register_memory(unsigned slot, MutableBytes memory) {
  if (!state_->registration_possible || slot >= kFixedBufferSlots) return false;
  // Asked beforehand: the kernel makes the pages resident even when it refuses.
  if (memory.size() > state_->lockable_bytes) return false;
  const iovec area{memory.data(), memory.size()};
  const bool registered = io_uring_register_buffers_update_tag(&state_->ring, slot, &area, nullptr, 1) == 1;
  if (registered && state_->lockable_bytes != UINT64_MAX) state_->lockable_bytes -= memory.size();
  return registered;
}

void UringRing::submit(Operation& operation) {
  Request& request = operation.request;
  if (is_blocking_call(request.op)) {
    static_assert(sizeof(BlockingCall) <= sizeof(Operation::scratch_));
    auto* const call = new (operation.scratch_) BlockingCall(operation);
    if (!state_->blocking.enqueue(*call, *this)) complete_from_thread(operation, -ENOBUFS);
    return;
  }
  io_uring_sqe* const sqe = state_->next_sqe();
  const auto bytes = static_cast<unsigned>(request.bytes);
  switch (request.op) {
    case Op::accept:
      request.address->length = sizeof(Address) - offsetof(Address, generic);
      io_uring_prep_accept(sqe, request.fd, &request.address->generic, &request.address->length, SOCK_CLOEXEC);
      break;
    case Op::connect:
      io_uring_prep_connect(sqe, request.fd, &request.address->generic, request.address->length);
      break;
    case Op::receive:
      io_uring_prep_recv(sqe, request.fd, request.data, request.bytes, request.all ? MSG_WAITALL : 0);
      // Otherwise the kernel tries in vain before it waits.
      if (request.later) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
      break;
    case Op::send:
      // MSG_WAITALL: the kernel goes on after a short send by itself.
      if (request.bytes2 == 0) {
        io_uring_prep_send(sqe, request.fd, request.data, request.bytes, MSG_NOSIGNAL | MSG_WAITALL);
      } else {
        struct Parts {
          msghdr header;
          iovec vectors[2];
        };
        static_assert(sizeof(Parts) <= sizeof(Operation::scratch_));
        auto* const parts = new (operation.scratch_) Parts{};
        parts->vectors[0] = {request.data, request.bytes};
        parts->vectors[1] = {const_cast<std::byte*>(request.data2), request.bytes2};
        parts->header.msg_iov = parts->vectors;
        parts->header.msg_iovlen = 2;
        io_uring_prep_sendmsg(sqe, request.fd, &parts->header, MSG_NOSIGNAL | MSG_WAITALL);
      }
      break;
    case Op::wait_readable:
      io_uring_prep_poll_add(sqe, request.fd, POLLIN | POLLRDHUP);
      break;
    case Op::wait_writable:
      io_uring_prep_poll_add(sqe, request.fd, POLLOUT);
      break;
    case Op::shutdown_write:
      io_uring_prep_shutdown(sqe, request.fd, SHUT_WR);
      break;
    case Op::open: {
      auto* const how = new (operation.scratch_) open_how{};
      how->flags = static_cast<unsigned>(request.flags | O_CLOEXEC);
      if (request.flags & O_CREAT) how->mode = 0600;
      // Below a directory of ours nothing may lead out; the data directory itself is wherever its owner put it.
      if (request.fd != AT_FDCWD) how->resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
      io_uring_prep_openat2(sqe, request.fd, request.path, how);
      break;
    }
    case Op::read:
      if (request.fixed_buffer != kNoFixedBuffer) {
        io_uring_prep_read_fixed(sqe, request.fd, request.data, bytes, request.offset, request.fixed_buffer);
      } else {
        io_uring_prep_read(sqe, request.fd, request.data, bytes, request.offset);
      }
      break;
    case Op::write:
      if (request.fixed_buffer != kNoFixedBuffer) {
        io_uring_prep_write_fixed(sqe, request.fd, request.data, bytes, request.offset, request.fixed_buffer);
      } else {
        io_uring_prep_write(sqe, request.fd, request.data, bytes, request.offset);
      }
      break;
    case Op::sync_data:
      io_uring_prep_fsync(sqe, request.fd, IORING_FSYNC_DATASYNC);
      break;
    case Op::sync_all:
      io_uring_prep_fsync(sqe, request.fd, 0);
      break;
    case Op::write_behind:
      io_uring_prep_sync_file_range(sqe, request.fd, static_cast<unsigned>(request.length), request.offset,
                                    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
      break;
    case Op::allocate:
      io_uring_prep_fallocate(sqe, request.fd, request.flags, static_cast<off_t>(request.offset),
                              static_cast<off_t>(request.length));
      break;
    case Op::make_directory:
      io_uring_prep_mkdirat(sqe, request.fd, request.path, 0700);
      break;
    case Op::unlink:
      io_uring_prep_unlinkat(sqe, request.fd, request.path, request.flags);
      break;
    case Op::truncate:
    case Op::stat:
    case Op::list_directory:
    case Op::file_system:
    case Op::lock:
    case Op::make_resident:
      CHECK_THAT(false && "a blocking call");
  }
  io_uring_sqe_set_data64(sqe, user_data_of(operation));
}

}  // namespace ringdrop::io
