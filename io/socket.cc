#include "io/socket.h"

namespace ringdrop::io {
namespace {

// The kernel only reads what a send points to; Request has one pointer for both directions.
std::byte* readable(Bytes bytes) {
  return const_cast<std::byte*>(bytes.data());
}

Request receive_request(int fd, MutableBytes into, bool all) {
  Request request;
  request.op = Op::receive;
  request.all = all;
  request.fd = fd;
  request.data = into.data();
  request.bytes = into.size();
  return request;
}

Request plain_request(Op op, int fd) {
  Request request;
  request.op = op;
  request.fd = fd;
  return request;
}

}  // namespace

Pending<std::size_t> Socket::receive_some(MutableBytes into, TimePoint deadline, const std::stop_token& stop) {
  return {loop_, "receive", receive_request(fd_.get(), into, false), deadline, &stop};
}

Pending<std::size_t> Socket::receive_later(MutableBytes into, TimePoint deadline, const std::stop_token& stop) {
  Request request = receive_request(fd_.get(), into, false);
  request.later = true;
  return {loop_, "receive", request, deadline, &stop};
}

Pending<std::size_t> Socket::receive_all(MutableBytes into, TimePoint deadline, const std::stop_token& stop) {
  return {loop_, "receive", receive_request(fd_.get(), into, true), deadline, &stop};
}

Pending<std::size_t> Socket::send_all(Bytes first, Bytes second, TimePoint deadline, const std::stop_token& stop) {
  if (!second.empty()) set_waits(true);
  Request request = plain_request(Op::send, fd_.get());
  request.prompt = true;
  request.data = readable(first);
  request.bytes = first.size();
  request.data2 = second.data();
  request.bytes2 = second.size();
  return {loop_, "send", request, deadline, &stop};
}

Pending<void> Socket::wait_readable(TimePoint deadline, const std::stop_token& stop) {
  return {loop_, "receive", plain_request(Op::wait_readable, fd_.get()), deadline, &stop};
}

Pending<void> Socket::wait_writable(TimePoint deadline, const std::stop_token& stop) {
  return {loop_, "send", plain_request(Op::wait_writable, fd_.get()), deadline, &stop};
}

Pending<void> Socket::shutdown_write() {
  return {loop_, "shutdown", plain_request(Op::shutdown_write, fd_.get())};
}

Pending<OwnedFd> Listener::accept(Address& peer, TimePoint deadline, const std::stop_token& stop) {
  Request request = plain_request(Op::accept, fd_.get());
  request.address = &peer;
  return {loop_, "accept", request, deadline, &stop};
}

Result<Listener> listen(EventLoop& loop, const Address& address) {
  const Result<int> fd = loop.ring().listen(address);
  if (!fd) return std::unexpected(fd.error());
  return Listener(loop, OwnedFd(loop.ring(), *fd));
}

}  // namespace ringdrop::io
