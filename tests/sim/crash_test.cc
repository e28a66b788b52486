// Power cuts in the middle of everything: what got its 201 is there and whole after the next start, what was deleted is
// not, nothing else is reachable, and nothing is left lying about. Also shown: that the test would notice a disk that
// lies.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/sim/in_child.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ringdrop::sim {
namespace {

struct Acknowledged {
  uint64_t seed = 0;
  std::size_t size = 0;
  // What is known of its deletion: asked for (it may or may not have happened), answered.
  bool delete_asked = false;
  bool deleted = false;
};
using Log = std::map<std::string, Acknowledged>;  // by path

// One life of the server and its clients.
struct Life {
  Life(uint64_t seed, SimDisk& disk) : world(seed, disk), server(world, SimServer::small_config(), 2) {}

  io::Task<> client(Log& log, uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < 4; ++i) {
      if (random.one_in(4)) {
        co_await upload_form(log, random);
      } else {
        co_await upload(log, random);
      }
    }
  }

  io::Task<> upload(Log& log, Random& random) {
    const std::size_t size = random.one_in(6) ? random.below(400'000) : random.below(20'000);
    const uint64_t content_seed = random.next();
    const bool chunked = random.one_in(3);
    const io::Result<Response> created =
        co_await put(world, server.client_loop(), server.address(), "f", content_of(content_seed, size), chunked);
    if (!created || created->status != 201) co_return;
    Acknowledged& mine = log[path_of(created->body)];
    mine = {.seed = content_seed, .size = size};
    if (!random.one_in(3)) co_return;
    mine.delete_asked = true;
    const std::string path = path_of(created->fields.at("x-url-delete"));
    std::string request = fmt::format("DELETE {} HTTP/1.1\r\nHost: sim\r\n\r\n", path);
    const io::Result<Response> gone = co_await ask(world, server.client_loop(), server.address(), std::move(request));
    if (gone && gone->status == 200) mine.deleted = true;
  }

