#include "server/sd_notify.h"

#include <fmt/format.h>

#include <utility>

#include "io/notify_socket.h"

namespace ringdrop::server {

SdNotify::SdNotify(std::string socket) : socket_(std::move(socket)) {}

void SdNotify::ready(std::string_view status) const {
  if (!socket_.empty()) io::send_notification(socket_, fmt::format("READY=1\nSTATUS={}", status));
}

void SdNotify::stopping(long extend_usec) const {
  if (socket_.empty()) return;
  io::send_notification(socket_, fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", extend_usec));
}

}  // namespace ringdrop::server
