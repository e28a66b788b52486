// One request to the Ring and the place where its completion arrives. Plain values: the ring interprets them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/address.h"

namespace ringdrop::io {

// What can be asked of the outside. In brackets: what it is made of under Linux.
enum class Op : uint8_t {
  accept,          // result: the new descriptor; *address is filled        (accept4)
  connect,         // to *address                                          (connect)
  receive,         // into data; all: waits for all of it                   (recv)
  send,            // data, then data2, all of it                           (send, sendmsg)
  wait_readable,   // a receive would not wait                              (poll POLLIN)
  wait_writable,   // a send would not wait                                 (poll POLLOUT)
  shutdown_write,  // the sending half                                      (shutdown SHUT_WR)
  open,            // path relative to directory fd; result: a descriptor   (openat2)
  read,            // into data at offset                                   (pread, read for a pipe: offset kNoOffset)
  write,           // data at offset                                        (pwrite)
  sync_data,       // content and size                                      (fdatasync)
  sync_all,        // for a directory: its entries                          (fsync)
  write_behind,    // start and await write-back of offset, length          (sync_file_range)
  allocate,        // offset, length                                        (fallocate, flags = mode)
  truncate,        // to length                                             (ftruncate)
  stat,            // into *file_status                                     (statx)
  make_directory,  // path, 0700                                            (mkdirat)
  unlink,          // path; flags: AT_REMOVEDIR                             (unlinkat)
  list_directory,  // names into *names, without "." and ".."               (getdents)
  file_system,     // into *file_system_status                              (fstatfs)
  lock,            // exclusive, for as long as the file is open; -EWOULDBLOCK when another process has it   (flock)
  make_resident,   // data, whole pages: their content is lost, and their next use faults nothing in        (madvise)
};

inline constexpr uint64_t kNoOffset = UINT64_MAX;
inline constexpr int kNoFixedBuffer = -1;

struct FileStatus {
  uint64_t size_bytes = 0;
  bool regular = false;
  int64_t modified_ns = 0;  // since 1970
  // What it holds of the disk, wherever in the file: also what is reserved behind its end. A file system may count
  // metadata of its own in.
  uint64_t allocated_bytes = 0;
};

struct FileSystemStatus {
  uint64_t free_bytes = 0;  // for the unprivileged (f_bavail)
  uint64_t total_bytes = 0;
  std::string type;  // "ext4", "xfs", "tmpfs", ... or the magic number in hex
};

// What an operation needs; which fields count depends on `op`. Everything pointed to stays alive and untouched until
// the completion has come: the kernel owns it.
struct Request {
  Op op{};
  bool all = false;     // receive: come back short only at the end, on an error or when cancelled
  bool later = false;   // receive: nothing is expected to be there yet
  bool prompt = false;  // over as soon as the kernel has seen it, nearly always
  int fd = -1;
  int flags = 0;
  int fixed_buffer = kNoFixedBuffer;  // registered slot that holds data
  std::byte* data = nullptr;          // written by receive and read, read by send and write
  std::size_t bytes = 0;
  const std::byte* data2 = nullptr;
  std::size_t bytes2 = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
  const char* path = nullptr;
  Address* address = nullptr;
  FileStatus* file_status = nullptr;
  std::vector<std::string>* names = nullptr;
  FileSystemStatus* file_system_status = nullptr;
};

// Something whose end is reported: exactly one call a submission, on the thread of the ring's loop.
class Completion {
 public:
  // `result` >= 0, or a negative errno.
  virtual void complete(int32_t result) noexcept = 0;

 protected:
  ~Completion() = default;
};

class Operation : public Completion {
 public:
  Operation() = default;
  explicit Operation(const Request& what) : request(what) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  Request request;

 protected:
  ~Operation() = default;

 private:
  friend class UringRing;
  // The ring's own words while the operation is in flight: the message header of a two-part send, an open's flags, ...
  alignas(8) std::byte scratch_[96];
};

}  // namespace ringdrop::io
