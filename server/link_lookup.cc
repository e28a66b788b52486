#include "server/link_lookup.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "server/http_error.h"

namespace ringdrop::server {

io::Task<std::expected<db::Link, proto::Rejection>> find_link(const Services& services, std::string_view token) {
  io::Result<std::optional<db::Link>> found =
      co_await services.catalogue.find(services.loop, token, services.loop.epoch_ms());
  if (!found) {
    services.loop.log().error(fmt::format("a link cannot be looked up: {}", io::describe(found.error())));
    co_return std::unexpected(rejection_for(found.error()));
  }
  if (!*found) co_return std::unexpected(errors::kNotFound);
  co_return std::move(**found);
}

HotLinks::Ptr find_hot_link(const Services& services, std::string_view token) {
  return services.hot_links.find(token, services.catalogue.version_of(token), services.loop.epoch_ms());
}

io::Task<std::expected<HotLinks::Ptr, proto::Rejection>> find_link_to_download(const Services& services,
                                                                               std::string_view token) {
  const uint64_t version = services.catalogue.version_of(token);
  std::expected<db::Link, proto::Rejection> link = co_await find_link(services, token);
  if (!link) co_return std::unexpected(link.error());
  co_return services.hot_links.keep(std::move(*link), version);
}

}  // namespace ringdrop::server
