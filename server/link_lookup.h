// Finding the link that a request names.
#pragma once

#include <expected>
#include <string_view>

#include "db/link.h"
#include "io/task.h"
#include "proto/http_message.h"
#include "server/services.h"

namespace ringdrop::server {

// The link, or how the request is refused: 404 for one that is unknown or has ended; what else fails is logged.
io::Task<std::expected<db::Link, proto::Rejection>> find_link(const Services& services, std::string_view token);

// The same for a download, when it is kept in memory and still true; else nullptr.
HotLinks::Ptr find_hot_link(const Services& services, std::string_view token);
// The same for a download that find_hot_link() has not: kept in memory from now on. Its count of downloads may be old.
io::Task<std::expected<HotLinks::Ptr, proto::Rejection>> find_link_to_download(const Services& services,
                                                                               std::string_view token);

}  // namespace ringdrop::server