  io::Task<> upload_form(Log& log, Random& random) {
    std::vector<Acknowledged> files(random.between(1, 4));
    std::vector<std::string> contents;
    for (Acknowledged& file : files) {
      file = {.seed = random.next(), .size = random.below(30'000)};
      contents.push_back(content_of(file.seed, file.size));
    }
    const std::string body = form_of(contents);
    std::string request = fmt::format(
        "POST / HTTP/1.1\r\nHost: sim\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.size());
    request += body;
    const io::Result<Response> created =
        co_await ask(world, server.client_loop(), server.address(), std::move(request));
    if (!created || created->status != 201) co_return;
    std::string_view lines = created->body;
    for (const Acknowledged& file : files) {
      log[path_of(lines.substr(0, lines.find('\n')))] = file;
      lines.remove_prefix(lines.find('\n') + 1);
    }
  }

  World world;
  SimServer server;
  std::unique_ptr<io::TaskScope> clients;
};

std::set<std::string> names_in(const InodePtr& directory, std::string_view name) {
  std::set<std::string> names;
  const auto found = directory->entries.find(std::string(name));
  if (found == directory->entries.end()) return names;
  for (const auto& [entry, inode] : found->second->entries) names.insert(entry);
  return names;
}

// Runs clients against a server, cuts the power after `steps` steps of the world.
void live_and_crash(SimDisk& disk, Log& log, uint64_t seed, uint64_t steps) {
  auto life = std::make_unique<Life>(seed, disk);
  if (life->server.start()) {
    life->clients = std::make_unique<io::TaskScope>(life->server.client_loop());
    for (uint64_t i = 0; i < 6; ++i) life->clients->spawn(life->client(log, seed * 100 + i));
    for (uint64_t i = 0; i < steps && life->clients->size() > 0; ++i) life->world.step();
  }
  Random chance(seed);
  // A dead process does not tidy up.
  static_cast<void>(life.release());
  disk.crash(chance);
}

// Starts once more and compares; the number of acknowledged files that are not there or not equal.
int check_after_crash(SimDisk& disk, const Log& log, uint64_t seed) {
  World world(seed, disk);
  SimServer server(world, SimServer::small_config(), 2);
  const auto started = server.start();
  if (!started) MESSAGE(io::describe(started.error()));
  if (!started) return static_cast<int>(log.size());
  int lost = 0;
  for (const auto& [path, what] : log) {
    const auto found = run_task(world, server.client_loop(), get(world, server.client_loop(), server.address(), path));
    const bool whole = found && found->status == 200 && found->body == content_of(what.seed, what.size);
    const bool gone = found && found->status == 404;
    if (what.deleted ? !gone : !(whole || (what.delete_asked && gone))) ++lost;
  }
  // The sweeper's time.
  world.run_for(io::Milliseconds(5'000));
  // Every file has a row: nothing unfinished is left, reachable or not.
  const auto named =
      run_task(world, server.client_loop(), server.catalogue().files_between(server.client_loop(), 0, INT64_MAX));
  if (!named) return -1;
  std::set<std::string> expected;
  for (const uint64_t file : *named) {
    expected.insert(
        fmt::format("{:08x}/{:03x}", file / storage::kFilesPerDirectory, file % storage::kFilesPerDirectory));
  }
  std::set<std::string> present;
  const InodePtr data = disk.root()->entries.at("data");
  for (const std::string& directory : names_in(data, "blobs")) {
    for (const std::string& file : names_in(data->entries.at("blobs"), directory))
      present.insert(directory + "/" + file);
  }
  server.stop();
  if (present != expected || !names_in(data, "unsettled").empty()) ++lost;
  return lost;
}

uint64_t rounds() {
  const char* const wanted = std::getenv("RINGDROP_CRASHES");
  return wanted ? std::strtoull(wanted, nullptr, 10) : 120;
}

// Three lives, each ended by a power cut, then the check.
int crash_rounds(uint64_t seed) {
  SimDisk disk(512 * kMiB);
  Log log;
  Random random(seed);
  for (uint64_t life = 0; life < 3; ++life) live_and_crash(disk, log, seed * 10 + life, random.between(1, 12'000));
  return check_after_crash(disk, log, seed * 10 + 9);
}

// One life on a disk that ignores syncs (but for the making of the tree), then the check.
int crash_on_lying_disk(uint64_t seed) {
  SimDisk disk(512 * kMiB);
  Log log;
  {
    World world(seed, disk);
    SimServer server(world, SimServer::small_config());
    if (!server.start()) return -1;
    server.stop();
  }
  disk.ignore_syncs(true);
  live_and_crash(disk, log, seed, 20'000);
  disk.ignore_syncs(false);
  return check_after_crash(disk, log, seed + 1);
}

// A crash, then a start that is asked to stop before it has recovered anything, then the check.
int stop_during_start(uint64_t seed) {
  SimDisk disk(512 * kMiB);
  Log log;
  live_and_crash(disk, log, seed, 5'000);
  {
    World world(seed, disk);
    SimServer server(world, SimServer::small_config());
    std::stop_source stop;
    stop.request_stop();
    const auto started = server.start(stop.get_token());
    if (started || started.error().code != io::Errc::cancelled) return -1;
    server.stop();
    if (names_in(disk.root()->entries.at("data"), "unsettled").empty()) return -1;
  }
  return check_after_crash(disk, log, seed + 1);
}

// 0: it passes; 1: it does not; kDied.
int outcome_of(int (*run)(uint64_t), uint64_t seed) {
  return exit_code_in_child([&] { return run(seed) == 0 ? 0 : 1; });
}

TEST_CASE("after a power cut at any moment every acknowledged upload is there, and nothing else") {
  for (uint64_t seed = 1; seed <= rounds(); ++seed) {
    CAPTURE(seed);
    CHECK(outcome_of(crash_rounds, seed) == 0);
  }
}

TEST_CASE("a start that is asked to stop leaves what it has not recovered to the next one") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    CHECK(outcome_of(stop_during_start, seed) == 0);
  }
}

TEST_CASE("the tests above would notice a disk that ignores syncs") {
  int noticed = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const int outcome = outcome_of(crash_on_lying_disk, seed);
    CHECK(outcome != kDied);
    noticed += outcome;
  }
  CHECK(noticed > 0);
}

}  // namespace
}  // namespace ringdrop::sim
