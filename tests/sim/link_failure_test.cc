// "The Nth operation fails" for what is done with links: downloads that are limited, ranges, another end, and links
// that are joined from parts.
#include <doctest/doctest.h>

#include "tests/sim/failing_scenario.h"
#include "tests/sim/workload.h"

namespace ringdrop::sim {
namespace {

io::Task<> limited_downloads(Life& life) {
  Plain how;
  how.piece = {1, 150'000};
  how.max_downloads = 3;
  co_await life.upload_plain(how);
  if (life.known().links.empty()) co_return;
  KnownLink& link = life.known().links.front();
  const std::optional<Range> whole;
  // The first and the last of the last 64 KiB take one each, what is before them takes none.
  const std::optional<Range> begin = Range{0, 70'000};
  const std::optional<Range> end = Range{149'999, 150'000};
  co_await life.read_link(link, begin);
  co_await life.read_link(link, whole);
  co_await life.read_link(link, end);
  co_await life.read_link(link, whole);
  co_await life.read_link(link, whole);
}

io::Task<> ranged_downloads(Life& life) {
  Plain how;
  how.piece = {2, 90'001};
  how.digest = true;
  co_await life.upload_plain(how);
  if (life.known().links.empty()) co_return;
  KnownLink& link = life.known().links.front();
  constexpr Range kRanges[] = {{0, 1}, {1, 90'000}, {4'095, 4'097}, {65'535, 65'537}, {90'000, 90'001}};
  for (const Range& range : kRanges) {
    const std::optional<Range> wanted = range;
    co_await life.read_link(link, wanted);
  }
}

io::Task<> another_end(Life& life) {
  Plain how;
  how.piece = {3, 9'000};  // no small file
  how.lasts_s = 30;
  co_await life.upload_plain(how);
  if (life.known().links.empty()) co_return;
  KnownLink& link = life.known().links.front();
  const std::optional<Range> whole;
  co_await life.change_expiry(link, 3'600);
  co_await life.read_link(link, whole);
  co_await life.change_expiry(link, 10);
  co_await life.read_link(link, whole);
}

io::Task<> concatenation(Life& life) {
  std::vector<KnownUpload*> parts;
  constexpr std::size_t kSizes[] = {40'001, 0, 9'000};
  for (const std::size_t size : kSizes) {
    KnownUpload& part = life.known().uploads.emplace_back();
    part.seed = size + 1;
    part.size = size;
    part.partial = true;
    Creation creation;
    creation.brings_all = true;
    co_await life.create(part, creation);
    if (part.path.empty()) co_return;
    co_await life.look_at(part, true);
    if (!part.whole) co_return;
    parts.push_back(&part);
  }
  co_await life.concatenate(std::move(parts));
  if (life.known().links.empty()) co_return;
  const std::optional<Range> seam = Range{40'000, 40'002};
  co_await life.read_link(life.known().links.front(), seam);
}

constexpr Scenario kScenarios[] = {limited_downloads, ranged_downloads, another_end, concatenation};

TEST_CASE("whichever disk operation fails under downloads, changes and concatenations, nothing is lost that was told") {
  for (const Scenario scenario : kScenarios) fail_each_disk_operation(scenario, 8);
}

TEST_CASE("whichever write of the catalogue fails under them, nothing is lost that was told") {
  for (const Scenario scenario : kScenarios) fail_each_catalogue_write(scenario, 2);
}

}  // namespace
}  // namespace ringdrop::sim
