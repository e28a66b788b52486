// `ringdrop serve`: the process around the Server. Probes the machine, makes threads, rings, lanes and the catalogue,
// waits for signals, stops.
#pragma once

#include <string>

#include "server/config.h"

namespace ringdrop::server {

// Runs until SIGINT or SIGTERM; returns the exit code: 0, 1 (could not start, or the catalogue failed), kExitConfig
// (78: this machine or its configuration cannot run it). `notify_socket` is NOTIFY_SOCKET's value.
int run_server(const Config& config, const std::string& notify_socket);

}  // namespace ringdrop::server
