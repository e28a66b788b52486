// ringdrop-load: makes a server work, and says on standard output, as one JSON object, what came of it. Knows HTTP/1.1
// as far as that takes, shares no code with the server, and costs as little as it can, for it uses the same cores.
//
//   ringdrop-load upload   --address 127.0.0.1:8080 --size 4KiB --connections 64 --seconds 5
//   ringdrop-load download --address 127.0.0.1:8080 --targets FILE --connections 64 --rate 1000 --seconds 5
//   ringdrop-load append   --address 127.0.0.1:8080 --size 1MiB --count 1000
//   ringdrop-load idle     --address 127.0.0.1:8080 --targets FILE --connections 10000
#include <arpa/inet.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/bench/load/message.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/script.h"
#include "tests/bench/load/stopped_cpus.h"
#include "tests/bench/load/worker.h"

namespace {

using load::Framing;

struct Options {
  std::string address;
  std::size_t connections = 1;
  std::size_t threads = 1;
  uint64_t size = 1 << 20;
  uint64_t count = 0;
  double seconds = 0;
  bool cut = false;
  double rate = 0;
  uint64_t pace = 0;
  Framing framing = Framing::length;
  std::size_t chunk_bytes = 64 << 10;
  std::string target = "/%";
  std::string targets_file;
};

sockaddr_in parse_address(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const auto colon = text.find(':');
  uint16_t port = 0;
  if (colon != text.npos) std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (port == 0 || inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    throw CLI::ValidationError("--address", "is to be A.B.C.D:PORT, not " + text);
  }
  address.sin_port = htons(port);
  return address;
}

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) throw CLI::ValidationError("--targets", path + " has no line");
  return lines;
}

void raise_file_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

using MakeScript = std::function<std::unique_ptr<load::Script>()>;

// The connections dealt out to the threads in turn.
std::vector<std::unique_ptr<load::Worker>> make_workers(const Options& options, const MakeScript& make_script) {
  const sockaddr_in address = parse_address(options.address);
  const std::size_t threads = std::min(options.threads, options.connections);
  const load::Limits limits{.duration = static_cast<load::Nanoseconds>(options.seconds * 1e9),
                            .cut = options.cut,
                            .rate = options.rate / static_cast<double>(threads)};
  std::vector<std::unique_ptr<load::Worker>> workers;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    std::vector<std::unique_ptr<load::Connection>> connections;
    for (std::size_t i = thread; i < options.connections; i += threads) {
      connections.push_back(
          std::make_unique<load::Connection>(address, make_script(), load::Pace(options.pace, i, options.connections)));
    }
    workers.push_back(std::make_unique<load::Worker>(std::move(connections), limits));
    workers.back()->connect();
  }
  return workers;
}

// Runs them all to the end. `hold`: then says "there", and keeps the connections until standard input ends.
int run(const Options& options, const MakeScript& make_script, bool hold) {
  const auto workers = make_workers(options, make_script);
  load::StoppedCpus stopped_cpus;
  std::vector<std::thread> threads;
  for (const auto& worker : workers) threads.emplace_back([&worker] { worker->run(); });
  load::Outcome outcome;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    threads[i].join();
    outcome.add(workers[i]->outcome());
  }
  const std::optional<int64_t> stopped = stopped_cpus.stop();
  if (hold) {
    std::puts("there");
    std::fflush(stdout);
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  }
  load::print_report(outcome, stopped);
  return outcome.errors > 0 ? 1 : 0;
}

void add_common(CLI::App& command, Options& options) {
  command.add_option("--address", options.address, "the server")->type_name("ADDR:PORT")->required();
}

void add_load(CLI::App& command, Options& options) {
  add_common(command, options);
  command.add_option("--connections", options.connections, "at a time")->check(CLI::PositiveNumber);
  command.add_option("--threads", options.threads, "that share them")->check(CLI::PositiveNumber);
  command.add_option("--count", options.count, "requests in all; 0: no end");
  command.add_option("--seconds", options.seconds, "after which none begins; 0: no end");
  command.add_flag("--cut", options.cut, "what is under way after --seconds is not awaited");
  command.add_option("--rate", options.rate, "requests a second, due at fixed times; 0: as fast as answers come");
}

void add_body(CLI::App& command, Options& options) {
  command.add_option("--size", options.size, "of each body")->transform(CLI::AsSizeValue(false));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("makes a server work and measures it; see the head of tests/bench/load/main.cc");
  app.require_subcommand(1);

  CLI::App* upload = app.add_subcommand("upload", "PUT of new files, or POST of forms");
  add_load(*upload, options);
  add_body(*upload, options);
  const std::map<std::string, Framing> framings{
      {"length", Framing::length}, {"chunked", Framing::chunked}, {"multipart", Framing::multipart}};
  upload->add_option("--framing", options.framing, "of the body")->transform(CLI::CheckedTransformer(framings));
  upload->add_option("--chunk", options.chunk_bytes, "size of a chunk")->transform(CLI::AsSizeValue(false));
  upload->add_option("--target", options.target, "path, with the number of the request for %");
  upload->add_option("--pace", options.pace, "bytes a second of each connection")->transform(CLI::AsSizeValue(false));

  CLI::App* download = app.add_subcommand("download", "GET of files, in turn");
  add_load(*download, options);
  download->add_option("--targets", options.targets_file, "file with a path a line")->required();
  download->add_option("--pace", options.pace, "bytes a second of each connection")->transform(CLI::AsSizeValue(false));

  CLI::App* append = app.add_subcommand("append", "one upload by so many PATCHes (tus), one after the other");
  add_common(*append, options);
  add_body(*append, options);
  append->add_option("--count", options.count, "PATCHes")->required();

  CLI::App* idle = app.add_subcommand("idle", "connections that have asked once, kept until standard input ends");
  add_common(*idle, options);
  idle->add_option("--connections", options.connections, "at a time")->check(CLI::PositiveNumber);
  idle->add_option("--targets", options.targets_file, "file with a path a line")->required();

  try {
    app.parse(argc, argv);
    raise_file_limit();
    if (download->parsed() || idle->parsed()) {
      if (idle->parsed()) options.count = options.connections;
      const auto targets = read_lines(options.targets_file);
      load::Quota quota(options.count);
      return run(options, [&] { return load::download_script(targets, quota); }, idle->parsed());
    }
    if (append->parsed()) {
      const load::Body piece(Framing::length, options.size, 0);
      return run(options, [&] { return load::append_script(piece, options.size, options.count); }, false);
    }
    const load::Body body(options.framing, options.size, options.chunk_bytes);
    load::Quota quota(options.count);
    return run(options, [&] { return load::upload_script(body, options.framing, options.target, quota); }, false);
  } catch (const CLI::Error& error) {
    return app.exit(error);
  }
}
