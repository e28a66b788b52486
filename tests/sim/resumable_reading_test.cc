// What an upload that has an id has to read again of its own bytes: as little as can be, and never longer than somebody
// wants the answer.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "io/task_scope.h"
#include "proto/base64.h"
#include "proto/digest.h"
#include "server/upload_checkpoint.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ringdrop::sim {
namespace {

constexpr std::size_t kSize = 4 * kMiB;
constexpr std::size_t kHalf = 2 * kMiB;
constexpr const char* kUpload = "/uploads/an-upload-that-is-read-again";

// One start of the server, which notes where it reads in blobs.
struct Boot {
  Boot(uint64_t seed, SimDisk& disk) : world(seed, disk), server(world, SimServer::small_config(), 2) {
    REQUIRE(server.start());
    world.fault = [this](const io::Request& request) {
      if (request.op == io::Op::read) reads.push_back(request.offset);
      return 0;
    };
  }

  io::Result<Response> ask(std::string request, bool head = false) {
    return run_task(world, server.client_loop(), talk(std::move(request), head));
  }
  // On a connection of its own, whose client says that nothing more comes.
  io::Task<io::Result<Response>> talk(std::string request, bool head = false) {
    SimClient client(world, server.client_loop(), server.address());
    static_cast<void>(co_await client.send(request));
    static_cast<void>(co_await client.end_sending());
    co_return co_await client.receive(head);
  }
  // An upload of `content`, whose digest is verified at its end, as far as its first half.
  void create(const std::string& content) {
    const std::string digest = proto::base64_encode(proto::sha256(content));
    const auto created = ask(
        fmt::format("POST /uploads HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\nUpload-Id: {}\r\nUpload-Length: "
                    "{}\r\nRepr-Digest: sha-256=:{}:\r\nContent-Length: 0\r\n\r\n",
                    std::string(kUpload).substr(9), content.size(), digest));
    REQUIRE(created);
    REQUIRE(created->status == 201);
    REQUIRE(ask(append(content, 0, kHalf))->status == 204);
  }
  static std::string append(const std::string& content, std::size_t from, std::size_t to, std::string fields = "") {
    return fmt::format(
               "PATCH {} HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\nContent-Type: "
               "application/offset+octet-stream\r\nUpload-Offset: {}\r\nContent-Length: {}\r\n{}\r\n",
               kUpload, from, to - from, fields) +
           content.substr(from, to - from);
  }
  // The rest in one append; what comes out must have the digest.
  void finish(const std::string& content) {
    const auto done = ask(append(content, kHalf, kSize));
    REQUIRE(done);
    CHECK(done->status == 204);
    CHECK(done->fields.contains("upload-link"));
  }

  World world;
  SimServer server;
  std::vector<uint64_t> reads;
};

// A killed server is never destroyed; it stays reachable.
Boot& boot_to_be_killed(uint64_t seed, SimDisk& disk) {
  static auto* const boots = new std::vector<Boot*>();
  boots->push_back(new Boot(seed, disk));
  return *boots->back();
}

std::string wrong_checksum() {
  return fmt::format("Upload-Checksum: sha256 {}\r\n", proto::base64_encode(proto::sha256("other")));
}

TEST_CASE("an append whose checksum is wrong, or that breaks off, leaves nothing to be read again") {
  for (const bool breaks_off : {false, true}) {
    CAPTURE(breaks_off);
    SimDisk disk(256 * kMiB);
    Boot boot(1, disk);
    const std::string content = content_of(1, kSize);
    boot.create(content);
    const std::string wrong = Boot::append(content, kHalf, kSize, wrong_checksum());
    const auto refused = boot.ask(breaks_off ? wrong.substr(0, wrong.size() - 100'000) : wrong);
    if (!breaks_off) CHECK(refused->status == 460);
    boot.finish(content);
    CHECK(boot.reads.empty());
    boot.server.stop();
  }
}

TEST_CASE("what a crash leaves to be read again waits for nobody's sake, and is read once") {
  SimDisk disk(256 * kMiB);
  const std::string content = content_of(2, kSize);
  boot_to_be_killed(2, disk).create(content);
  disk.kill();

  Boot boot(3, disk);
  io::EventLoop& loop = boot.server.client_loop();
  io::TaskScope scope(loop);
  const auto be_superseded = [](Boot& at, std::string request) -> io::Task<> {
    const io::Result<Response> answer = co_await at.talk(std::move(request));
    CHECK_FALSE(answer.has_value());
  };
  scope.spawn(be_superseded(boot, Boot::append(content, kHalf, kSize)));
  REQUIRE(boot.world.run_until([&] { return boot.reads.size() >= 10; }));
  std::string look = fmt::format("HEAD {} HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\n\r\n", kUpload);
  const auto head = boot.ask(std::move(look), true);
  REQUIRE(head);
  CHECK(head->fields.at("upload-offset") == std::to_string(kHalf));
  CHECK(boot.reads.back() < kHalf / 2);
  REQUIRE(boot.world.run_until([&] { return scope.size() == 0; }));
  boot.finish(content);
  CHECK(boot.reads.back() >= kHalf - io::kSmallBufferBytes);
  CHECK(std::ranges::is_sorted(boot.reads));
  boot.server.stop();
}

TEST_CASE("of more uploads than one transaction takes a stop keeps what is known of each") {
  constexpr std::size_t kUploads = 2 * db::Catalogue::kMostRowsAtATime + 1;
  constexpr std::size_t kBytes = 4'096;
  SimDisk disk(256 * kMiB);
  Boot boot(4, disk);
  const std::string content = content_of(4, kBytes);
  for (std::size_t i = 0; i < kUploads; ++i) {
    const auto created =
        boot.ask(fmt::format("POST /uploads HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {}\r\n"
                             "Content-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
                             2 * kBytes, kBytes) +
                 content);
    REQUIRE(created);
    REQUIRE(created->status == 201);
  }
  const auto count_known = [&] {
    io::EventLoop& loop = boot.server.client_loop();
    db::Catalogue& catalogue = boot.server.catalogue();
    const auto open = run_task(boot.world, loop, catalogue.open_uploads(loop, 0, 2 * kUploads));
    REQUIRE(open);
    return std::ranges::count_if(*open, [&](const db::OpenUpload& one) {
      const auto row = run_task(boot.world, loop, catalogue.find_upload(loop, one.id_hash));
      REQUIRE(row);
      const auto known = server::decode_checkpoint((*row)->progress);
      return known && known->durable_bytes == kBytes;
    });
  };
  CHECK(count_known() == 0);
  boot.server.stop();
  CHECK(count_known() == kUploads);
}

}  // namespace
}  // namespace ringdrop::sim
