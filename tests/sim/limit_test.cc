// Links that end after so many downloads: never one whole copy too many, whoever reads, breaks off or comes at once.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "db/sqlite.h"
#include "db/transaction.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ringdrop::sim {
namespace {

constexpr std::size_t kSize = 300'000;

struct Limited {
  Limited(uint64_t seed, uint64_t most, std::size_t size = kSize, unsigned loops = 2)
      : world(seed, disk), server(world, SimServer::small_config(), loops), content(content_of(seed, size)) {
    REQUIRE(server.start());
    std::string request =
        fmt::format("PUT /f HTTP/1.1\r\nHost: sim\r\nMax-Downloads: {}\r\nContent-Length: {}\r\n\r\n", most, size);
    request += content;
    const auto created = run(ask(world, loop(), server.address(), std::move(request)));
    REQUIRE(created);
    REQUIRE(created->status == 201);
    path = path_of(created->body);
  }
  ~Limited() { server.stop(); }

  io::EventLoop& loop() { return server.client_loop(); }
  template <class T>
  T run(io::Task<T> task) {
    return run_task(world, loop(), std::move(task));
  }

  // Reads the answer to its end; counts it when it is the whole file.
  io::Task<> read_all(std::string fields) {
    std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\n{}\r\n", path, fields);
    const io::Result<Response> got = co_await ask(world, loop(), server.address(), std::move(request));
    if (got && got->body == content) ++whole;
    if (got && got->status == 404) ++not_found;
  }
  // Reads `bytes` of the answer and hangs up.
  io::Task<> break_off(std::size_t bytes) {
    SimClient client(world, loop(), server.address());
    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\n\r\n", path);
    static_cast<void>(co_await client.send(request));
    while (bytes > 0) {
      const io::Result<std::size_t> got = co_await client.receive_some(bytes);
      if (!got || *got == 0) break;
      bytes -= *got;
    }
  }
  void run_all(io::TaskScope& scope) {
    REQUIRE(world.run_until([&] { return scope.size() == 0; }, 50'000'000));
  }

  SimDisk disk{256 * kMiB};
  World world;
  SimServer server;
  std::string content;
  std::string path;
  int whole = 0;
  int not_found = 0;
};

TEST_CASE("of many downloads at once exactly as many are whole as the link has left") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    const uint64_t most = 1 + seed % 3;
    Limited link(seed, most);
    io::TaskScope scope(link.loop());
    for (int i = 0; i < 40; ++i) scope.spawn(link.read_all(""));
    link.run_all(scope);
    CHECK(link.whole == static_cast<int>(most));
    link.run(link.read_all(""));
    CHECK(link.not_found > 0);
  }
}

TEST_CASE("downloads that break off early use none up") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Limited link(seed, 1);
    io::TaskScope scope(link.loop());
    // What the kernel holds for a client counts as sent: at most 128 KiB here, and the last piece is 64 KiB.
    for (std::size_t i = 0; i < 20; ++i) scope.spawn(link.break_off(i * 4'000));
    link.run_all(scope);
    link.run(link.read_all(""));
    CHECK(link.whole == 1);
  }
}

TEST_CASE("readers and those who break off together never get one whole copy too many") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Limited link(seed, 2);
    io::TaskScope scope(link.loop());
    for (int i = 0; i < 15; ++i) {
      scope.spawn(link.read_all(""));
      scope.spawn(link.break_off(link.world.chance().below(kSize + 1'000)));
    }
    link.run_all(scope);
    CHECK(link.whole <= 2);
  }
}

TEST_CASE("parts side by side use up one download, and only the part with the last byte does") {
  Limited link(1, 1);
  const auto part = [&](std::string range) -> io::Task<io::Result<Response>> {
    std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\nRange: bytes={}\r\n\r\n", link.path, range);
    return ask(link.world, link.loop(), link.server.address(), std::move(request));
  };
  for (int i = 0; i < 3; ++i) {
    const auto first = link.run(part("0-99999"));
    REQUIRE(first);
    CHECK(first->status == 206);
    CHECK(first->body == link.content.substr(0, 100'000));
  }
  const auto last = link.run(part("100000-"));
  REQUIRE(last);
  CHECK(last->body == link.content.substr(100'000));
  const auto again = link.run(part("0-99999"));
  REQUIRE(again);
  CHECK(again->status == 404);
}

// Over all links.
int64_t sum_of(db::Database& catalogue, const char* what) {
  const io::Result<int64_t> sum = catalogue.read_int64(fmt::format("SELECT sum({}) FROM links", what).c_str(), "look");
  REQUIRE(sum);
  return *sum;
}

TEST_CASE("a download that cannot be settled, for another program has the catalogue's lock, is settled later") {
  for (const bool arrives : {true, false}) {
    CAPTURE(arrives);
    Limited link(1, 2, 1'000);
    db::Database other = link.server.open_catalogue();
    std::optional<SimClient> client(std::in_place, link.world, link.loop(), link.server.address());
    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\n\r\n", link.path);
    REQUIRE(link.run(client->send(request)));
    REQUIRE(link.world.run_until([&] { return sum_of(other, "pending") == 1; }));
    {
      const db::Transaction held = *db::Transaction::begin(other);
      if (arrives) CHECK(link.run(client->receive())->body == link.content);
      client.reset();
      link.world.run_for(io::Milliseconds(8'000));
      CHECK(link.server.catalogue().state() == db::CatalogueState::locked);
      CHECK(sum_of(other, "pending") == 1);
    }
    link.world.run_for(io::Milliseconds(8'000));
    CHECK(sum_of(other, "pending") == 0);
    CHECK(sum_of(other, "downloads") == (arrives ? 1 : 0));
  }
}

TEST_CASE(
    "a download that cannot be settled in a sound catalogue keeps no other from being counted, and is settled when it "
    "can be") {
  Limited link(1, 2, 1'000, 1);  // what a loop has to settle keeps that of no other loop anyway
  const auto unlimited = link.run(put(link.world, link.loop(), link.server.address(), "x", "content"));
  REQUIRE(unlimited);
  db::Database other = link.server.open_catalogue();
  REQUIRE(
      other.execute("CREATE TRIGGER refuse BEFORE UPDATE OF downloads ON links"
                    " WHEN old.max_downloads IS NOT NULL BEGIN SELECT RAISE(ABORT, 'refused'); END",
                    "refuse"));
  link.run(link.read_all(""));
  link.world.run_for(io::Milliseconds(3'000));
  REQUIRE(link.run(get(link.world, link.loop(), link.server.address(), path_of(unlimited->body))));
  link.world.run_for(io::Milliseconds(3'000));
  CHECK(link.server.catalogue().state() == db::CatalogueState::sound);
  CHECK(sum_of(other, "pending") == 1);
  CHECK(sum_of(other, "downloads") == 1);
  REQUIRE(other.execute("DROP TRIGGER refuse", "refuse"));
  link.world.run_for(io::Milliseconds(3'000));
  CHECK(sum_of(other, "pending") == 0);
  CHECK(sum_of(other, "downloads") == 2);
}

}  // namespace
}  // namespace ringdrop::sim
