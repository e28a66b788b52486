// What the start-up probe says, with io_uring as it is here and as sandboxes and old kernels have it (by a seccomp
// filter in a child process), and how a ring is set up.
#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "io/uring_ring.h"
#include "tests/io/child.h"
#include "tests/io/open_descriptors.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

// From now on io_uring_setup fails with that in this process.
bool refuse_io_uring(int error) {
  const auto refused = static_cast<uint32_t>(SECCOMP_RET_ERRNO | (static_cast<unsigned>(error) & SECCOMP_RET_DATA));
  std::array<sock_filter, 4> code = {{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_io_uring_setup},
      {BPF_RET | BPF_K, 0, 0, refused},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

std::string message_when_refused(int error) {
  return from_child([error] {
    if (!refuse_io_uring(error)) return std::string("no seccomp");
    const auto probed = io::probe_io_uring();
    return probed ? std::string("it works") : probed.error();
  });
}

bool says(const std::string& text, std::string_view word) {
  return text.find(word) != std::string::npos;
}

// The descriptor of the newest ring of this process.
int newest_ring() {
  int newest = -1;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    const std::string target = std::filesystem::read_symlink(entry.path(), ignored).string();
    if (target == "anon_inode:[io_uring]") newest = std::max(newest, std::stoi(entry.path().filename().string()));
  }
  return newest;
}

int enter_errno(int ring, unsigned submit, unsigned flags) {
  return syscall(SYS_io_uring_enter, ring, submit, 0, flags, nullptr, 0) < 0 ? errno : 0;
}

// A number of the ring's fdinfo, in hexadecimal there.
std::string info_of(int ring, std::string_view name) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(ring));
  for (std::string word, value; info >> word >> value;) {
    if (word == name) return value;
  }
  return "";
}

}  // namespace

TEST_CASE("io_uring works where these tests run") {
  const auto probed = io::probe_io_uring();
  CHECK_MESSAGE(probed.has_value(), (probed ? std::string() : probed.error()));
}

TEST_CASE("the probe leaves no descriptor behind") {
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 10; ++i) CHECK(io::probe_io_uring().has_value());
  CHECK(open_descriptors() == before);
}

TEST_CASE("where a seccomp filter blocks io_uring the message names it and the cure") {
  for (const int error : {EPERM, EACCES}) {
    const std::string message = message_when_refused(error);
    CAPTURE(message);
    CHECK(says(message, "seccomp"));
    CHECK(says(message, "io_uring_setup"));
    CHECK(says(message, "Linux 6.1"));
    CHECK_FALSE(says(message, "\n"));
  }
}

TEST_CASE("where io_uring is missing, too old, or out of something, the message tells which") {
  CHECK(says(message_when_refused(ENOSYS), "missing"));
  CHECK(says(message_when_refused(EINVAL), "too old"));
  CHECK(says(message_when_refused(ENOMEM), "RLIMIT_MEMLOCK"));
  CHECK(says(message_when_refused(EMFILE), "RLIMIT_NOFILE"));
  CHECK(says(message_when_refused(EIO), "EIO"));
}

TEST_CASE("without a free descriptor a ring is refused, and the probe says why") {
  const std::string message = from_child([] {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_NOFILE, &none);
    const auto probed = io::probe_io_uring();
    return probed ? std::string("it works") : probed.error();
  });
  CHECK(says(message, "RLIMIT_NOFILE"));
}

TEST_CASE("a ring serves its own thread alone: SINGLE_ISSUER for submissions, DEFER_TASKRUN for completions") {
  const TestLoop fixture;
  const int ring = newest_ring();
  REQUIRE(ring >= 0);
  int submission = 0;
  int completion = 0;
  std::thread other([&] {
    submission = enter_errno(ring, 1, 0);
    completion = enter_errno(ring, 0, IORING_ENTER_GETEVENTS);
  });
  other.join();
  CHECK(submission == EEXIST);
  CHECK(completion == EEXIST);
  CHECK(enter_errno(ring, 0, IORING_ENTER_GETEVENTS) == 0);
}

TEST_CASE("a ring has room for 1024 submissions and 8192 completions") {
  const TestLoop fixture;
  const int ring = newest_ring();
  REQUIRE(ring >= 0);
  CHECK(info_of(ring, "SqMask:") == "0x3ff");
  CHECK(info_of(ring, "CqMask:") == "0x1fff");
}

}  // namespace ringdrop::test
