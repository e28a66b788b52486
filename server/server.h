// The server over any number of loops: opens the store on each, recovers, listens, drains. It makes no thread and no
// ring: the process (serve.cc) and the simulated world both lend it loops.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "db/catalogue.h"
#include "io/address.h"
#include "io/event_loop.h"
#include "io/task_scope.h"
#include "server/config.h"
#include "server/disk_relief.h"
#include "server/http/acceptor.h"
#include "server/http/limits.h"
#include "server/recovery.h"
#include "server/server_loop.h"

namespace ringdrop::server {

class Server {
 public:
  // Every call is made on loops.front(). All outlive the server, the array of `loops` too; BlobStore::prepare() has
  // been done. `max_connections` is what descriptors allow, at most the configured number.
  Server(const Config& config, std::span<io::EventLoop* const> loops, storage::BlobSpace& space,
         db::Catalogue& catalogue, io::Lane& digest_lane, std::size_t max_connections);
  ~Server();

  // Opens, recovers, then listens: when it returns, connections are accepted. After an error: stop(). cancelled: `stop`
  // came first.
  io::Task<io::Result<RecoveryReport>> start(std::stop_token stop = {});
  // Where it listens: what port 0 became.
  const std::vector<io::Address>& addresses() const { return addresses_; }
  // Requested when the server cannot go on: the catalogue has failed.
  std::stop_token failure() const { return failure_.get_token(); }

  // Stops accepting, lets transfers run until `cut_at`, closes. Then the server may be destroyed.
  io::Task<> stop(io::TimePoint cut_at);
  // While stop() waits: ends all transfers now.
  io::Task<> cut();

 private:
  io::Task<io::Result<>> open_loops();
  io::Task<io::Result<>> listen(const std::stop_token& stop);
  io::Task<io::Result<io::Listener>> listen_on(const io::Address& address, const std::stop_token& stop);
  io::Task<> watch_catalogue();
  io::Task<> probe_catalogue();
  io::Task<> sweep_for_ever();
  io::Task<io::Result<bool>> sweep_once();
  io::Task<std::chrono::nanoseconds> rest_from_sweep(std::chrono::nanoseconds round);
  io::Task<io::Result<>> release_space();
  io::Task<> save_uploads();
  io::Task<> close(ServerLoop& part, io::TimePoint cut_at);

  const Config& config_;
  const http::HttpLimits limits_;
  db::Catalogue& catalogue_;
  const std::size_t max_connections_;
  io::EventLoop& loop_;
  ProgressHub progress_;  // outlives all who hold its records
  WatcherCounts watchers_;
  std::vector<std::unique_ptr<ServerLoop>> loops_;
  std::vector<http::Connections*> connections_;
  std::vector<std::unique_ptr<http::Acceptor>> acceptors_;
  std::vector<io::Address> addresses_;
  std::string own_host_;
  RunningDownloads running_downloads_;
  UploadRegistry uploads_;
  std::optional<uint64_t> next_left_upload_ = 0;  // see release_left_reservations()
  DiskRelief disk_relief_;
  std::stop_source failure_;
  io::WaitList pause_;
  io::TaskScope accepting_;
};

}  // namespace ringdrop::server
