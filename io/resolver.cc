#include "io/resolver.h"

#include <netdb.h>

#include <cstring>
#include <memory>
#include <utility>

namespace ringdrop::io {
namespace {

Result<std::vector<Address>> look_up(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const int failed = getaddrinfo(host.c_str(), service.c_str(), &hints, &found);
  if (failed != 0) {
    const bool nobody = failed == EAI_NONAME || failed == EAI_NODATA;
    return fail(nobody ? Errc::not_found : Errc::system, gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    Address address;
    std::memcpy(&address.generic, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
    addresses.push_back(address);
  }
  if (addresses.empty()) return fail(Errc::not_found, gai_strerror(EAI_NONAME));
  return addresses;
}

}  // namespace

Task<Result<std::vector<Address>>> resolve(EventLoop& loop, Lane& lane, const std::string& host, uint16_t port) {
  auto found = co_await run_on(loop, lane, [&] { return look_up(host, port); });
  if (!found) co_return std::unexpected(found.error());
  co_return std::move(*found);
}

}  // namespace ringdrop::io
