// What a program may know of the terminal that it writes to.
#pragma once

namespace ringdrop::io {

bool is_terminal(int fd);

// Columns of the terminal (TIOCGWINSZ); `otherwise` when it does not say.
unsigned terminal_columns(int fd, unsigned otherwise);

}  // namespace ringdrop::io
