// Uploads and downloads through the whole server in the simulated world: every size that matters, short I/O everywhere,
// several loops, many seeds.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "db/transaction.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ringdrop::sim {
namespace {

TEST_CASE("what was uploaded comes back, whatever its size and framing") {
  for (const bool chunked : {false, true}) {
    for (const std::size_t size :
         {0UL, 1UL, 4095UL, 4096UL, 4097UL, 16384UL, 16385UL, 200'000UL, 2UL << 20, 5'000'001UL}) {
      CAPTURE(chunked);
      CAPTURE(size);
      SimDisk disk(256 * kMiB);
      World world(size + (chunked ? 1 : 0), disk);
      SimServer server(world, SimServer::small_config());
      REQUIRE(server.start());
      const std::string content = content_of(size, size);
      const auto created = run_task(world, server.client_loop(),
                                    put(world, server.client_loop(), server.address(), "a%20b.bin", content, chunked));
      REQUIRE(created);
      CHECK(created->status == 201);
      CHECK(created->body == created->fields.at("location") + "\n");
      const auto found = run_task(world, server.client_loop(),
                                  get(world, server.client_loop(), server.address(), path_of(created->body)));
      REQUIRE(found);
      CHECK(found->status == 200);
      CHECK(found->body == content);
      CHECK(found->fields.at("content-disposition") == "attachment; filename=\"a b.bin\"; filename*=UTF-8''a%20b.bin");
      server.stop();
    }
  }
}

using Downloads = io::Task<>(World& world, io::EventLoop& loop, io::Address address, std::string path,
                             const std::string& content);

// Of a file of 3 MiB, by many seeds: nothing of it waits for a connection's end.
void download_in_time(Downloads* downloads) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    SimDisk disk(256 * kMiB);
    World world(seed, disk);
    SimServer server(world, SimServer::small_config());
    REQUIRE(server.start());
    io::EventLoop& loop = server.client_loop();
    const std::string content = content_of(seed, 3 * kMiB + seed);
    const auto created = run_task(world, loop, put(world, loop, server.address(), "x", content));
    REQUIRE(created);
    const io::TimePoint before = loop.now();
    run_task(world, loop, downloads(world, loop, server.address(), path_of(created->body), content));
    CHECK(loop.now() - before < SimServer::small_config().idle_timeout / 2);
    server.stop();
  }
}

io::Task<> get_it(World& world, io::EventLoop& loop, io::Address address, std::string path,
                  const std::string& content) {
  const auto found = co_await get(world, loop, address, path);
  REQUIRE(found.has_value());
  CHECK(found->body == content);
}

TEST_CASE("the last bytes of a long answer leave with it, and not when the connection ends") {
  download_in_time(get_it);
}

std::string get_request(const std::string& path, std::string_view fields = {}) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n{}\r\n", path, fields);
}

// Of a two-part answer: the body of each part.
std::vector<std::string> parts_of(const Response& response) {
  const std::string& type = response.fields.at("content-type");
  const std::string delimiter = "\r\n--" + type.substr(type.find("boundary=") + 9);
  std::vector<std::string> parts;
  const std::string body = "\r\n" + response.body;
  for (std::size_t at = 0; body.compare(at + delimiter.size(), 2, "--") != 0;) {
    const std::size_t begin = body.find("\r\n\r\n", at) + 4;
    at = body.find(delimiter, begin);
    REQUIRE(at != std::string::npos);
    parts.push_back(body.substr(begin, at - begin));
  }
  return parts;
}

// On one connection: what a file that was sent has left behind (a cork, a socket that may not wait) is nothing to what
// follows.
io::Task<> everything_in_turn(World& world, io::EventLoop& loop, io::Address address, std::string path,
                              const std::string& content) {
  SimClient client(world, loop, address);
  const std::string second = content_of(99, 1'000'001);
  for (int round = 0; round < 2; ++round) {
    CHECK((co_await client.send(get_request(path))).has_value());
    const auto whole = co_await client.receive();
    REQUIRE(whole.has_value());
    CHECK(whole->body == content);

    const std::string head = fmt::format("PUT /y HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", second.size());
    CHECK((co_await client.send(head + second)).has_value());
    const auto created = co_await client.receive();
    REQUIRE(created.has_value());
    CHECK(created->status == 201);

    CHECK((co_await client.send(get_request(path, "Range: bytes=1-1500000, 2000000-2999999\r\n"))).has_value());
    const auto ranges = co_await client.receive();
    REQUIRE(ranges.has_value());
    CHECK(ranges->status == 206);
    CHECK(parts_of(*ranges) == std::vector{content.substr(1, 1'500'000), content.substr(2'000'000, 1'000'000)});

    CHECK((co_await client.send(get_request(path_of(created->body)) + get_request(path))).has_value());
    const auto first = co_await client.receive();
    const auto behind = co_await client.receive();
    REQUIRE(first.has_value());
    REQUIRE(behind.has_value());
    CHECK(first->body == second);
    CHECK(behind->body == content);
  }
}

