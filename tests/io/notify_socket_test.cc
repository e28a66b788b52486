#include "io/notify_socket.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "tests/io/temporary_directory.h"

namespace ringdrop::test {
namespace {

// The manager's end.
class Manager {
 public:
  // `name`: a path, or '@' and an abstract name.
  explicit Manager(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(name.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager() { close(fd_); }

  // The next datagram; "" when there is none.
  std::string next() {
    char text[1000];
    const ssize_t got = recv(fd_, text, sizeof text, 0);
    return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string();
  }

 private:
  int fd_;
};

}  // namespace

TEST_CASE("a notification arrives as one datagram, at a path and at an abstract name") {
  const TemporaryDirectory directory;
  for (const std::string& name : {directory / "notify", "@ringdrop-test-" + std::to_string(getpid())}) {
    CAPTURE(name);
    Manager manager(name);
    CHECK(io::send_notification(name, "READY=1\nSTATUS=listening"));
    CHECK(io::send_notification(name, "STOPPING=1"));
    CHECK(manager.next() == "READY=1\nSTATUS=listening");
    CHECK(manager.next() == "STOPPING=1");
    CHECK(manager.next().empty());
  }
}

TEST_CASE("nobody at the path, no path or a path too long: it did not leave") {
  const TemporaryDirectory directory;
  CHECK_FALSE(io::send_notification(directory / "nobody", "READY=1"));
  CHECK_FALSE(io::send_notification("", "READY=1"));
  CHECK_FALSE(io::send_notification("/", "READY=1"));
  CHECK_FALSE(io::send_notification("/" + std::string(200, 'a'), "READY=1"));
}

TEST_CASE("a manager that reads nothing does not block the sender") {
  const TemporaryDirectory directory;
  Manager manager(directory / "notify");
  int sent = 0;
  while (sent < 100'000 && io::send_notification(directory / "notify", "WATCHDOG=1")) ++sent;
  CHECK(sent > 0);
  CHECK(sent < 100'000);
  CHECK(manager.next() == "WATCHDOG=1");
}

}  // namespace ringdrop::test
