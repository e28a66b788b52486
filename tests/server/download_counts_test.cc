#include "server/download_counts.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

namespace ringdrop::server {
namespace {

std::map<std::string, uint64_t> taken(DownloadCounts& counts) {
  std::map<std::string, uint64_t> by_token;
  for (const db::DownloadCount& one : counts.take(counts.size())) {
    CHECK(by_token.emplace(one.token, one.downloads).second);
  }
  return by_token;
}

TEST_CASE("the downloads of a link are counted together, whoever remembers where, and anew after each taking") {
  DownloadCounts counts;
  DownloadCounts::Place first;
  DownloadCounts::Place other;
  for (int round = 0; round < 3; ++round) {
    counts.add("a", first);
    counts.add("b", other);
    counts.add("a", first);
    DownloadCounts::Place anew;  // the same link, forgotten and found again
    counts.add("a", anew);
    counts.add("a", first);
    CHECK(taken(counts) == std::map<std::string, uint64_t>{{"a", 4}, {"b", 1}});
    CHECK(taken(counts).empty());
  }
}

TEST_CASE("some are taken and the others stay; what is put back counts with what has come meanwhile") {
  DownloadCounts counts;
  DownloadCounts::Place first;
  DownloadCounts::Place second;
  counts.add("a", first);
  counts.add("b", second);
  CHECK(counts.size() == 2);
  const auto some = counts.take(1);
  REQUIRE(some.size() == 1);
  CHECK(counts.size() == 1);
  counts.add("a", first);
  counts.add("b", second);
  counts.put_back(some);
  counts.add("a", first);
  CHECK(taken(counts) == std::map<std::string, uint64_t>{{"a", 3}, {"b", 2}});
}

TEST_CASE("of too many links within one taking the later ones are not counted, those that are there go on") {
  DownloadCounts counts;
  DownloadCounts::Place first;
  counts.add("first", first);
  for (int number = 0; number < 20'000; ++number) {
    DownloadCounts::Place place;
    counts.add(std::to_string(number), place);
  }
  counts.add("first", first);
  const auto by_token = taken(counts);
  CHECK(by_token.size() == 10'000);
  CHECK(by_token.at("first") == 2);
}

TEST_CASE("of what is put back the links that have no room any more are not counted, those that are there go on") {
  DownloadCounts counts;
  for (int number = 0; number < 10'000; ++number) {
    DownloadCounts::Place place;
    counts.add(std::to_string(number), place);
  }
  counts.put_back({{"late", 1}, {"7", 5}});
  const auto by_token = taken(counts);
  CHECK(by_token.size() == 10'000);
  CHECK(by_token.at("7") == 6);
}

}  // namespace
}  // namespace ringdrop::server
