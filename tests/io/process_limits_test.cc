#include "io/process_limits.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/io/child.h"

namespace ringdrop::test {

TEST_CASE("the descriptor limit is raised to the hard limit, and told") {
  const std::string told = from_child([] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit = {64, 200};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return std::string("setrlimit");
    const uint64_t raised = io::raise_descriptor_limit();
    getrlimit(RLIMIT_NOFILE, &limit);
    return std::to_string(raised) + " " + std::to_string(limit.rlim_cur) + " " + std::to_string(limit.rlim_max);
  });
  CHECK(told == "200 200 200");
}

TEST_CASE("who runs under another scheduling policy keeps it, and its nice value") {
  const auto policy_after = [](int policy) {
    return from_child([policy] {
      const sched_param none{};
      if (sched_setscheduler(0, policy, &none) != 0 || setpriority(PRIO_PROCESS, 0, 5) != 0) return std::string("set");
      io::prefer_short_slices();
      return std::to_string(sched_getscheduler(0)) + " " + std::to_string(getpriority(PRIO_PROCESS, 0));
    });
  };
  CHECK(policy_after(SCHED_BATCH) == std::to_string(SCHED_BATCH) + " 5");
  CHECK(policy_after(SCHED_OTHER) == std::to_string(SCHED_OTHER) + " 5");
}

TEST_CASE("without CAP_IPC_LOCK as much can be locked as RLIMIT_MEMLOCK says") {
  const auto lockable_with = [](rlim_t limit) {
    return from_child([limit] {
      const rlimit locked{limit, limit};
      if (setrlimit(RLIMIT_MEMLOCK, &locked) != 0) return std::string("setrlimit");
      __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
      __user_cap_data_struct none[2] = {};
      if (syscall(SYS_capset, &header, none) != 0) return std::string("capset");
      return std::to_string(io::lockable_bytes());
    });
  };
  CHECK(lockable_with(65'536) == "65536");
  CHECK(lockable_with(0) == "0");
}

TEST_CASE("with CAP_IPC_LOCK there is no limit") {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  REQUIRE(syscall(SYS_capget, &header, data) == 0);
  if ((data[0].effective & (1U << CAP_IPC_LOCK)) == 0) return;
  const std::string lockable = from_child([] {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_MEMLOCK, &none);
    return std::to_string(io::lockable_bytes());
  });
  CHECK(lockable == std::to_string(UINT64_MAX));
}

TEST_CASE("only the CPUs that the process may use are counted") {
  CHECK(io::usable_cpus() >= 1);
  const std::string one = from_child([] {
    cpu_set_t all;
    CPU_ZERO(&all);
    sched_getaffinity(0, sizeof all, &all);
    cpu_set_t first;
    CPU_ZERO(&first);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &first);
    }
    sched_setaffinity(0, sizeof first, &first);
    return std::to_string(io::usable_cpus());
  });
  CHECK(one == "1");
}

}  // namespace ringdrop::test
