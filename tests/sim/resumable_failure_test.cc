// "The Nth operation fails" for uploads that have an id: the client gets a clear answer or a closed connection, the
// server goes on, and after a start without failures everything that it was told is true.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/failing_scenario.h"
#include "tests/sim/workload.h"

namespace ringdrop::sim {
namespace {

KnownUpload& add_upload(Life& life) {
  constexpr std::size_t kSize = 90'000;
  KnownUpload& upload = life.known().uploads.emplace_back();
  upload.seed = kSize;
  upload.size = kSize;
  return upload;
}

Append piece(bool tus, uint64_t bytes) {
  Append append;
  append.tus = tus;
  append.bytes = bytes;
  return append;
}

// What is left of it, as far as it is known.
Append rest(const KnownUpload& upload, bool tus) {
  return piece(tus, upload.size - std::min<uint64_t>(upload.size, upload.told));
}

io::Task<> tus_in_pieces(Life& life) {
  KnownUpload& upload = add_upload(life);
  const Creation creation;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  const Append first = piece(true, 40'001);
  co_await life.append(upload, first);
  co_await life.look_at(upload, true);
  const Append last = rest(upload, true);
  co_await life.append(upload, last);
}

io::Task<> ietf_that_breaks(Life& life) {
  KnownUpload& upload = add_upload(life);
  Creation creation;
  creation.tus = false;
  creation.brings_all = true;
  creation.sent = 33'333;
  creation.digest = true;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  co_await life.look_at(upload, false);
  const Append last = rest(upload, false);
  co_await life.append(upload, last);
}

io::Task<> checksums(Life& life) {
  KnownUpload& upload = add_upload(life);
  Creation creation;
  creation.body_bytes = 5'000;
  creation.digest = true;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  Append append = piece(true, 20'000);
  append.checked = true;
  co_await life.append(upload, append);
  append.wrong = true;
  co_await life.append(upload, append);
  append.wrong = false;
  append.sent = 9'000;
  co_await life.append(upload, append);
  co_await life.look_at(upload, true);
  const Append last = rest(upload, true);
  co_await life.append(upload, last);
}

io::Task<> cancelled(Life& life) {
  KnownUpload& upload = add_upload(life);
  Creation creation;
  creation.body_bytes = 30'000;
  co_await life.create(upload, creation);
  if (upload.path.empty()) co_return;
  const Append more = piece(false, 10'000);
  co_await life.append(upload, more);
  co_await life.cancel(upload, true);
  co_await life.look_at(upload, true);
}

constexpr Scenario kScenarios[] = {tus_in_pieces, ietf_that_breaks, checksums, cancelled};
TEST_CASE("whichever disk operation of an upload with an id fails, nothing is lost that was told") {
  for (const Scenario scenario : kScenarios) fail_each_disk_operation(scenario, 12);
}

TEST_CASE("whichever write of the catalogue fails under an upload with an id, nothing is lost that was told") {
  for (const Scenario scenario : kScenarios) fail_each_catalogue_write(scenario, 4);
}

}  // namespace
}  // namespace ringdrop::sim
