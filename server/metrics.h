// What the server tells of itself, in the Prometheus text format (version 0.0.4).
#pragma once

#include <string>

#include "io/task.h"
#include "server/services.h"

namespace ringdrop::server {

// Suspends: some of it is asked of the kernel on a worker. What cannot be told is left out.
io::Task<std::string> format_metrics(const Services& services);

}  // namespace ringdrop::server