TEST_CASE("a connection over which files were sent takes and gives everything else") {
  download_in_time(everything_in_turn);
}

TEST_CASE("a clean stop leaves no mark, and everything is there after the next start") {
  SimDisk disk(256 * kMiB);
  std::string path;
  const std::string content = content_of(7, 100'000);
  {
    World world(1, disk);
    SimServer server(world, SimServer::small_config());
    REQUIRE(server.start());
    const auto created =
        run_task(world, server.client_loop(), put(world, server.client_loop(), server.address(), "x", content));
    REQUIRE(created);
    path = path_of(created->body);
    server.stop();
  }
  World world(2, disk);
  SimServer server(world, SimServer::small_config());
  const auto report = server.start();
  REQUIRE(report);
  CHECK(report->directories == 0);
  const auto found = run_task(world, server.client_loop(), get(world, server.client_loop(), server.address(), path));
  REQUIRE(found);
  CHECK(found->body == content);
  server.stop();
}

TEST_CASE("many uploads side by side on several loops all arrive") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    SimDisk disk(256 * kMiB);
    World world(seed, disk);
    SimServer server(world, SimServer::small_config(), 3);
    REQUIRE(server.start());
    io::EventLoop& loop = server.client_loop();
    struct Upload {
      std::string content;
      std::string path;
    };
    std::vector<Upload> uploads(40);
    io::TaskScope scope(loop);
    const auto upload = [&](Upload& mine, uint64_t number) -> io::Task<> {
      const io::Result<Response> created =
          co_await put(world, loop, server.address(), fmt::format("file-{}", number), mine.content, number % 2 == 0);
      if (created && created->status == 201) mine.path = path_of(created->body);
    };
    for (std::size_t i = 0; i < uploads.size(); ++i) {
      uploads[i].content = content_of(seed * 1000 + i, world.chance().below(150'000));
      scope.spawn(upload(uploads[i], i));
    }
    REQUIRE(world.run_until([&] { return scope.size() == 0; }, 20'000'000));
    for (const Upload& mine : uploads) {
      REQUIRE(!mine.path.empty());
      const auto found = run_task(world, loop, get(world, loop, server.address(), mine.path));
      REQUIRE(found);
      CHECK(found->body == mine.content);
    }
    server.stop();
    // The downloads are counted in the catalogue too, once a second.
    CHECK(server.catalogue().commits() < uploads.size() + 15);
  }
}

// As the catalogue has counted them.
uint64_t downloads_of(SimServer& server, std::string_view path) {
  io::EventLoop& loop = server.client_loop();
  const std::string_view token = path.substr(1, 22);
  const auto link = run_task(server.world(), loop, server.catalogue().find(loop, token, loop.epoch_ms()));
  REQUIRE(link);
  REQUIRE(link->has_value());
  return (*link)->downloads;
}

TEST_CASE("the downloads of more links than one transaction takes are all counted") {
  constexpr std::size_t kLinks = 4 * db::Catalogue::kMostRowsAtATime + 100;
  SimDisk disk(256 * kMiB);
  World world(1, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < kLinks; ++i) {
    const auto created = run_task(world, loop, put(world, loop, server.address(), "small", content_of(i, 10)));
    REQUIRE(created);
    paths.push_back(path_of(created->body));
  }
  // Within three seconds. They are counted once a second and at the stop, four times at most: once too many for one
  // transaction.
  constexpr std::size_t kClients = 100;
  const io::TimePoint begun = world.now();
  std::size_t found = 0;
  const auto download_each = [&](std::size_t client) -> io::Task<> {
    for (std::size_t i = client; i < kLinks; i += kClients) {
      const io::Result<Response> answer = co_await get(world, loop, server.address(), paths[i]);
      if (answer && answer->status == 200) ++found;
    }
  };
  io::TaskScope scope(loop);
  for (std::size_t client = 0; client < kClients; ++client) scope.spawn(download_each(client));
  REQUIRE(world.run_until([&] { return scope.size() == 0; }));
  CHECK(found == kLinks);
  CHECK(world.now() - begun < io::Milliseconds(3'000));
  server.stop();
  uint64_t downloads = 0;
  for (const std::string& path : paths) downloads += downloads_of(server, path);
  CHECK(downloads == kLinks);
}

TEST_CASE(
    "a download that cannot be counted in a sound catalogue does not keep those of other links from it for ever") {
  SimDisk disk(256 * kMiB);
  World world(3, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  std::vector<std::string> paths;
  for (const char* const name : {"refused", "sound"}) {
    const auto created = run_task(world, loop, put(world, loop, server.address(), name, "content"));
    REQUIRE(created);
    paths.push_back(path_of(created->body));
  }
  db::Database other = server.open_catalogue();
  REQUIRE(
      other.execute("CREATE TRIGGER refuse BEFORE UPDATE OF downloads ON links"
                    " WHEN old.name = x'72656675736564' BEGIN SELECT RAISE(ABORT, 'refused'); END",
                    "refuse"));
  for (const std::string& path : paths) {
    REQUIRE(run_task(world, loop, get(world, loop, server.address(), path)));
    world.run_for(io::Milliseconds(3'000));
  }
  CHECK(server.catalogue().state() == db::CatalogueState::sound);
  CHECK(downloads_of(server, paths[0]) == 0);
  CHECK(downloads_of(server, paths[1]) == 1);
  server.stop();
}

TEST_CASE("a download that cannot be counted, for another program has the catalogue's lock, is counted later") {
  SimDisk disk(256 * kMiB);
  World world(2, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  const auto created = run_task(world, loop, put(world, loop, server.address(), "x", "content"));
  REQUIRE(created);
  const std::string path = path_of(created->body);
  {
    db::Database other = server.open_catalogue();
    const db::Transaction held = *db::Transaction::begin(other);
    REQUIRE(run_task(world, loop, get(world, loop, server.address(), path)));
    world.run_for(io::Milliseconds(8'000));
    CHECK(server.catalogue().state() == db::CatalogueState::locked);
    CHECK(downloads_of(server, path) == 0);
  }
  world.run_for(io::Milliseconds(8'000));
  CHECK(downloads_of(server, path) == 1);
  server.stop();
}

TEST_CASE("a stop while a slab of buffers is being made resident ends when it is") {
  SimDisk disk(256 * kMiB);
  World world(1, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  int begun = 0;
  int ended = 0;
  world.delay = [&](const io::Request& request) {
    if (request.op != io::Op::make_resident) return io::Milliseconds(0);
    ++begun;
    return io::Milliseconds(10'000);
  };
  world.fault = [&](const io::Request& request) {
    if (request.op == io::Op::make_resident) ++ended;
    return 0;
  };
  const auto upload = [&]() -> io::Task<> {
    const io::Result<Response> answer = co_await put(world, loop, server.address(), "x", content_of(1, 5'000'000));
    CHECK_FALSE(answer.has_value());
  };
  io::TaskScope scope(loop);
  scope.spawn(upload());
  REQUIRE(world.run_until([&] { return begun > 0; }));
  server.stop(io::Milliseconds(0));
  CHECK(begun == 1);
  CHECK(ended == 1);
  REQUIRE(world.run_until([&] { return scope.size() == 0; }));
}

TEST_CASE(
    "when small files make the catalogue's log outgrow its bound it is copied at once, not when the second ends") {
  SimDisk disk(256 * kMiB);
  World world(1, disk);
  SimServer server(world, SimServer::small_config(), 1);
  REQUIRE(server.start());
  io::EventLoop& loop = server.client_loop();
  const std::string content = content_of(1, 8'000);
  uint64_t most = 0;
  for (int i = 0; i < 1'500; ++i) {
    const auto created = run_task(world, loop, put(world, loop, server.address(), "small", content));
    REQUIRE(created);
    REQUIRE(created->status == 201);
    most = std::max(most, server.catalogue().wal_bytes());
  }
  CHECK(most > server.checkpoint_bytes() / 2);
  CHECK(most < 2 * server.checkpoint_bytes());
  server.stop();
}

}  // namespace
}  // namespace ringdrop::sim
