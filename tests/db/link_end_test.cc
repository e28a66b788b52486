// How links end: expiry, downloads that are counted out, removal; and what is left to sweep.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/db/catalogue_fixture.h"

namespace ringdrop::db {
namespace {

using test::kNow;
using Files = std::vector<uint64_t>;
using Tokens = std::vector<std::string>;

struct Fixture {
  test::TemporaryDirectory directory;
  test::LoopFixture loop;
  std::optional<test::CatalogueFixture> parts;

  Fixture() { open(); }
  void open() {
    parts.reset();
    CatalogueOptions options;
    options.path = directory.file("catalogue.sqlite");
    parts.emplace(options, loop);
  }
  Catalogue& catalogue() { return parts->catalogue; }

  void insert(const Link& link) { REQUIRE(loop.run(catalogue().insert(loop.loop(), link))); }
  std::optional<Link> find(const std::string& token, io::EpochMs now = kNow) {
    const auto found = loop.run(catalogue().find(loop.loop(), token, now));
    REQUIRE(found);
    return *found;
  }
  bool take(const std::string& token) {
    const auto taken = loop.run(catalogue().take_download(loop.loop(), token));
    REQUIRE(taken);
    return *taken;
  }
  void settle(const std::string& token, bool completed) {
    REQUIRE(loop.run(catalogue().settle_download(loop.loop(), token, completed)));
  }
  Tokens ended(io::EpochMs now = kNow, uint64_t most = 100) {
    auto tokens = loop.run(catalogue().ended(loop.loop(), now, most));
    REQUIRE(tokens);
    std::ranges::sort(*tokens);
    return *tokens;
  }
  Files garbage(uint64_t most = 100) {
    const auto files = loop.run(catalogue().garbage(loop.loop(), most));
    REQUIRE(files);
    return *files;
  }
};

Link limited(uint64_t number, uint64_t most) {
  Link link = test::make_link(number);
  link.max_downloads = most;
  return link;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "a link has another version after each change, before it is acknowledged; others keep theirs") {
  const Link link = test::make_link(1);
  insert(link);
  const uint64_t before = catalogue().version_of(link.token);
  CHECK(find(link.token));
  CHECK(catalogue().version_of(link.token) == before);
  REQUIRE(loop.run(catalogue().set_expiry(loop.loop(), link.token, kEnded, kNow)));
  const uint64_t ended = catalogue().version_of(link.token);
  CHECK(ended != before);
  REQUIRE(loop.run(catalogue().remove_ended(loop.loop(), link.token, kNow)));
  CHECK(catalogue().version_of(link.token) != ended);
  CHECK(catalogue().version_of("another") == 0);
}

TEST_CASE_FIXTURE(Fixture, "a link is there until the millisecond in which it expires, and is then listed as ended") {
  Link link = test::make_link(1);
  link.expires_at_ms = kNow + 10;
  insert(link);
  insert(test::make_link(2));
  CHECK(find(link.token, kNow + 9).has_value());
  CHECK(ended(kNow + 9).empty());
  CHECK_FALSE(find(link.token, kNow + 10).has_value());
  CHECK(ended(kNow + 10) == Tokens{link.token});
}

TEST_CASE_FIXTURE(Fixture, "the expiry of a link can be moved and taken away, not that of one that has ended") {
  Link link = test::make_link(1);
  link.expires_at_ms = kNow + 10;
  insert(link);
  const auto set = [&](std::optional<io::EpochMs> to, io::EpochMs now) {
    const auto done = loop.run(catalogue().set_expiry(loop.loop(), link.token, to, now));
    REQUIRE(done);
    return *done;
  };
  CHECK(set(kNow + 20, kNow));
  CHECK(find(link.token, kNow + 19)->expires_at_ms == kNow + 20);
  CHECK(set(std::nullopt, kNow));
  CHECK(find(link.token, INT64_MAX).has_value());
  CHECK(set(kNow - 1, kNow));
  CHECK_FALSE(find(link.token).has_value());
  CHECK_FALSE(set(std::nullopt, kNow));
}

TEST_CASE_FIXTURE(Fixture, "a limited link lets so many downloads through, and those that fail are given back") {
  const Link link = limited(1, 2);
  insert(link);
  CHECK(take(link.token));
  CHECK(find(link.token).has_value());
  CHECK(take(link.token));
  CHECK_FALSE(take(link.token));
  CHECK_FALSE(find(link.token).has_value());
  CHECK(ended().empty());  // two are under way and may come back
  settle(link.token, true);
  CHECK_FALSE(take(link.token));
  settle(link.token, false);
  CHECK(find(link.token)->downloads == 1);
  CHECK(take(link.token));
  settle(link.token, true);
  CHECK_FALSE(find(link.token).has_value());
  CHECK(ended() == Tokens{link.token});
}

TEST_CASE_FIXTURE(Fixture, "a download that nobody settled before the end of the process counts") {
  const Link link = limited(1, 1);
  insert(link);
  CHECK(take(link.token));
  open();
  CHECK_FALSE(find(link.token).has_value());
  CHECK_FALSE(take(link.token));
  CHECK(ended() == Tokens{link.token});
}

TEST_CASE_FIXTURE(Fixture, "an unlimited link lets all through, and counts what it is told") {
  const Link link = test::make_link(1);
  insert(link);
  CHECK(take(link.token));
  settle(link.token, true);
  std::vector<DownloadCount> counts;
  counts.push_back({link.token, 41});
  counts.push_back({"unknown", 5});
  REQUIRE(loop.run(catalogue().count_downloads(loop.loop(), counts)));
  CHECK(find(link.token)->downloads == 42);
  CHECK(ended().empty());
}

TEST_CASE_FIXTURE(Fixture, "the files of a removed link are garbage until they are forgotten, over restarts too") {
  Link link = test::make_link(7);
  link.extents.push_back(test::make_link(9).extents[0]);
  link.size_bytes = 10;
  insert(link);
  insert(test::make_link(8));
  CHECK(garbage().empty());
  REQUIRE(loop.run(test::end_and_remove(catalogue(), loop.loop(), link.token)));
  open();
  CHECK(garbage() == Files{7, 9});
  CHECK(garbage(1) == Files{7});
  REQUIRE(loop.run(catalogue().forget_garbage(loop.loop(), {7})));
  CHECK(garbage() == Files{9});
  CHECK(*loop.run(catalogue().files_between(loop.loop(), 0, 100)) == Files{8});
}

TEST_CASE_FIXTURE(Fixture, "a download that runs when its link expires finishes, and the link stays until then") {
  Link link = limited(1, 2);
  link.expires_at_ms = kNow + 10;
  insert(link);
  CHECK(take(link.token));
  const io::EpochMs later = kNow + 10;
  CHECK(ended(later).empty());
  CHECK_FALSE(*loop.run(catalogue().remove_ended(loop.loop(), link.token, later)));
  CHECK(take(link.token));  // one that was let in before, too
  CHECK_FALSE(take(link.token));
  settle(link.token, true);
  settle(link.token, false);
  CHECK(ended(later) == Tokens{link.token});
  CHECK(*loop.run(catalogue().remove_ended(loop.loop(), link.token, later)));
}

TEST_CASE_FIXTURE(Fixture, "what has not ended is not removed, whoever thought so") {
  const Link link = test::make_link(1);
  insert(link);
  CHECK_FALSE(*loop.run(catalogue().remove_ended(loop.loop(), link.token, kNow)));
  CHECK(find(link.token).has_value());
}

TEST_CASE_FIXTURE(Fixture, "what is listed is bounded") {
  for (uint64_t i = 1; i <= 20; ++i) {
    Link link = test::make_link(i);
    link.expires_at_ms = kNow - 1;
    insert(link);
  }
  CHECK(ended(kNow, 5).size() == 5);
  CHECK(ended(kNow, 100).size() == 20);
}

}  // namespace ringdrop::db
