#include "client/dial.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "io/address.h"
#include "io/connect.h"
#include "io/resolver.h"

namespace ringdrop::client {
namespace {

using io::Result;
using io::Task;

Failure name_failure(const io::Error& error, const std::string& host) {
  const bool nobody = error.code == io::Errc::not_found;
  return {nobody ? Failure::Kind::final : Failure::Kind::again, host + ": " + error.op, std::nullopt};
}

// The first address that answers. The last one's failure speaks for all.
Task<Outcome<io::Socket>> connect_to_any(io::EventLoop& loop, const std::vector<io::Address>& addresses,
                                         const std::stop_token& stop) {
  Failure last;
  for (const io::Address& address : addresses) {
    Result<io::Socket> connected = co_await io::connect(loop, address, loop.now() + kConnectLimit, stop);
    if (connected) co_return std::move(*connected);
    last = connection_failure(connected.error());
    last.words = io::format_address(address) + ": " + last.words;
    if (last.kind == Failure::Kind::cancelled) break;
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace

Failure connection_failure(const io::Error& error) {
  if (error.code == io::Errc::cancelled) return {Failure::Kind::cancelled, "cancelled", std::nullopt};
  // Whoever it is does not speak HTTP/1.1, or not TLS: time does not change that.
  if (error.code == io::Errc::refused) {
    return {Failure::Kind::final, std::string("this is no HTTP/1.1 server: ") + error.op, std::nullopt};
  }
  return {Failure::Kind::again, io::describe(error), std::nullopt};
}

Task<Outcome<std::unique_ptr<io::Stream>>> dial(io::EventLoop& loop, io::Lane& lane, const proto::HttpUrl& server,
                                                const io::TlsTrust* trust, const std::stop_token& stop) {
  const Result<std::vector<io::Address>> addresses = co_await io::resolve(loop, lane, server.host, server.port);
  if (!addresses) co_return std::unexpected(name_failure(addresses.error(), server.host));
  Outcome<io::Socket> socket = co_await connect_to_any(loop, *addresses, stop);
  if (!socket) co_return std::unexpected(std::move(socket.error()));
  if (!server.secure) {
    std::unique_ptr<io::Stream> stream = std::make_unique<io::PlainStream>(loop, std::move(*socket));
    co_return stream;
  }
  CHECK_THAT(trust != nullptr);
  const io::TimePoint deadline = loop.now() + kConnectLimit;
  auto secured = co_await io::TlsStream::connect(loop, std::move(*socket), *trust, server.host, deadline, stop);
  if (secured) co_return std::move(*secured);
  Failure why = connection_failure(secured.error().error);
  if (secured.error().untrusted) why.kind = Failure::Kind::final;
  why.words = std::move(secured.error().words);
  co_return std::unexpected(std::move(why));
}

}  // namespace ringdrop::client
