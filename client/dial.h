// How a connection to the server comes about: its name is looked up, its addresses are tried in order, and for https
// hands are shaken.
#pragma once

#include <memory>
#include <stop_token>

#include "client/failure.h"
#include "io/event_loop.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/tls.h"
#include "io/worker.h"
#include "proto/http_url.h"

namespace ringdrop::client {

// For one address, and once more for the handshake.
inline constexpr io::Milliseconds kConnectLimit{10'000};

// `trust` is there when the URL is https. again: nobody answers, or the name cannot be looked up now. final: there is
// no such name, or the certificate is not to be trusted.
io::Task<Outcome<std::unique_ptr<io::Stream>>> dial(io::EventLoop& loop, io::Lane& lane, const proto::HttpUrl& server,
                                                    const io::TlsTrust* trust, const std::stop_token& stop);

}  // namespace ringdrop::client
