// What the service manager is told (sd_notify(3)): READY, STOPPING, STATUS. Nothing happens without NOTIFY_SOCKET.
#pragma once

#include <string>
#include <string_view>

namespace ringdrop::server {

class SdNotify {
 public:
  // `socket` is the value of NOTIFY_SOCKET; empty: nobody listens.
  explicit SdNotify(std::string socket);

  void ready(std::string_view status) const;
  // With the time that the manager is asked to wait.
  void stopping(long extend_usec) const;

 private:
  std::string socket_;
};

}  // namespace ringdrop::server
