#include "tests/sim/sim_server.h"

#include <utility>

#include "tests/sim/run_task.h"

namespace ringdrop::sim {

server::Config SimServer::small_config() {
  server::Config config;
  config.listen = {"127.0.0.1:0"};
  config.data_dir = "data";
  config.memory_budget_bytes = 64 * kMiB;
  config.max_upload_bytes = 64 * kMiB;
  config.min_free_bytes = 0;
  return config;
}

SimServer::SimServer(World& world, server::Config config, unsigned loops)
    : world_(world),
      config_(std::move(config)),
      checkpoint_bytes_(64 * kKiB << world.chance().below(7)),
      vfs_(world),
      client_loop_(world.add_loop()),
      space_(config_.durability == server::Durability::full ? storage::Durability::full : storage::Durability::process,
             config_.min_free_bytes, config_.open_files) {
  for (unsigned i = 0; i < loops; ++i) loops_.push_back(&world.add_loop());
}

SimServer::~SimServer() = default;

io::Result<server::RecoveryReport> SimServer::start(std::stop_token stop) {
  io::Result<io::File> lock = run_task(world_, *loops_.front(),
                                       storage::BlobStore::prepare(*loops_.front(), config_.data_dir.string(), space_));
  if (!lock) return std::unexpected(lock.error());
  lock_.emplace(std::move(*lock));

  db::CatalogueOptions options;
  options.path = config_.data_dir.string() + "/catalogue.sqlite3";
  options.vfs = vfs_.name();
  options.checkpoint_bytes = checkpoint_bytes_;
  options.durability = config_.durability == server::Durability::full ? db::Durability::full : db::Durability::process;
  loops_.front()->ring().random(options.fresh_key);
  auto file = db::CatalogueFile::open(options, world_.log());
  if (!file) return std::unexpected(file.error());
  file_ = std::move(*file);
  SimLane& writer = world_.add_lane(file_.get());
  SimLane& reader = world_.add_lane(&file_->reads());
  SimLane& checkpointer = world_.add_lane();
  catalogue_ = std::make_unique<db::Catalogue>(*file_, writer, reader, checkpointer);
  server_ = std::make_unique<server::Server>(config_, loops_, space_, *catalogue_, world_.add_lane(),
                                             config_.max_connections);
  return run_task(world_, *loops_.front(), server_->start(std::move(stop)));
}

void SimServer::stop(io::Milliseconds grace) {
  run_task(world_, *loops_.front(), server_->stop(world_.now() + grace));
}

db::Database SimServer::open_catalogue() {
  db::OpenOptions how;
  how.path = "data/catalogue.sqlite3";
  how.role = db::Role::writer;
  how.vfs = vfs().name();
  return *db::Database::open(how);
}

}  // namespace ringdrop::sim
