// What must be true after a start, whatever ended the life before; and the rounds of lives.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string_view>

#include "base/check.h"
#include "tests/sim/workload.h"

namespace ringdrop::sim {
namespace {

constexpr io::Milliseconds kUploadExpires{120'000};
constexpr io::Milliseconds kFinishedTtl{60'000};
// The catalogue learns of a later end only now and then.
constexpr io::Milliseconds kExpirySlack{7'000};
constexpr io::Milliseconds kSweep{2'500};
constexpr uint64_t kDiskBytes = 512 * kMiB;

server::Config config() {
  server::Config config = SimServer::small_config();
  config.upload_expires = kUploadExpires;
  config.finished_upload_ttl = kFinishedTtl;
  config.stall_timeout = std::chrono::seconds(10);
  return config;
}

std::set<std::string> names_in(const InodePtr& directory, const std::string& name) {
  std::set<std::string> names;
  const auto found = directory->entries.find(name);
  if (found == directory->entries.end()) return names;
  for (const auto& [entry, inode] : found->second->entries) names.insert(entry);
  return names;
}

}  // namespace

Life::Life(uint64_t seed, SimDisk& disk, Known& known, io::EpochMs boot_ms, Plant plant)
    : seed_(seed),
      disk_(disk),
      known_(known),
      plant_(plant),
      world_(seed, disk, boot_ms),
      server_(world_, config(), 2),
      clients_(std::make_unique<io::TaskScope>(server_.client_loop())) {
  // What was on the way went down with the life before.
  for (KnownUpload& upload : known_.uploads) upload.busy = false;
  for (KnownLink& link : known_.links) link.changing = 0;
}

void Life::plant() {
  if (plant_ == Plant::none) return;
  if (plant_ == Plant::skip_catalogue_sync) {
    server_.vfs().skip_syncs = true;
    return;
  }
  world_.skip_sync = [this](const InodePtr& inode) {
    if (inode->directory) return plant_ == Plant::skip_directory_sync;
    if (plant_ != Plant::late_blob_sync) return plant_ == Plant::skip_blob_sync;
    constexpr io::Milliseconds kLate{20};
    late_syncs_.emplace_back(world_.now() + kLate, inode);
    return true;
  };
}

bool Life::start() {
  const auto started = server_.start();
  if (!started) violated("the server does not start: " + io::describe(started.error()));
  if (started && started->missing_files > 0) violated("recovery misses files");
  return started.has_value();
}

bool Life::may_have_expired(const KnownUpload& upload) const {
  const io::EpochMs now_ms = world_.epoch_ms() + kExpirySlack.count();
  const bool forgotten = upload.end_sent_ms > 0 && now_ms >= upload.end_sent_ms + kFinishedTtl.count();
  return forgotten || now_ms >= upload.touched_ms + kUploadExpires.count();
}

void Life::note_gone(KnownUpload& upload, int status) {
  const bool failed = upload.wrong_digest && upload.sent == upload.size;
  const bool asked = upload.cancel_asked || upload.used_asked;
  const bool fine = !upload.created || asked || failed || may_have_expired(upload);
  if (!fine) violated(fmt::format("{} with {} acknowledged bytes is gone: {}", upload.path, upload.told, status));
  upload.failed = true;
}

io::Task<> Life::look_at(KnownUpload& upload, bool tus) {
  std::string request = fmt::format("HEAD {} HTTP/1.1\r\nHost: sim\r\n{}\r\n", upload.path,
                                    tus ? "Tus-Resumable: 1.0.0\r\n" : "Upload-Draft-Interop-Version: 8\r\n");
  Talk said;
  std::optional<std::size_t> cut_after;
  co_await talk(std::move(request), said, cut_after, true);
  ++known_.checks;
  // Superseded itself, or the other one did not end in time.
  if (!said.answer || said.answer->status >= 500) co_return;
  const int status = said.answer->status;
  if (status == 404 || status == 410) {
    known_.statuses.push_back(status);
    note_gone(upload, status);
  } else if (status == 200 || status == 204) {
    if (upload.cancelled) violated(upload.path + " is there after its cancellation");
    if (upload.used) violated(upload.path + " is there after it became part of a link");
    note_answer(upload, said, false);
    // From now on it is known.
    upload.created = true;
  } else if (!(status == 400 && upload.wrong_digest)) {
    violated(fmt::format("{}: HEAD says {}", upload.path, status));
  }
}

// Goes on with it until it is a link, or cannot become one.
io::Task<> Life::finish(KnownUpload& upload) {
  constexpr int kMostTries = 5;
  const std::string content = content_of(upload.seed, upload.size);
  for (int i = 0; i < kMostTries && !upload.over(); ++i) {
    co_await look_at(upload, i % 2 == 1);
    if (upload.over() || upload.told > upload.size) co_return;
    const uint64_t at = upload.told;
    std::string request = fmt::format(
        "PATCH {} HTTP/1.1\r\nHost: sim\r\nUpload-Draft-Interop-Version: 8\r\nContent-Type: "
        "application/partial-upload\r\n"
        "Upload-Complete: ?1\r\nUpload-Offset: {}\r\nContent-Length: {}\r\n\r\n",
        upload.path, at, upload.size - at);
    request += content.substr(at);
    note_sending(upload, upload.size);
    Talk said;
    co_await talk(std::move(request), said);
    note_answer(upload, said, false);
  }
  if (!upload.over() && !(upload.told == upload.size && upload.cancel_asked)) {
    violated(fmt::format("{} at {} of {} cannot be ended", upload.path, upload.told, upload.size));
  }
}

io::Task<> Life::check_link(KnownLink& link) {
  // A limited one is only asked whether it is there.
  const bool limited = link.max_downloads > 0;
  std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: sim\r\n\r\n", limited ? "HEAD" : "GET", link.path);
  Talk said;
  std::optional<std::size_t> cut_after;
  const io::EpochMs asked_ms = world_.epoch_ms();
  co_await talk(std::move(request), said, cut_after, limited);
  ++known_.checks;
  const io::EpochMs now_ms = world_.epoch_ms();
  const int status = said.answer ? said.answer->status : 0;
  const bool may_be_gone =
      link.delete_asked || now_ms >= link.may_end_ms || (limited && link.begun >= link.max_downloads);
  const bool must_be_gone =
      link.deleted || asked_ms >= link.must_end_ms || (limited && link.whole >= link.max_downloads);
  const bool whole = status == 200 && (limited || said.answer->body == link.content());
  if (status == 404 ? !may_be_gone : (!whole || must_be_gone)) {
    violated(fmt::format("{} of {} bytes: status {}{}; {} of {} downloads begun, {} whole, ends {}{}", link.path,
                         link.size, status, status == 200 && !whole ? ", and other content" : "", link.begun,
                         link.max_downloads, link.whole, link.must_end_ms - kFirstBootMs,
                         link.deleted        ? ", deleted"
                         : link.delete_asked ? ", deletion asked"
                                             : ""));
  }
}

// Every file has a row, every row a file.
void Life::check_files() {
  io::EventLoop& loop = server_.client_loop();
  const auto named = run_task(world_, loop, server_.catalogue().files_between(loop, 0, INT64_MAX));
  if (!named) return violated("the catalogue cannot be read");
  std::set<std::string> expected;
  for (const uint64_t file : *named) {
    const storage::BlobId id{file};
    expected.insert(storage::directory_name(id.directory()) + "/" + id.file_name());
  }
  const InodePtr blobs = disk_.root()->entries.at("data")->entries.at("blobs");
  std::set<std::string> present;
  for (const auto& [name, directory] : blobs->entries) {
    for (const auto& [file, inode] : directory->entries) present.insert(name + "/" + file);
  }
  ++known_.checks;
  for (const std::string& file : expected) {
    if (!present.contains(file)) violated(file + " is missing");
  }
  for (const std::string& file : present) {
    if (!expected.contains(file)) violated(file + " has no row");
  }
}

void Life::check_all(bool to_the_end) {
  io::EventLoop& loop = server_.client_loop();
  world_.run_for(kSweep);
  check_files();
  for (KnownUpload& upload : known_.uploads) {
    if (upload.path.empty() || (upload.failed && !upload.cancelled)) continue;
    if (to_the_end && !upload.cancel_asked) {
      run_task(world_, loop, finish(upload));
    } else {
      run_task(world_, loop, look_at(upload, seed_ % 2 == 0));
    }
  }
  for (KnownLink& link : known_.links) run_task(world_, loop, check_link(link));
}

void Life::check_nothing_left() {
  world_.run_for(kUploadExpires + kFinishedTtl + kExpirySlack + kSweep);
  io::EventLoop& loop = server_.client_loop();
  const auto uploads = run_task(world_, loop, server_.catalogue().due_uploads(loop, INT64_MAX, 1'000));
  if (!uploads || !uploads->empty()) violated("uploads are still remembered");
  check_files();
  for (KnownLink& link : known_.links) run_task(world_, loop, check_link(link));
  server_.stop();
  if (!names_in(disk_.root()->entries.at("data"), "unsettled").empty()) violated("marks are left after a clean stop");
}

namespace {

// The step of the world at which a life ends: soon after its start, or late.
uint64_t some_steps(Random& random) {
  return random.one_in(3) ? random.between(1, 15'000) : random.between(1, 4'000);
}

void lives_and_crashes(uint64_t seed, uint64_t lives, Plant plant, Known& known, RoundReport& report) {
  SimDisk disk(kDiskBytes);
  Random random(seed);
  io::EpochMs boot_ms = kFirstBootMs;
  const auto trace = [&](uint64_t value) { report.trace = (report.trace ^ value) * 0x100000001b3ULL; };
  for (uint64_t number = 0; number <= lives && known.violations.empty(); ++number) {
    // A dead process does not tidy up: it is never destroyed.
    Life* const life = new Life(seed * 1'000 + number, disk, known, boot_ms, plant);
    if (!life->start()) break;
    life->check_all(number == lives);
    if (number == lives) {
      if (known.violations.empty()) life->check_nothing_left();
      report.operations += life->world().operations();
      trace(report.operations);
      break;
    }
    life->run_clients(some_steps(random));
    report.operations += life->world().operations();
    trace(report.operations);
    boot_ms = life->world().epoch_ms() + static_cast<io::EpochMs>(random.below(2'000));
    if (plant == Plant::none && random.one_in(3)) {
      disk.kill();
    } else {
      disk.crash(random);
    }
    ++report.crashes;
  }
  for (const KnownUpload& upload : known.uploads) trace(upload.told);
}

// Whether this is what the plant must lead to, and not something else that went wrong.
bool is_due_to(Plant plant, std::string_view what) {
  const auto says = [&](std::string_view words) { return what.find(words) != what.npos; };
  // A body that is torn, or shorter than its row says, or an upload that has lost bytes.
  const bool bytes_lost = says("other content") || says("status 500") || says(" after ");
  switch (plant) {
    case Plant::none:
      return false;
    case Plant::skip_blob_sync:
    case Plant::late_blob_sync:
      return bytes_lost;
    case Plant::skip_directory_sync:
      return says("misses files") || says("is missing");
    case Plant::skip_catalogue_sync:
      return says("status 404") || says(" is gone");
  }
  return false;
}

}  // namespace

RoundReport run_round(uint64_t seed, uint64_t lives, Plant plant) {
  int ends[2];
  CHECK_THAT(pipe(ends) == 0);
  const pid_t child = fork();
  CHECK_THAT(child >= 0);
  RoundReport report;
  if (child == 0) {
    Known known;
    lives_and_crashes(seed, lives, plant, known, report);
    report.checks = known.checks;
    report.checkpoints = known.checkpoints;
    report.violations = known.violations.size();
    report.expected = std::ranges::any_of(known.violations, [&](const auto& what) { return is_due_to(plant, what); });
    if (plant == Plant::none) {
      for (const std::string& what : known.violations) fmt::print(stderr, "seed {}: {}\n", seed, what);
    }
    const bool told = write(ends[1], &report, sizeof report) == sizeof report;
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  if (read(ends[0], &report, sizeof report) != sizeof report) report.died = true;
  close(ends[0]);
  int status = 0;
  CHECK_THAT(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) fmt::print(stderr, "seed {}: signal {}\n", seed, WTERMSIG(status));
  if ((report.violations > 0 || report.died) && plant == Plant::none) {
    fmt::print(stderr, "again: RINGDROP_SEED={} build/release/tests/sim/sim_soak_tests\n", seed);
  }
  return report;
}

}  // namespace ringdrop::sim
