#include "io/connect.h"

#include "io/pending.h"

namespace ringdrop::io {

Task<Result<Socket>> connect(EventLoop& loop, const Address& address, TimePoint deadline, const std::stop_token& stop) {
  const Result<int> made = loop.ring().make_socket(address);
  if (!made) co_return std::unexpected(made.error());
  OwnedFd fd(loop.ring(), *made);
  Address target = address;
  Request request;
  request.op = Op::connect;
  request.fd = fd.get();
  request.address = &target;
  const Result<> connected = co_await Pending<void>(loop, "connect", request, deadline, &stop);
  if (!connected) co_return std::unexpected(connected.error());
  co_return Socket(loop, std::move(fd));
}

}  // namespace ringdrop::io
