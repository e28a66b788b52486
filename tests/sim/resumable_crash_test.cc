// Power cuts in the middle of one upload that has an id, at every step of the world in turn: what was told is there,
// what is there are the client's bytes. The workload does the same with everything at once; here are the cases by name.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "tests/sim/in_child.h"
#include "tests/sim/workload.h"

namespace ringdrop::sim {
namespace {

constexpr uint64_t kToTheEnd = 1'000'000;

// Lives one after the other on one disk; a dead one is never destroyed, so all of it runs in a process of its own.
class Lives {
 public:
  explicit Lives(uint64_t seed) : random_(seed), seed_(seed * 1'000) {}

  // The next start, with what must be true after it.
  Life& next() {
    life_ = new Life(seed_++, disk_, known_, boot_ms_);
    if (life_->start()) life_->check_all(false);
    return *life_;
  }
  // The next start, and an upload that is created in it.
  Life& create(KnownUpload& upload, const Creation& how) {
    Life& life = next();
    run(life.create(upload, how), kToTheEnd);
    return life;
  }
  // Steps until `task` is done, or `steps` of them.
  void run(io::Task<> task, uint64_t steps) {
    auto* const scope = new io::TaskScope(life_->server().client_loop());
    scope->spawn(std::move(task));
    for (uint64_t i = 0; i < steps && scope->size() > 0; ++i) life_->world().step();
  }
  void cut_power(io::Milliseconds off = io::Milliseconds(1'000)) {
    boot_ms_ = life_->world().epoch_ms() + off.count();
    disk_.crash(random_);
  }
  // Everything to its end; the number of violations.
  int finish() {
    next();
    life_->check_all(true);
    life_->check_nothing_left();
    for (const std::string& what : known_.violations) fmt::print(stderr, "{}\n", what);
    return static_cast<int>(known_.violations.size());
  }
  KnownUpload& upload(std::size_t size) {
    KnownUpload& upload = known_.uploads.emplace_back();
    upload.seed = seed_;
    upload.size = size;
    return upload;
  }
  Random& random() { return random_; }

 private:
  Random random_;
  uint64_t seed_;
  SimDisk disk_{256 * kMiB};
  Known known_;
  io::EpochMs boot_ms_ = kFirstBootMs;
  Life* life_ = nullptr;
};

Creation with_body(std::size_t bytes) {
  Creation creation;
  creation.body_bytes = bytes;
  return creation;
}

Append piece(uint64_t bytes) {
  Append append;
  append.bytes = bytes;
  return append;
}

// Begins with an odd end, which the next append fills up before it goes on directly.
int cut_in_append_at_odd_offset(uint64_t seed) {
  Lives lives(seed);
  KnownUpload& upload = lives.upload(200'000);
  Creation creation = with_body(1 + lives.random().below(9'000));
  creation.digest = seed % 2 == 0;
  Life& first = lives.create(upload, creation);
  lives.run(first.append(upload, piece(lives.random().between(1, 150'000))), lives.random().below(600));
  lives.cut_power();
  return lives.finish();
}

// Many small pieces, each acknowledged, none a whole block.
int cut_between_odd_pieces(uint64_t seed) {
  Lives lives(seed);
  KnownUpload& upload = lives.upload(30'000);
  Life& first = lives.create(upload, Creation());
  for (int i = 0; i < 8; ++i) {
    lives.run(first.append(upload, piece(lives.random().between(1, 3'000))),
              i == 7 ? lives.random().below(300) : kToTheEnd);
  }
  lives.cut_power();
  return lives.finish();
}

// A cut in an append that is all or nothing, more that is acknowledged after the start, and one more cut.
int cut_in_checked_append_and_again(uint64_t seed) {
  Lives lives(seed);
  KnownUpload& upload = lives.upload(100'000);
  Life& first = lives.create(upload, Creation());
  Append checked = piece(40'000);
  checked.checked = true;
  lives.run(first.append(upload, checked), lives.random().below(600));
  lives.cut_power();
  Life& second = lives.next();
  lives.run(second.append(upload, piece(lives.random().between(1, 30'000))), kToTheEnd);
  lives.cut_power();
  return lives.finish();
}

// Used again at the end of its time, and then two cuts: it has all of its time again.
int used_late_and_cut_twice(uint64_t seed) {
  Lives lives(seed);
  KnownUpload& upload = lives.upload(20'000);
  lives.create(upload, with_body(5'000));
  lives.cut_power(std::chrono::seconds(100));
  Life& second = lives.next();
  lives.run(second.append(upload, piece(3'000)), kToTheEnd);
  lives.cut_power(std::chrono::seconds(90));
  return lives.finish();
}

// Cancelled, with a cut somewhere in between.
int cut_in_cancellation(uint64_t seed) {
  Lives lives(seed);
  KnownUpload& upload = lives.upload(50'000);
  Life& first = lives.create(upload, with_body(20'000));
  lives.run(first.cancel(upload, seed % 2 == 0), lives.random().below(300));
  lives.cut_power();
  return lives.finish();
}

// The last append and what makes a link of it.
int cut_in_completion(uint64_t seed) {
  Lives lives(seed);
  KnownUpload& upload = lives.upload(12'345);
  Creation creation = with_body(10'000);
  creation.tus = seed % 2 == 0;
  creation.digest = true;
  Life& first = lives.create(upload, creation);
  Append last = piece(2'345);
  last.tus = seed % 3 == 0;
  lives.run(first.append(upload, last), lives.random().below(400));
  lives.cut_power();
  return lives.finish();
}

void for_many_seeds(int (*run)(uint64_t)) {
  constexpr uint64_t kSeeds = 100;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const int violations = exit_code_in_child([&] { return run(seed) == 0 ? 0 : 1; });
    CHECK(violations == 0);
  }
}

}  // namespace

TEST_CASE("a power cut in an append at an odd offset leaves no hole") {
  for_many_seeds(cut_in_append_at_odd_offset);
}

TEST_CASE("a power cut after odd pieces leaves each that was acknowledged") {
  for_many_seeds(cut_between_odd_pieces);
}

TEST_CASE("what comes after a half append was cut off is not cut off by the next start") {
  for_many_seeds(cut_in_checked_append_and_again);
}

TEST_CASE("an upload that is used late has all of its time again, whatever crashes") {
  for_many_seeds(used_late_and_cut_twice);
}

TEST_CASE("a power cut in a cancellation leaves the upload or nothing") {
  for_many_seeds(cut_in_cancellation);
}

TEST_CASE("a power cut in a completion leaves the upload or its link, whole") {
  for_many_seeds(cut_in_completion);
}

}  // namespace ringdrop::sim
