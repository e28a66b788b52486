// What an upload in pieces can cost at least on this machine, written as plainly as one can: one connection, system
// calls that block, nothing computed. Each PATCH's bytes are received, written behind those before them (O_DIRECT, into
// reserved space, as ringdrop does) and made durable (fdatasync) before its 204. It knows no more of HTTP than the load
// generator says, so it is a bound to measure against and no server.
//
//   durable_append DIRECTORY
//
// Says "listening on 127.0.0.1:PORT" on standard error. SIGTERM ends it.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/bench/bound.h"

namespace {

constexpr std::size_t kBlockBytes = 4096;      // what a direct write has to be a multiple of
constexpr std::size_t kBufferBytes = 4 << 20;  // the longest PATCH
constexpr std::size_t kAlignment = 2 << 20;    // a huge page
constexpr uint64_t kReservedBytes = 64 << 20;  // at a time, as ringdrop's
constexpr std::string_view kHeadEnd = "\r\n\r\n";

// On huge pages, so that a write is few pieces for the device.
char* make_buffer() {
  void* const mapped =
      mmap(nullptr, kBufferBytes + kAlignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) give_up("mmap");
  const auto begin = (reinterpret_cast<uintptr_t>(mapped) + kAlignment - 1) / kAlignment * kAlignment;
  auto* const buffer = reinterpret_cast<char*>(begin);
  madvise(buffer, kBufferBytes, MADV_HUGEPAGE);
  return buffer;
}

class Upload {
 public:
  explicit Upload(const std::string& path)
      : file_(open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600)) {
    if (file_ < 0) give_up("open");
  }
  ~Upload() { close(file_); }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // Returns when they are durable.
  void append(const char* bytes, std::size_t count) {
    while (size_ + count > reserved_) {
      if (fallocate(file_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(reserved_), kReservedBytes) != 0)
        give_up("fallocate");
      reserved_ += kReservedBytes;
    }
    if (pwrite(file_, bytes, count, static_cast<off_t>(size_)) != static_cast<ssize_t>(count)) give_up("pwrite");
    if (fdatasync(file_) != 0) give_up("fdatasync");
    size_ += count;
  }

 private:
  int file_;
  uint64_t size_ = 0;
  uint64_t reserved_ = 0;
};

std::size_t content_length(std::string_view head) {
  constexpr std::string_view kField = "Content-Length: ";
  std::size_t length = 0;
  const auto field = head.find(kField);
  if (field != head.npos) {
    const char* const digits = head.data() + field + kField.size();
    std::from_chars(digits, head.data() + head.size(), length);
  }
  return length;
}

// The head into `head`, and what came along of the body to the front of `body`; how much that was, -1: nobody is there.
ssize_t receive_head(int fd, std::string& head, char* body) {
  head.clear();
  char piece[16 << 10];
  while (true) {
    const ssize_t got = recv(fd, piece, sizeof piece, 0);
    if (got <= 0) return -1;
    head.append(piece, static_cast<std::size_t>(got));
    const auto end = head.find(kHeadEnd);
    if (end == head.npos) continue;
    const std::string_view rest = std::string_view(head).substr(end + kHeadEnd.size());
    std::memcpy(body, rest.data(), rest.size());
    const auto early = static_cast<ssize_t>(rest.size());
    head.resize(end);
    return early;
  }
}

// Answers until the client goes.
void serve(int fd, Upload& upload, char* body) {
  std::string head;
  while (true) {
    const ssize_t early = receive_head(fd, head, body);
    if (early < 0) return;
    const std::size_t length = content_length(head);
    if (length > kBufferBytes || length % kBlockBytes != 0) give_up("such a length is not taken");
    for (auto got = static_cast<std::size_t>(early); got < length;) {
      const ssize_t more = recv(fd, body + got, length - got, MSG_WAITALL);
      if (more <= 0) return;
      got += static_cast<std::size_t>(more);
    }
    if (length > 0) upload.append(body, length);
    const std::string_view answer = head.starts_with("POST")
                                        ? "HTTP/1.1 201 Created\r\nLocation: /upload\r\nContent-Length: 0\r\n\r\n"
                                        : "HTTP/1.1 204 No Content\r\n\r\n";
    if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size())) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  char* const body = make_buffer();
  const int listener = listen_somewhere();
  for (int number = 0;; ++number) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) give_up("accept");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Upload upload(std::string(argv[1]) + "/" + std::to_string(number));
    serve(fd, upload, body);
    close(fd);
  }
}
