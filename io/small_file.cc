#include "io/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace ringdrop::io {
namespace {

// Closes at the end of a block.
struct Descriptor {
  explicit Descriptor(int opened) : fd(opened) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

std::unexpected<Error> last_error(const char* op) {
  return std::unexpected(error_from_errno(errno, op));
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<> make_directories(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  const std::string parent = directory_of(directory);
  if (errno != ENOENT || parent == directory) return last_error("mkdir");
  const Result<> made = make_directories(parent);
  if (!made) return made;
  if (mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return last_error("mkdir");
}

Result<> write_and_sync(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return last_error("write");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(fd) != 0) return last_error("fsync");
  return {};
}

}  // namespace

Result<std::string> read_small_file(const std::string& path, std::size_t most_bytes) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) return last_error("open");
  struct stat status{};
  if (fstat(file.fd, &status) != 0) return last_error("stat");
  if (!S_ISREG(status.st_mode)) return fail(Errc::refused, "open");
  std::string content(most_bytes + 1, '\0');
  std::size_t bytes = 0;
  while (bytes < content.size()) {
    const ssize_t got = read(file.fd, content.data() + bytes, content.size() - bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error("read");
    if (got == 0) break;
    bytes += static_cast<std::size_t>(got);
  }
  if (bytes > most_bytes) return fail(Errc::refused, "read");
  content.resize(bytes);
  return content;
}

Result<> replace_small_file(const std::string& path, std::string_view content) {
  const std::string directory = directory_of(path);
  const Result<> made = make_directories(directory);
  if (!made) return made;
  std::string temporary = path + ".XXXXXX";
  Result<> written;
  {
    const Descriptor file(mkostemp(temporary.data(), O_CLOEXEC));  // 0600, mkostemp(3)
    if (file.fd < 0) return last_error("create");
    written = write_and_sync(file.fd, content);
  }
  if (written && rename(temporary.c_str(), path.c_str()) != 0) written = last_error("rename");
  if (!written) {
    unlink(temporary.c_str());
    return written;
  }
  const Descriptor parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.fd < 0 || fsync(parent.fd) != 0) return last_error("fsync");
  return {};
}

Result<> remove_small_file(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return last_error("unlink");
}

}  // namespace ringdrop::io
