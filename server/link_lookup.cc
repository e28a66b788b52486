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

}  // namespace ringdrop::server
