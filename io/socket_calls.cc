#include "io/socket_calls.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace ringdrop::io {

Result<int> listen_socket(const Address& address) {
  const int family = address.generic.sa_family;
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(error_from_errno(errno, "socket"));
  const int on = 1;
  if (family == AF_UNIX) {
    // A socket file that a crashed server left behind is nobody's: one that still answers is.
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // Connecting to a file of another kind is refused as well: that one is somebody's.
    struct stat file{};
    if (probe >= 0 && connect(probe, &address.generic, address.length) != 0 && errno == ECONNREFUSED &&
        lstat(address.unix_path.sun_path, &file) == 0 && S_ISSOCK(file.st_mode)) {
      unlink(address.unix_path.sun_path);
    }
    if (probe >= 0) close(probe);
  } else {
    // Not SO_REUSEPORT: a second server would bind the same port in silence.
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Accepted sockets inherit it.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  const char* tried = "bind";
  if (bind(fd, &address.generic, address.length) == 0) {
    // Who may connect is for the directory to say: a proxy is another user.
    if (family == AF_UNIX) chmod(address.unix_path.sun_path, 0666);
    tried = "listen";
    if (listen(fd, SOMAXCONN) == 0) return fd;
  }
  const int error = errno;
  close(fd);
  return std::unexpected(error_from_errno(error, tried));
}

Result<int> stream_socket(const Address& address) {
  const int fd = socket(address.generic.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(error_from_errno(errno, "socket"));
  const int on = 1;
  if (address.generic.sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void limit_unsent_bytes(int fd) {
  const int least = 1;
  // A Unix socket has no such option, but a buffer that the kernel rounds up to a few messages (socket(7)).
  if (setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &least, sizeof least) == 0) return;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
}

void cork_socket(int fd, bool on) {
  const int value = on ? 1 : 0;
  setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

void set_socket_waits(int fd, bool waits) {
  fcntl(fd, F_SETFL, waits ? 0 : O_NONBLOCK);
}

Result<uint64_t> bytes_in_flight(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  // A Unix socket has no such option, and no state in between.
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_CLOSE) {
    return fail(Errc::closed, "send");
  }
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

Address socket_address(int fd) {
  Address address;
  socklen_t length = sizeof(sockaddr_un);
  if (getsockname(fd, &address.generic, &length) == 0) address.length = length;
  return address;
}

}  // namespace ringdrop::io
