// Whether an upload could be taken now, for load balancers and watchdogs. One a loop.
#pragma once

#include <optional>

#include "io/clock.h"
#include "io/task.h"
#include "proto/http_message.h"
#include "server/services.h"

namespace ringdrop::server {

class Readiness {
 public:
  // `services` outlives it.
  explicit Readiness(const Services& services) : services_(services) {}

  // nullopt: ready; else 503 `not_ready` and why. Asks the disk, so at most once a second; a change of what
  // it says is logged, as the catalogue's troubles and a failed sync were by who met them.
  io::Task<std::optional<proto::Rejection>> trouble();

 private:
  io::Task<std::optional<proto::Rejection>> look();

  const Services& services_;
  std::optional<io::TimePoint> looked_at_;
  std::optional<proto::Rejection> trouble_;  // as of the last look
};

}  // namespace ringdrop::server
