#include "server/hot_links.h"

#include <doctest/doctest.h>

#include <string>

namespace ringdrop::server {
namespace {

constexpr io::EpochMs kNow = 1'000'000;

db::Link link_of(std::string token, uint64_t size_bytes = 100) {
  db::Link link;
  link.token = std::move(token);
  link.size_bytes = size_bytes;
  link.extents.push_back({.file = 7, .length_bytes = size_bytes, .checksums = std::string(16, 'x')});
  return link;
}

TEST_CASE("a link is found again until it may have changed, or expires") {
  HotLinks links(kMiB);
  db::Link link = link_of("a");
  link.expires_at_ms = kNow + 10;
  const HotLinks::Ptr kept = links.keep(link, 3);
  CHECK(kept->link.extents.front().checksums.empty());
  CHECK(links.find("a", 3, kNow + 9) == kept);
  CHECK(links.find("b", 3, kNow) == nullptr);
  CHECK(links.find("a", 3, kNow + 10) == nullptr);
  CHECK(links.find("a", 3, kNow) == nullptr);  // forgotten by then

  links.keep(link, 3);
  CHECK(links.find("a", 4, kNow) == nullptr);
  CHECK(links.find("a", 3, kNow) == nullptr);
  CHECK(links.used_bytes() == 0);
}

TEST_CASE("a link with a limit of downloads is never kept, nor is anything without a budget") {
  HotLinks links(kMiB);
  db::Link limited = link_of("a");
  limited.max_downloads = 5;
  CHECK(links.keep(limited, 1)->link.token == "a");
  CHECK(links.find("a", 1, kNow) == nullptr);

  HotLinks none(0);
  CHECK(none.keep(link_of("a"), 1)->link.token == "a");
  CHECK(none.find("a", 1, kNow) == nullptr);
}

TEST_CASE(
    "content that came with its link is there at once, counted, and goes with it; also of a link that is not kept") {
  HotLinks links(kMiB);
  db::Link link = link_of("a", 3);
  link.extents.clear();
  link.content.emplace("abc", std::string(16, 'x'));
  const uint64_t without = [&] {
    HotLinks others(kMiB);
    others.keep(link_of("b", 3), 1);
    return others.used_bytes() - sizeof(db::Extent);
  }();
  const HotLinks::Ptr kept = links.keep(link, 1);
  REQUIRE(kept->content);
  CHECK(*kept->content == "abc");
  CHECK_FALSE(kept->link.content.has_value());
  CHECK(links.used_bytes() == without + 3);
  links.find("a", 1, kNow);
  CHECK_FALSE(links.start_collecting(*kept));
  CHECK(links.find("a", 2, kNow) == nullptr);
  CHECK(links.used_bytes() == 0);

  link.max_downloads = 1;
  CHECK(*links.keep(link, 2)->content == "abc");
  CHECK(links.used_bytes() == 0);
}

TEST_CASE("content is collected of a small file that was asked for more than once, by one download") {
  HotLinks links(kMiB);
  const HotLinks::Ptr small = links.keep(link_of("small", HotLinks::kMostContentBytes), 1);
  const HotLinks::Ptr large = links.keep(link_of("large", HotLinks::kMostContentBytes + 1), 1);
  CHECK_FALSE(links.start_collecting(*small));
  links.find("small", 1, kNow);
  links.find("large", 1, kNow);
  CHECK(links.start_collecting(*small));
  CHECK_FALSE(links.start_collecting(*large));
  CHECK_FALSE(links.start_collecting(*small));
  links.stop_collecting(*small);
  CHECK(links.start_collecting(*small));
  links.keep_content(small, std::string(small->link.size_bytes, 'x'));
  links.stop_collecting(*small);
  CHECK_FALSE(links.start_collecting(*small));
  CHECK(small->content->size() == HotLinks::kMostContentBytes);
}

TEST_CASE("what is collected at a time is bounded too") {
  HotLinks links(256 * kKiB);  // an eighth of it: two files
  int collecting = 0;
  for (int number = 0; number < 10; ++number) {
    const std::string token = std::to_string(number);
    const HotLinks::Ptr hot = links.keep(link_of(token, HotLinks::kMostContentBytes), 1);
    links.find(token, 1, kNow);
    if (links.start_collecting(*hot)) ++collecting;
  }
  CHECK(collecting == 2);
}

TEST_CASE("the budget holds: who was not asked for lately goes, with its content") {
  HotLinks links(39 * kKiB);
  const HotLinks::Ptr first = links.keep(link_of("first", 16 * kKiB), 1);
  links.keep_content(first, std::string(16 * kKiB, 'x'));
  const HotLinks::Ptr second = links.keep(link_of("second", 16 * kKiB), 1);
  links.find("first", 1, kNow);
  links.keep_content(second, std::string(16 * kKiB, 'y'));
  CHECK(links.used_bytes() <= 39 * kKiB);
  const HotLinks::Ptr third = links.keep(link_of("third", 16 * kKiB), 1);
  CHECK(links.find("second", 1, kNow) == nullptr);
  CHECK(second->content == nullptr);  // whoever holds the link does not hold the memory
  CHECK(links.find("first", 1, kNow) == first);
  links.keep_content(second, std::string(16 * kKiB, 'y'));  // which is not there any more
  CHECK(links.used_bytes() < 31 * kKiB);
  for (int number = 0; number < 1000; ++number) {
    links.keep(link_of(std::to_string(number)), 1);
    CHECK(links.used_bytes() <= 39 * kKiB);
  }
  CHECK(third->link.token == "third");  // whoever sends it has it still
}

TEST_CASE("a link that is asked for outlasts any number that are not, and goes when it is asked for no more") {
  HotLinks links(12 * kKiB);
  const HotLinks::Ptr asked = links.keep(link_of("asked"), 1);
  for (int number = 0; number < 1000; ++number) {
    CHECK(links.find("asked", 1, kNow) == asked);
    links.keep(link_of(std::to_string(number)), 1);
    CHECK(links.used_bytes() <= 12 * kKiB);
  }
  for (int number = 0; number < 10; ++number) links.keep(link_of(std::to_string(number)), 1);
  CHECK(links.find("asked", 1, kNow) == nullptr);
}

TEST_CASE("where all are asked for, a new one is kept all the same, and few of them are spared for it") {
  constexpr std::size_t kLinks = 2 * HotLinks::kMostSecondChances;
  const uint64_t cost = [] {
    HotLinks one(kMiB);
    one.keep(link_of("100"), 1);
    return one.used_bytes();
  }();
  HotLinks links(kLinks * cost);
  for (std::size_t number = 0; number < kLinks; ++number) links.keep(link_of(std::to_string(100 + number)), 1);
  for (std::size_t number = 0; number < kLinks; ++number) {
    REQUIRE(links.find(std::to_string(100 + number), 1, kNow) != nullptr);
  }
  const HotLinks::Ptr newer = links.keep(link_of("new"), 1);
  CHECK(links.find("new", 1, kNow) == newer);
  std::size_t gone = 0;
  for (std::size_t number = 0; number < kLinks; ++number) {
    if (links.find(std::to_string(100 + number), 1, kNow) == nullptr) ++gone;
    CHECK(gone == (number < HotLinks::kMostSecondChances ? 0 : 1));
  }
}

TEST_CASE("a link that is kept anew takes the place of the old one") {
  HotLinks links(kMiB);
  links.keep(link_of("a"), 1);
  const uint64_t used = links.used_bytes();
  const HotLinks::Ptr newer = links.keep(link_of("a"), 2);
  CHECK(links.used_bytes() == used);
  CHECK(links.find("a", 2, kNow) == newer);
}

}  // namespace
}  // namespace ringdrop::server
