// "The Nth operation fails", for every N until the scenario passes untouched: the client gets a clear answer or a
// closed connection, the server goes on, and no acknowledged byte is lost.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "tests/sim/disk_faults.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ringdrop::sim {
namespace {

// Uploads and downloads once while disk operation number `n` fails; whether it was reached.
bool upload_with_failure(uint64_t n, int error) {
  SimDisk disk(256 * kMiB);
  World world(n * 131 + static_cast<uint64_t>(error), disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  const std::string content = content_of(n, 300'000);
  uint64_t seen = 0;
  bool reached = false;
  io::Op failed_op{};
  world.fault = [&](const io::Request& request) {
    if (!touches_disk(request.op) || seen++ != n) return 0;
    reached = true;
    failed_op = request.op;
    return error;
  };
  io::EventLoop& loop = server.client_loop();
  const auto created = run_task(world, loop, put(world, loop, server.address(), "x", content, n % 2 == 1));
  REQUIRE(created);
  CAPTURE(n);
  CAPTURE(static_cast<int>(failed_op));
  CAPTURE(created->head);
  if (created->status == 201) {
    const auto found = run_task(world, loop, get(world, loop, server.address(), path_of(created->body)));
    // A failed read is a clean 500 or a cut connection, never a short success.
    if (found && found->status == 200) {
      CHECK(found->body == content);
    } else if (found) {
      CHECK(found->status >= 500);
    }
    world.fault = nullptr;
    const auto again = run_task(world, loop, get(world, loop, server.address(), path_of(created->body)));
    REQUIRE(again);
    CHECK(again->status == 200);
    CHECK(again->body == content);
  } else {
    CHECK((created->status == 507 || created->status == 500 || created->status == 503));
    CHECK(created->body.starts_with("ringdrop: "));
  }
  world.fault = nullptr;
  // Nobody else is hurt, unless a sync failed: then the store takes nothing more until it was looked at.
  const bool sync_failed = reached && (failed_op == io::Op::sync_data || failed_op == io::Op::sync_all);
  const auto other = run_task(world, loop, put(world, loop, server.address(), "y", "other"));
  REQUIRE(other);
  CHECK(other->status == (sync_failed ? 500 : 201));
  server.stop();
  CHECK(world.open_descriptors() <= 2);  // the lock, and the one that the catalogue's directory may hold
  return reached;
}

std::size_t blob_files(const SimDisk& disk) {
  std::size_t files = 0;
  const InodePtr blobs = disk.root()->entries.at("data")->entries.at("blobs");
  for (const auto& [name, directory] : blobs->entries) files += directory->entries.size();
  return files;
}

server::Config config_for(uint64_t small_file_bytes) {
  server::Config config = SimServer::small_config();
  config.small_file_bytes = small_file_bytes;
  return config;
}

// Uploads a form of three files while disk operation number `n` fails, deletes the last of them, starts again; whether
// the operation was reached.
bool form_with_failure(uint64_t n, int error, uint64_t small_file_bytes) {
  SimDisk disk(256 * kMiB);
  const std::vector<std::string> contents = {content_of(n, 50'000), content_of(n + 1, 0), content_of(n + 2, 1'000)};
  bool reached = false;
  std::size_t expected_files = 0;
  std::vector<std::string> kept;  // paths of the links that are left
  {
    World world(n * 137 + static_cast<uint64_t>(error), disk);
    SimServer server(world, config_for(small_file_bytes), 1);
    REQUIRE(server.start());
    uint64_t seen = 0;
    world.fault = [&](const io::Request& request) {
      if (!touches_disk(request.op) || seen++ != n) return 0;
      reached = true;
      return error;
    };
    io::EventLoop& loop = server.client_loop();
    const std::string body = form_of(contents);
    std::string request = fmt::format(
        "POST / HTTP/1.1\r\nHost: sim\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.size());
    request += body;
    const auto created = run_task(world, loop, ask(world, loop, server.address(), std::move(request)));
    REQUIRE(created);
    CAPTURE(n);
    CAPTURE(created->head);
    if (created->status == 201) {
      expected_files = 1;  // the empty one never has a file
      std::string_view lines = created->body;
      for (std::size_t i = 0; i + 1 < contents.size(); ++i) {
        kept.emplace_back(path_of(lines.substr(0, lines.find('\n'))));
        lines.remove_prefix(lines.find('\n') + 1);
      }
      // One is deleted again, and the sweeper meets the failure if nobody has yet.
      const std::string url = created->fields.at("x-url-delete");
      std::string remove = fmt::format("DELETE {} HTTP/1.1\r\nHost: sim\r\n\r\n", path_of(url));
      const auto removed = run_task(world, loop, ask(world, loop, server.address(), std::move(remove)));
      REQUIRE(removed);
      CHECK(removed->status == 200);
    } else {
      CHECK(created->status >= 500);
    }
    world.run_for(io::Milliseconds(3'000));
    world.fault = nullptr;
    server.stop();
  }
  World world(n, disk);
  SimServer server(world, config_for(small_file_bytes), 1);
  REQUIRE(server.start());
  world.run_for(io::Milliseconds(3'000));
  CHECK(blob_files(disk) == expected_files);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto found =
        run_task(world, server.client_loop(), get(world, server.client_loop(), server.address(), kept[i]));
    REQUIRE(found);
    CHECK(found->status == 200);
    CHECK(found->body == contents[i]);
  }
  server.stop();
  return reached;
}

TEST_CASE(
    "whichever disk operation fails during a form, all of its files are there or none, and nothing is left over") {
  for (const int error : kDiskErrors) {
    CAPTURE(error);
    for (const uint64_t small_file_bytes : {0U, 8192U}) {
      CAPTURE(small_file_bytes);
      uint64_t n = 0;
      while (form_with_failure(n, error, small_file_bytes)) ++n;
      CHECK(n > 10);
    }
  }
}

TEST_CASE("whichever disk operation fails, the client hears of it and the server goes on") {
  for (const int error : kDiskErrors) {
    CAPTURE(error);
    uint64_t n = 0;
    while (upload_with_failure(n, error)) ++n;
    CHECK(n > 5);
  }
}

TEST_CASE("a failed sync is never tried again: the storage takes nothing more, what was stored stays readable") {
  SimDisk disk(256 * kMiB);
  World world(1, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  const auto first = run_task(world, loop, put(world, loop, server.address(), "a", "kept"));
  REQUIRE(first);
  world.fault = [](const io::Request& request) { return request.op == io::Op::sync_data ? EIO : 0; };
  const auto failed = run_task(world, loop, put(world, loop, server.address(), "b", content_of(1, 20'000)));
  REQUIRE(failed);
  CHECK(failed->status == 500);
  world.fault = nullptr;
  const auto refused = run_task(world, loop, put(world, loop, server.address(), "c", "refused"));
  REQUIRE(refused);
  CHECK(refused->status == 500);  // though it would need no sync of a file
  const auto kept = run_task(world, loop, get(world, loop, server.address(), path_of(first->body)));
  REQUIRE(kept);
  CHECK(kept->body == "kept");
  server.stop();
}

TEST_CASE("a full disk is a 507, before the body when its size is declared, and frees what was written") {
  SimDisk disk(8 * kMiB);
  World world(1, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  SimClient client(world, loop, server.address());
  const auto asked =
      run_task(world, loop,
               client.send("PUT /x HTTP/1.1\r\nHost: sim\r\nContent-Length: 20000000\r\nExpect: 100-continue\r\n\r\n"));
  REQUIRE(asked);
  const auto refused = run_task(world, loop, client.receive());
  REQUIRE(refused);
  CHECK(refused->status == 507);
  CHECK(client.interim_responses() == 0);
  const auto chunked = run_task(world, loop, put(world, loop, server.address(), "x", content_of(1, 9'000'000), true));
  if (chunked) CHECK(chunked->status == 507);
  const auto small = run_task(world, loop, put(world, loop, server.address(), "x", content_of(2, 1'000'000)));
  REQUIRE(small);
  CHECK(small->status == 201);
  server.stop();
}

// Takes all space that is left, as somebody else's file.
InodePtr fill(SimDisk& disk) {
  InodePtr filler;
  REQUIRE(disk.open(disk.root(), "filler", O_CREAT, filler) == 0);
  REQUIRE(disk.resize(*filler, disk.status().free_bytes) == 0);
  return filler;
}

std::string lasting(uint64_t seconds, const std::string& content) {
  return fmt::format("PUT /x HTTP/1.1\r\nHost: sim\r\nExpires-In: {}s\r\nContent-Length: {}\r\n\r\n{}", seconds,
                     content.size(), content);
}

TEST_CASE("a disk that small files have filled takes files again when they have ended") {
  SimDisk disk(64 * kMiB);
  World world(1, disk);
  server::Config config = SimServer::small_config();
  config.min_free_bytes = 8 * kMiB;
  SimServer server(world, config, 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  int taken = 0;
  for (;; ++taken) {
    const auto created = run_task(world, loop, ask(world, loop, server.address(), lasting(60, content_of(1, 8'000))));
    REQUIRE(created);
    if (created->status == 507) break;
    REQUIRE(created->status == 201);
  }
  CHECK(taken > 500);
  world.run_for(io::Milliseconds(90'000));
  CHECK(disk.status().free_bytes > 32 * kMiB);
  const auto large = run_task(world, loop, put(world, loop, server.address(), "x", content_of(2, 20'000'000)));
  REQUIRE(large);
  CHECK(large->status == 201);
  server.stop();
}

// How long it takes to remove what 320 links have left that end in the same second, from the first round of 64 on,
// where each file takes its time. `free_bytes`: of a disk of 64 MiB, then.
io::TimePoint::duration time_to_sweep(uint64_t seed, uint64_t free_bytes) {
  SimDisk disk(64 * kMiB);
  World world(seed, disk);
  SimServer server(world, config_for(0), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  const auto upload = [&]() -> io::Task<> {
    const auto created = co_await ask(world, loop, server.address(), lasting(60, content_of(1, 100)));
    REQUIRE(created);
    CHECK(created->status == 201);
  };
  io::TaskScope scope(loop);
  for (int i = 0; i < 320; ++i) scope.spawn(upload());
  REQUIRE(world.run_until([&] { return scope.size() == 0; }));
  const InodePtr filler = fill(disk);
  REQUIRE(disk.resize(*filler, filler->content.size - free_bytes) == 0);
  world.delay = [](const io::Request& request) { return io::Milliseconds(request.op == io::Op::unlink ? 1 : 0); };
  // The first round may have come when some had not ended yet; then the next one is a second later, whatever is free.
  REQUIRE(world.run_until([&] { return blob_files(disk) <= 320 - 64; }));
  const io::TimePoint began = world.now();
  REQUIRE(world.run_until([&] { return blob_files(disk) == 0; }));
  const auto took = world.now() - began;
  server.stop();
  return took;
}

TEST_CASE("what has ended is removed at leisure where much of the disk is free, at once where little is") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    const auto at_leisure = time_to_sweep(seed, 20 * kMiB);
    const auto at_once = time_to_sweep(seed, 3 * kMiB);
    CHECK(at_leisure > 4 * at_once);
    CHECK(at_leisure < io::Milliseconds(10'000));
  }
}

TEST_CASE("on a disk without a byte left a link that ends makes room") {
  SimDisk disk(8 * kMiB);
  World world(1, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  const auto created = run_task(world, loop, ask(world, loop, server.address(), lasting(10, content_of(1, 2'000'000))));
  REQUIRE(created);
  REQUIRE(created->status == 201);
  fill(disk);
  world.run_for(io::Milliseconds(1'500));  // the next look at the free space
  const auto refused = run_task(world, loop, put(world, loop, server.address(), "x", "small"));
  REQUIRE(refused);
  CHECK(refused->status == 507);
  world.run_for(io::Milliseconds(20'000));
  CHECK(blob_files(disk) == 0);
  const auto small = run_task(world, loop, put(world, loop, server.address(), "x", content_of(2, 1'000'000)));
  REQUIRE(small);
  CHECK(small->status == 201);
  server.stop();
}

TEST_CASE("the sweeper that a full disk keeps from its work does it seconds after there is room") {
  SimDisk disk(8 * kMiB);
  {
    World world(1, disk);
    SimServer server(world, SimServer::small_config(), 1);
    REQUIRE(server.start());
    io::EventLoop& loop = server.client_loop();
    const auto created =
        run_task(world, loop, ask(world, loop, server.address(), lasting(60, content_of(1, 2'000'000))));
    REQUIRE(created);
    REQUIRE(created->status == 201);
    server.stop();
  }
  // Full before the start, which empties the catalogue's log and cannot hold space for it.
  const InodePtr log = disk.root()->entries.at("data")->entries.at("catalogue.sqlite3-wal");
  REQUIRE(disk.resize(*log, 0) == 0);
  const InodePtr filler = fill(disk);
  World world(2, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  world.run_for(io::Milliseconds(100'000));
  CHECK(blob_files(disk) == 1);
  io::EventLoop& loop = server.client_loop();
  const auto not_ready = run_task(world, loop, get(world, loop, server.address(), "/readyz"));
  REQUIRE(not_ready);
  CHECK(not_ready->status == 503);
  CHECK(not_ready->body.find("no space for writes to the catalogue") != std::string::npos);

  REQUIRE(disk.resize(*filler, 0) == 0);
  world.run_for(io::Milliseconds(5'000));
  CHECK(blob_files(disk) == 0);
  const auto ready = run_task(world, loop, get(world, loop, server.address(), "/readyz"));
  REQUIRE(ready);
  CHECK(ready->status == 200);
  server.stop();
}

}  // namespace
}  // namespace ringdrop::sim
