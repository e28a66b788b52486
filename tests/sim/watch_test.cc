// Watchers on two loops, in virtual time, of an upload that is taken over again and again and then completed.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/api_json.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ringdrop::sim {
namespace {

constexpr std::size_t kSize = 400'000;
constexpr int kWatchers = 10;
constexpr std::string_view kWatchId = "watched-in-a-simulation";

struct Watched {
  explicit Watched(uint64_t seed)
      : world(seed, disk), server(world, SimServer::small_config(), 2), content(content_of(seed, kSize)) {
    REQUIRE(server.start());
  }

  io::EventLoop& loop() { return server.client_loop(); }
  Response asks(std::string request) {
    const auto answer = run_task(world, loop(), ask(world, loop(), server.address(), std::move(request)));
    REQUIRE(answer);
    return *answer;
  }

  // HTTP/1.0: the events come without chunks, and end with the connection.
  io::Task<> watch(std::string& told) {
    SimClient client(world, loop(), server.address());
    const std::string request =
        fmt::format("GET /watch/{} HTTP/1.0\r\nHost: sim\r\nAccept: text/event-stream\r\n\r\n", kWatchId);
    static_cast<void>(co_await client.send(request));
    told = co_await client.receive_to_end();
  }

  std::string patch(std::size_t offset, std::size_t bytes) const {
    return fmt::format(
               "PATCH {} HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {}\r\n"
               "Content-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
               upload, offset, kSize - offset) +
           content.substr(offset, bytes);
  }
  std::size_t offset() {
    const std::string head = fmt::format("HEAD {} HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\n\r\n", upload);
    SimClient client(world, loop(), server.address());
    run_task(world, loop(), client.send(head));
    const auto answer = run_task(world, loop(), client.receive(true));
    REQUIRE(answer);
    REQUIRE(answer->status == 200);
    return std::stoul(answer->fields.at("upload-offset"));
  }

  SimDisk disk{256 * kMiB};
  World world;
  SimServer server;
  std::string content;
  std::string upload;
};

std::vector<proto::ProgressNotice> notices_in(std::string_view told) {
  std::vector<proto::ProgressNotice> notices;
  constexpr std::string_view kData = "\ndata: ";
  for (std::size_t at = told.find(kData); at != told.npos; at = told.find(kData, at)) {
    at += kData.size();
    const auto notice = proto::parse_progress(told.substr(at, told.find('\n', at) - at));
    REQUIRE(notice);
    notices.push_back(*notice);
  }
  return notices;
}

void check_story(const std::vector<proto::ProgressNotice>& story, std::chrono::duration<double> took) {
  REQUIRE(story.size() >= 2);
  CHECK(story.front().state == "waiting");
  CHECK(story.back().state == "complete");
  CHECK(story.back().bytes_stored == kSize);
  CHECK(story.back().url.starts_with("http://sim/"));
  for (std::size_t i = 1; i < story.size(); ++i) {
    CHECK(story[i].bytes_stored >= story[i - 1].bytes_stored);
    CHECK(story[i - 1].state != "complete");
  }
  // The first one, and the one that the beat of 100 ms may have due at once.
  CHECK(static_cast<double>(story.size()) <= 10 * took.count() + 2);
}

TEST_CASE("watchers on two loops see an upload that is superseded and completed, none of them too often") {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    CAPTURE(seed);
    Watched the(seed);
    the.upload = the.asks(fmt::format("POST /uploads HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\n"
                                      "Upload-Length: {}\r\nWatch-Id: {}\r\nContent-Length: 0\r\n\r\n",
                                      kSize, kWatchId))
                     .fields.at("location");
    io::TaskScope scope(the.loop());
    std::vector<std::string> told(kWatchers);
    const io::TimePoint begun = the.world.now();
    for (std::string& one : told) scope.spawn(the.watch(one));
    the.world.run_for(io::Milliseconds(150));
    // Each request hangs in the middle, and the next one takes the upload from it.
    std::vector<std::unique_ptr<SimClient>> hanging;
    std::size_t offset = 0;
    for (int turn = 0; turn < 4; ++turn) {
      hanging.push_back(std::make_unique<SimClient>(the.world, the.loop(), the.server.address()));
      const std::string part = the.patch(offset, 50'000 + the.world.chance().below(20'000));
      run_task(the.world, the.loop(), hanging.back()->send(part));
      the.world.run_for(io::Milliseconds(the.world.chance().below(400)));
      const std::size_t now = the.offset();
      CHECK(now >= offset);
      offset = now;
    }
    CHECK(the.asks(the.patch(offset, kSize)).status == 204);
    REQUIRE(the.world.run_until([&] { return scope.size() == 0; }));
    const auto took = the.world.now() - begun;
    for (const std::string& one : told) check_story(notices_in(one), took);
    hanging.clear();
    the.server.stop();
  }
}

