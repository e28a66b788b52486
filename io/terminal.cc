#include "io/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace ringdrop::io {

bool is_terminal(int fd) {
  return isatty(fd) == 1;
}

unsigned terminal_columns(int fd, unsigned otherwise) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : otherwise;
}

}  // namespace ringdrop::io
