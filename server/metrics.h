// What the server tells of itself, in the Prometheus text format (version 0.0.4).
#pragma once

#include <string>

#include "server/services.h"

namespace ringdrop::server {

std::string format_metrics(const Services& services);

}  // namespace ringdrop::server