TEST_CASE("the rate is that of the upload from its first second on") {
  Watched the(1);
  io::TaskScope scope(the.loop());
  std::string told;
  scope.spawn(the.watch(told));
  SimClient client(the.world, the.loop(), the.server.address());
  const std::string head =
      fmt::format("PUT /f HTTP/1.1\r\nHost: sim\r\nWatch-Id: {}\r\nContent-Length: {}\r\n\r\n", kWatchId, kSize);
  run_task(the.world, the.loop(), client.send(head));
  // A moment without a byte, then 200,000 a second.
  the.world.run_for(io::Milliseconds(350));
  for (std::size_t at = 0; at < kSize; at += 10'000) {
    run_task(the.world, the.loop(), client.send(std::string_view(the.content).substr(at, 10'000)));
    the.world.run_for(io::Milliseconds(50));
  }
  REQUIRE(the.world.run_until([&] { return scope.size() == 0; }));
  int rates = 0;
  for (const proto::ProgressNotice& one : notices_in(told)) {
    if (!one.rate || one.bytes_stored < 100'000) continue;
    ++rates;
    CHECK(*one.rate > 100'000);
    CHECK(*one.rate < 300'000);
  }
  CHECK(rates > 5);
  the.server.stop();
}

TEST_CASE("of an upload that stands still the rate falls, in a few messages") {
  Watched the(1);
  io::TaskScope scope(the.loop());
  std::string told;
  scope.spawn(the.watch(told));
  SimClient client(the.world, the.loop(), the.server.address());
  const std::string head =
      fmt::format("PUT /f HTTP/1.1\r\nHost: sim\r\nWatch-Id: {}\r\nContent-Length: {}\r\n\r\n", kWatchId, kSize);
  run_task(the.world, the.loop(), client.send(head));
  for (std::size_t at = 0; at < kSize / 2; at += 10'000) {
    run_task(the.world, the.loop(), client.send(std::string_view(the.content).substr(at, 10'000)));
    the.world.run_for(io::Milliseconds(50));
  }
  the.world.run_for(io::Milliseconds(20'000));
  run_task(the.world, the.loop(), client.send(std::string_view(the.content).substr(kSize / 2)));
  REQUIRE(the.world.run_until([&] { return scope.size() == 0; }));
  std::vector<proto::ProgressNotice> still;
  for (const proto::ProgressNotice& one : notices_in(told)) {
    if (one.state == "receiving" && one.bytes_stored == kSize / 2) still.push_back(one);
  }
  REQUIRE(still.size() >= 5);
  CHECK(still.size() < 20);
  CHECK(still.front().rate.value_or(0) > 100'000);
  CHECK(still.back().rate.value_or(0) < 1'000);
  for (std::size_t i = 1; i < still.size(); ++i) CHECK(*still[i].rate < *still[i - 1].rate);
  the.server.stop();
}

TEST_CASE("watchers who come at any moment of an upload's end are told of it") {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    CAPTURE(seed);
    Watched the(seed);
    io::TaskScope scope(the.loop());
    std::vector<std::string> told(kWatchers);
    scope.spawn([](Watched& watched) -> io::Task<> {
      std::string request =
          fmt::format("PUT /f HTTP/1.1\r\nHost: sim\r\nWatch-Id: {}\r\nContent-Length: {}\r\n\r\n", kWatchId, kSize) +
          watched.content;
      const auto answer = co_await ask(watched.world, watched.loop(), watched.server.address(), std::move(request));
      CHECK(answer);
    }(the));
    for (std::string& one : told) {
      scope.spawn(the.watch(one));
      the.world.run_for(io::Milliseconds(the.world.chance().below(30)));
    }
    REQUIRE(the.world.run_until([&] { return scope.size() == 0; }));
    for (const std::string& one : told) {
      const std::vector<proto::ProgressNotice> story = notices_in(one);
      REQUIRE_FALSE(story.empty());
      CHECK(story.back().state == "complete");
    }
    the.server.stop();
  }
}

}  // namespace
}  // namespace ringdrop::sim
