#include "tests/sim/world.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "io/buffer_pool.h"

namespace ringdrop::sim {
namespace {

constexpr uint64_t kLongestOperationUs = 2'000;

bool waits_for_peer(io::Op op) {
  switch (op) {
    case io::Op::accept:
    case io::Op::receive:
    case io::Op::send:
    case io::Op::wait_readable:
    case io::Op::wait_writable:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool SimLane::enqueue(io::Job& job, io::Ring& ring) {
  queue_.push_back({&job, &ring});
  return true;
}

void SimLane::run_some(Random& chance) {
  const std::size_t count = batch_ ? chance.between(1, queue_.size()) : 1;
  std::vector<Queued> taken(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  if (batch_) {
    std::vector<io::Job*> jobs;
    for (const Queued& item : taken) jobs.push_back(item.job);
    batch_->run_all(jobs);
  } else {
    taken.front().job->run();
  }
  for (const Queued& item : taken) item.ring->complete_from_thread(*item.job, 0);
}

bool touches_disk(io::Op op) {
  switch (op) {
    case io::Op::open:
    case io::Op::read:
    case io::Op::write:
    case io::Op::sync_data:
    case io::Op::sync_all:
    case io::Op::allocate:
    case io::Op::truncate:
    case io::Op::stat:
    case io::Op::make_directory:
    case io::Op::unlink:
    case io::Op::list_directory:
    case io::Op::file_system:
      return true;
    default:
      return false;
  }
}

World::World(uint64_t seed, SimDisk& disk, io::EpochMs boot_ms)
    : chance_(seed), pace_(~seed), turns_take_time_(seed % 2 == 0), disk_(disk), boot_ms_(boot_ms) {}

World::~World() = default;

io::EventLoop& World::add_loop() {
  loops_.push_back(std::make_unique<LoopParts>(*this));
  return loops_.back()->loop;
}

SimLane& World::add_lane(io::Batch* batch) {
  lanes_.push_back(std::make_unique<SimLane>(batch));
  return *lanes_.back();
}

io::EpochMs World::epoch_ms() const {
  return boot_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(now_ - kBootTime).count();
}

// Most steps are short; a long one is longer than a loop resumes coroutines in one turn.
io::TimePoint World::now_in_turn() {
  if (now_ >= turn_limit_) return now_;
  const uint64_t took_us = pace_.one_in(32) ? pace_.below(200) : pace_.below(4);
  now_ = std::min(turn_limit_, now_ + std::chrono::microseconds(took_us));
  return now_;
}

bool World::loop_is_due(const LoopParts& parts) const {
  return parts.ring.woken_ || !parts.ring.done_.empty() || parts.ring.until_ <= now_;
}

bool World::step() {
  return step_before(io::kNever);
}

void World::run_for(io::Milliseconds time) {
  const io::TimePoint end = now_ + time;
  while (now_ < end) {
    if (!step_before(end)) now_ = end;
  }
}

// One event, if it comes before `limit`.
bool World::step_before(io::TimePoint limit) {
  struct Choice {
    LoopParts* loop = nullptr;
    SimLane* lane = nullptr;
    io::Operation* operation = nullptr;
  };
  std::vector<Choice> choices;
  for (const auto& parts : loops_) {
    if (loop_is_due(*parts)) choices.push_back({.loop = parts.get()});
  }
  for (const auto& lane : lanes_) {
    if (!lane->queue_.empty()) choices.push_back({.lane = lane.get()});
  }
  for (const InFlight& item : in_flight_) {
    if (item.due <= now_ && can_progress(item)) choices.push_back({.operation = item.operation});
  }
  if (choices.empty()) return advance_clock(limit);

  const Choice choice = choices[chance_.below(choices.size())];
  if (choice.loop) {
    turn_limit_ = turns_take_time_ ? limit : io::TimePoint{};
    choice.loop->loop.turn();
    turn_limit_ = {};
  } else if (choice.lane) {
    choice.lane->run_some(chance_);
  } else {
    const auto item = std::ranges::find(in_flight_, choice.operation, &InFlight::operation);
    const std::optional<int32_t> result = progress(*item);
    if (result) {
      SimRing& ring = *item->ring;
      io::Operation& operation = *item->operation;
      in_flight_.erase(item);
      ring.complete_from_thread(operation, *result);
    }
  }
  return true;
}

bool World::advance_clock(io::TimePoint limit) {
  io::TimePoint next = io::kNever;
  for (const auto& parts : loops_) next = std::min(next, parts->ring.until_);
  for (const InFlight& item : in_flight_) {
    if (item.due > now_) next = std::min(next, item.due);
  }
  if (next >= limit) return false;
  now_ = std::max(now_, next);
  return true;
}

bool World::run_until(const std::function<bool()>& done, uint64_t most) {
  for (uint64_t i = 0; i < most; ++i) {
    if (done()) return true;
    if (!step()) return done();
  }
  return done();
}

void World::submit(SimRing& ring, io::Operation& operation) {
  io::TimePoint due = now_ + std::chrono::microseconds(chance_.below(kLongestOperationUs));
  if (delay) due += delay(operation.request);
  in_flight_.push_back({&ring, &operation, due});
}

void World::cancel(io::Operation& operation) {
  const auto item = std::ranges::find(in_flight_, &operation, &InFlight::operation);
  if (item != in_flight_.end()) item->cancelled = true;
}

template <class T>
T* World::find(int fd) {
  const auto found = descriptors_.find(fd);
  return found == descriptors_.end() ? nullptr : std::get_if<T>(&found->second);
}

SimSocket* World::socket_of(int fd) {
  const auto* socket = find<std::shared_ptr<SimSocket>>(fd);
  return socket ? socket->get() : nullptr;
}

int World::add_descriptor(Descriptor descriptor) {
  descriptors_.emplace(next_fd_, std::move(descriptor));
  return next_fd_++;
}

void World::close(int fd) {
  const auto found = descriptors_.find(fd);
  CHECK_THAT(found != descriptors_.end());
  for (const InFlight& item : in_flight_) CHECK_THAT(item.operation->request.fd != fd);
  if (const auto* socket = std::get_if<std::shared_ptr<SimSocket>>(&found->second)) {
    if (const auto peer = (*socket)->peer.lock()) {
      peer->ended = true;
      // Unread bytes: the kernel answers with RST, and the other end may lose what it has not read.
      if (!(*socket)->inbox.empty()) {
        peer->reset = true;
        peer->inbox.clear();
      }
    }
  } else if (const auto* listener = std::get_if<std::shared_ptr<SimListener>>(&found->second)) {
    for (const auto& queued : (*listener)->queue) {
      if (const auto peer = queued->peer.lock()) peer->reset = true;
    }
  } else if (File& file = std::get<File>(found->second); file.holds_lock) {
    file.inode->locked = false;
  }
  descriptors_.erase(found);
}

io::Result<int> World::listen(const io::Address& address) {
  auto listener = std::make_shared<SimListener>();
  listener->address = address;
  if (address.generic.sa_family == AF_INET && address.v4.sin_port == 0) {
    listener->address.v4.sin_port = htons(next_port_++);
  }
  return add_descriptor(std::move(listener));
}

io::Address World::local_address(int fd) {
  const auto* listener = find<std::shared_ptr<SimListener>>(fd);
  return listener ? (*listener)->address : io::Address();
}

io::Result<uint64_t> World::unacknowledged_bytes(int fd) {
  const SimSocket* const socket = socket_of(fd);
  CHECK_THAT(socket != nullptr);
  if (socket->reset) return io::fail(io::Errc::closed, "send");
  const auto peer = socket->peer.lock();
  return peer ? peer->inbox.size() : 0;
}

void World::cork(int fd, bool on) {
  SimSocket* const socket = socket_of(fd);
  CHECK_THAT(socket != nullptr);
  if (const auto peer = socket->peer.lock()) peer->sender_corks = on;
}

void World::set_waits(int fd, bool waits) {
  SimSocket* const socket = socket_of(fd);
  CHECK_THAT(socket != nullptr);
  socket->waits = waits;
}

io::Result<io::SentNow> World::send_file(int socket, Bytes head, int file, uint64_t offset, std::size_t bytes) {
  SimSocket* const sender = socket_of(socket);
  const auto* const source = find<File>(file);
  CHECK_THAT(sender != nullptr && source != nullptr && !sender->waits);
  const auto peer = sender->peer.lock();
  if (!peer || sender->reset || sender->write_shut) return io::fail(io::Errc::closed, "send", EPIPE);
  std::vector<std::byte> all(head.begin(), head.end());
  all.resize(head.size() + bytes);
  const int64_t got = disk_.read(*source->inode, MutableBytes(all).subspan(head.size()), offset);
  CHECK_THAT(got == static_cast<int64_t>(bytes));
  const std::size_t room = peer->inbox_limit - std::min(peer->inbox_limit, peer->inbox.size());
  io::SentNow sent;
  sent.bytes = std::min(room, all.size());
  sent.peer_is_full = sent.bytes < all.size();
  // Now and then the file cannot be sent so after all.
  if (sent.bytes > head.size() && chance_.one_in(16)) {
    sent.bytes = chance_.between(head.size(), sent.bytes - 1);
    sent.peer_is_full = false;
  }
  peer->inbox.insert(peer->inbox.end(), all.begin(), all.begin() + static_cast<std::ptrdiff_t>(sent.bytes));
  return sent;
}

int World::connect(const io::Address& address) {
  for (auto& [fd, descriptor] : descriptors_) {
    auto* listener = std::get_if<std::shared_ptr<SimListener>>(&descriptor);
    if (!listener || io::format_address((*listener)->address) != io::format_address(address)) continue;
    auto ours = std::make_shared<SimSocket>();
    auto theirs = std::make_shared<SimSocket>();
    ours->inbox_limit = chance_.between(1, 128 * 1024);
    theirs->inbox_limit = chance_.between(1, 128 * 1024);
    ours->peer = theirs;
    theirs->peer = ours;
    (*listener)->queue.push_back(theirs);
    return add_descriptor(std::move(ours));
  }
  return -1;
}

bool World::can_progress(const InFlight& item) {
  const io::Request& request = item.operation->request;
  if (item.cancelled || !waits_for_peer(request.op)) return true;
  if (request.op == io::Op::accept) {
    const auto* listener = find<std::shared_ptr<SimListener>>(request.fd);
    return listener && !(*listener)->queue.empty();
  }
  const SimSocket* const socket = socket_of(request.fd);
  CHECK_THAT(socket != nullptr);
  if (request.op == io::Op::receive || request.op == io::Op::wait_readable) {
    return socket->arrived() > 0 || socket->ended || socket->reset;
  }
  const auto peer = socket->peer.lock();
  if (socket->reset || !peer) return true;
  if (request.op == io::Op::send) return peer->inbox.size() < peer->inbox_limit;
  // As the kernel has it (sk_stream_is_writeable): a third must be free before a poll says so.
  return peer->inbox.size() * 3 <= peer->inbox_limit * 2;
}

std::optional<int32_t> World::progress(InFlight& item) {
  const io::Request& request = item.operation->request;
  ++operations_;
  const int injected = fault ? fault(request) : 0;
  if (injected > 0) return -injected;
  if (!waits_for_peer(request.op)) {
    // A disk operation that was asked to stop may have happened already.
    if (item.cancelled && chance_.one_in(2)) return -ECANCELED;
    return carry_out(request);
  }
  if (request.op == io::Op::accept) {
    auto* listener = find<std::shared_ptr<SimListener>>(request.fd);
    CHECK_THAT(listener != nullptr);
    return progress_accept(item, **listener);
  }
  SimSocket* const socket = socket_of(request.fd);
  CHECK_THAT(socket != nullptr);
  if (request.op == io::Op::receive) return progress_receive(item, *socket);
  if (request.op == io::Op::send) return progress_send(item, *socket);
  return item.cancelled ? -ECANCELED : 1;
}

std::optional<int32_t> World::progress_accept(const InFlight& item, SimListener& listener) {
  if (listener.queue.empty()) return -ECANCELED;
  *item.operation->request.address = *io::parse_address("10.0.0.1:4000");
  const int fd = add_descriptor(std::move(listener.queue.front()));
  listener.queue.pop_front();
  return fd;
}

std::optional<int32_t> World::progress_receive(InFlight& item, SimSocket& socket) {
  const io::Request& request = item.operation->request;
  const std::size_t room = request.bytes - item.moved;
  if (socket.arrived() > 0) {
    // All that is there and has room, or what has come by now.
    const std::size_t most = std::min(room, socket.arrived());
    const std::size_t count = chance_.one_in(2) ? most : chance_.between(1, most);
    const auto end = socket.inbox.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(socket.inbox.begin(), end, request.data + item.moved);
    socket.inbox.erase(socket.inbox.begin(), end);
    item.moved += count;
    if (!request.all || item.moved == request.bytes) return static_cast<int32_t>(item.moved);
    if (!item.cancelled) return std::nullopt;
  }
  if (item.moved > 0) return static_cast<int32_t>(item.moved);
  if (socket.reset) return -ECONNRESET;
  return socket.ended ? 0 : -ECANCELED;
}

std::optional<int32_t> World::progress_send(InFlight& item, SimSocket& socket) {
  const io::Request& request = item.operation->request;
  CHECK_THAT(socket.waits || request.bytes2 == 0);
  const auto peer = socket.peer.lock();
  const std::size_t total = request.bytes + request.bytes2;
  if (!peer || socket.reset || socket.write_shut) return item.moved > 0 ? static_cast<int32_t>(item.moved) : -EPIPE;
  const std::size_t room = peer->inbox_limit - std::min(peer->inbox_limit, peer->inbox.size());
  if (room > 0 && item.moved < total) {
    const std::size_t count = chance_.between(1, std::min(room, total - item.moved));
    for (std::size_t i = item.moved; i < item.moved + count; ++i) {
      peer->inbox.push_back(i < request.bytes ? request.data[i] : request.data2[i - request.bytes]);
    }
    item.moved += count;
  }
  if (item.moved == total) return static_cast<int32_t>(total);
  if (!item.cancelled) return std::nullopt;
  return item.moved > 0 ? static_cast<int32_t>(item.moved) : -ECANCELED;
}

int32_t World::carry_out(const io::Request& request) {
  switch (request.op) {
    case io::Op::shutdown_write: {
      SimSocket* const socket = socket_of(request.fd);
      CHECK_THAT(socket != nullptr);
      socket->write_shut = true;
      if (const auto peer = socket->peer.lock()) peer->ended = true;
      return socket->reset ? -ENOTCONN : 0;
    }
    case io::Op::open:
    case io::Op::make_directory:
    case io::Op::unlink: {
      File* const base = request.fd == AT_FDCWD ? nullptr : find<File>(request.fd);
      CHECK_THAT(request.fd == AT_FDCWD || base != nullptr);
      const InodePtr& directory = base ? base->inode : disk_.root();
      if (request.op == io::Op::make_directory) return disk_.make_directory(directory, request.path);
      if (request.op == io::Op::unlink)
        return disk_.unlink(directory, request.path, (request.flags & AT_REMOVEDIR) != 0);
      File opened;
      opened.direct = (request.flags & O_DIRECT) != 0;
      const int error = disk_.open(directory, request.path, request.flags, opened.inode);
      return error != 0 ? error : add_descriptor(std::move(opened));
    }
    case io::Op::make_resident:
      // What was there is gone: of each buffer that lies there the beginning, which is enough to be noticed.
      for (std::size_t at = 0; at < request.bytes; at += io::kSmallBufferBytes) {
        std::memset(request.data + at, 0xA5, std::min(kSectorBytes, request.bytes - at));
      }
      return 0;
    default: {
      File* const file = find<File>(request.fd);
      CHECK_THAT(file != nullptr);
      return carry_out_file(request, *file);
    }
  }
}

int32_t World::carry_out_file(const io::Request& request, File& file) {
  Inode& inode = *file.inode;
  switch (request.op) {
    case io::Op::read:
    case io::Op::write: {
      std::size_t count = request.bytes;
      if (file.direct) {
        const auto address = reinterpret_cast<uintptr_t>(request.data);
        if ((address | request.offset | count) % kSectorBytes != 0) return -EINVAL;
      }
      // Now and then less than was asked for.
      if (count > 1 && chance_.one_in(8)) count = chance_.between(1, count - 1);
      if (request.op == io::Op::read) {
        return static_cast<int32_t>(disk_.read(inode, MutableBytes(request.data, count), request.offset));
      }
      return static_cast<int32_t>(disk_.write(inode, Bytes(request.data, count), request.offset, file.direct));
    }
    case io::Op::sync_data:
    case io::Op::sync_all:
      if (!skip_sync || !skip_sync(file.inode)) disk_.sync(inode);
      return 0;
    case io::Op::write_behind:
      return 0;
    case io::Op::allocate:
      // The simulated disk reserves by growing alone: with KEEP_SIZE nothing is reserved.
      return request.flags == 0 ? disk_.allocate(inode, request.offset + request.length) : 0;
    case io::Op::truncate:
      return disk_.resize(inode, request.length);
    case io::Op::stat:
      *request.file_status = {inode.content.size, !inode.directory, 0, inode.content.size};
      return 0;
    case io::Op::list_directory:
      request.names->clear();
      for (const auto& [name, entry] : inode.entries) request.names->push_back(name);
      return 0;
    case io::Op::file_system:
      *request.file_system_status = disk_.status();
      return 0;
    case io::Op::lock:
      if (inode.locked && !file.holds_lock) return -EWOULDBLOCK;
      inode.locked = file.holds_lock = true;
      return 0;
    default:
      CHECK_THAT(false && "an operation that the simulated world does not know");
      return -ENOSYS;
  }
}

}  // namespace ringdrop::sim
