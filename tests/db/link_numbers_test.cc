#include "db/link_numbers.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "db/link_table.h"
#include "db/migrations.h"
#include "db/tokens.h"
#include "tests/db/catalogue_fixture.h"

namespace ringdrop::db {
namespace {

// FIPS 197, appendix C.3.
TEST_CASE("a block is encrypted as AES-256 does, and comes back") {
  std::string key;
  for (int i = 0; i < 32; ++i) key += static_cast<char>(i);
  const TokenCipher::Block plain = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
  const TokenCipher::Block secret = {0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf,
                                     0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49, 0x60, 0x89};
  const TokenCipher cipher(key);
  CHECK(cipher.encrypt(plain) == secret);
  CHECK(cipher.decrypt(secret) == plain);
  CHECK(cipher.encrypt(plain) == secret);
}

struct Fixture {
  Fixture() { make(); }

  void make() {
    OpenOptions options;
    options.path = directory->file("db");
    options.role = Role::writer;
    database = *Database::open(options);
    REQUIRE(migrate(*database));
  }

  // As a start has it. `key`: what the random bytes of a new one are.
  std::unique_ptr<LinkNumbers> open(unsigned char byte = 7) {
    LinkNumbers::Key key;
    key.fill(std::byte{byte});
    auto numbers = LinkNumbers::open(*database, key);
    REQUIRE(numbers.has_value());
    return *std::move(numbers);
  }
  LinkTable table(LinkNumbers& numbers) {
    io::Result<LinkTable> links = LinkTable::prepare(*database, numbers);
    REQUIRE(links.has_value());
    return *std::move(links);
  }
  int64_t read(const char* sql) { return database->read_int64(sql, "read").value(); }
  Link link(LinkNumbers& numbers, uint64_t file) {
    Link link = test::make_link(file);
    link.token = numbers.make_token(loop.ring());
    return link;
  }

  std::unique_ptr<test::TemporaryDirectory> directory = std::make_unique<test::TemporaryDirectory>();
  test::LoopFixture loop;
  std::optional<Database> database;
};

bool has(LinkTable& links, const std::string& token) {
  const io::Result<std::optional<Link>> found = links.find(token, test::kNow);
  REQUIRE(found.has_value());
  return found->has_value() && (*found)->token == token;
}

TEST_CASE_FIXTURE(Fixture, "tokens tell ascending numbers, to who has the key, and look like any other") {
  const auto numbers = open();
  std::set<std::string> tokens;
  std::set<std::string> beginnings;
  for (int64_t number = 1; number <= 1'000; ++number) {
    const std::string token = numbers->make_token(loop.ring());
    REQUIRE(is_link_token(token));
    REQUIRE(numbers->number_of(token) == number);
    tokens.insert(token);
    beginnings.insert(token.substr(0, 5));
  }
  CHECK(tokens.size() == 1'000);
  CHECK(beginnings.size() > 990);
}

TEST_CASE_FIXTURE(Fixture, "what nobody has made tells no number") {
  const auto numbers = open();
  for (int i = 0; i < 1'000; ++i) REQUIRE_FALSE(numbers->number_of(make_link_token(loop.ring())));
  const std::string token = numbers->make_token(loop.ring());
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == '0' ? '1' : '0';
    CHECK_FALSE(numbers->number_of(other));
  }
  for (const char* const text : {"", "short", "zzzzzzzzzzzzzzzzzzzzzz", "0000000000000000000000"}) {
    CHECK_FALSE(numbers->number_of(text));
  }
}

TEST_CASE_FIXTURE(Fixture, "a link is found by its token and by no other of the same number") {
  // Two that begin with the same number, as after a start whose last links were never inserted.
  const auto numbers = open();
  const auto others = open();
  const Link one = link(*numbers, 1);
  const Link other = link(*others, 2);
  REQUIRE(numbers->number_of(one.token) == numbers->number_of(other.token));
  LinkTable links = table(*numbers);
  REQUIRE(links.insert(one));
  CHECK(has(links, one.token));
  CHECK_FALSE(has(links, other.token));
  CHECK_FALSE(*links.set_expiry(other.token, kEnded, test::kNow));
  CHECK_FALSE(*links.take_download(other.token));
  CHECK_FALSE(*links.remove_ended(other.token, test::kNow));
  CHECK(links.insert(other).error().code == io::Errc::exists);
  CHECK(has(links, one.token));
  CHECK(read("SELECT count(*) FROM tokens") == 0);
}

TEST_CASE_FIXTURE(Fixture, "a link of a made token can be counted, limited, ended and removed") {
  const auto numbers = open();
  LinkTable links = table(*numbers);
  Link limited = link(*numbers, 1);
  limited.max_downloads = 1;
  REQUIRE(links.insert(limited));
  const Link kept = link(*numbers, 2);
  REQUIRE(links.insert(kept));
  CHECK(*links.take_download(limited.token));
  CHECK_FALSE(*links.take_download(limited.token));
  REQUIRE(links.settle_download(limited.token, true));
  CHECK_FALSE(has(links, limited.token));
  const DownloadCount counts[] = {{kept.token, 3}};
  REQUIRE(links.count_downloads(counts));
  CHECK((*links.find(kept.token, test::kNow))->downloads == 3);
  CHECK(*links.ended(test::kNow, 10) == std::vector{limited.token});
  CHECK(*links.remove_ended(limited.token, test::kNow));
  CHECK(read("SELECT count(*) FROM links") == 1);
  CHECK(*links.set_expiry(kept.token, kEnded, test::kNow));
  CHECK_FALSE(has(links, kept.token));
  CHECK(*links.remove_ended(kept.token, test::kNow));
  CHECK(read("SELECT count(*) FROM links") == 0);
}

TEST_CASE_FIXTURE(Fixture, "the key stays, and numbers go on behind the last link, at the next start") {
  Link first;
  {
    const auto numbers = open();
    first = link(*numbers, 1);
    LinkTable links = table(*numbers);
    REQUIRE(links.insert(first));
    static_cast<void>(numbers->make_token(loop.ring()));  // never inserted
  }
  const auto numbers = open(8);
  LinkTable links = table(*numbers);
  CHECK(has(links, first.token));
  CHECK(numbers->number_of(numbers->make_token(loop.ring())) == 2);
}

TEST_CASE_FIXTURE(Fixture, "a link whose token tells no number has it in a table, and both kinds go side by side") {
  const auto numbers = open();
  LinkTable links = table(*numbers);
  const Link numbered = link(*numbers, 1);
  const Link other = test::make_link(2);
  const Link late = link(*numbers, 3);
  CHECK_FALSE(numbers->has_unnumbered());
  REQUIRE(links.insert(late));
  REQUIRE(links.insert(other));
  REQUIRE(links.insert(numbered));
  CHECK(numbers->has_unnumbered());
  for (const Link& one : {numbered, other, late}) CHECK(has(links, one.token));
  CHECK(links.insert(other).error().code == io::Errc::exists);
  REQUIRE(*links.set_expiry(other.token, kEnded, test::kNow));
  REQUIRE(*links.remove_ended(other.token, test::kNow));
  CHECK(read("SELECT count(*) FROM tokens") == 0);
  CHECK(open()->has_unnumbered() == false);
}

TEST_CASE_FIXTURE(Fixture, "links outlive their key: one that is lost, damaged or another one is made anew") {
  for (const char* const damage :
       {"DELETE FROM link_key", "UPDATE link_key SET key = x'00'", "UPDATE link_key SET key = zeroblob(32)"}) {
    CAPTURE(damage);
    database.reset();
    directory = std::make_unique<test::TemporaryDirectory>();
    make();
    Link old;
    {
      const auto numbers = open();
      old = link(*numbers, 1);
      LinkTable links = table(*numbers);
      REQUIRE(links.insert(old));
    }
    REQUIRE(database->execute(damage, "damage"));
    CHECK(*LinkNumbers::read(*database) == nullptr);
    const auto numbers = open(8);
    LinkTable links = table(*numbers);
    CHECK_FALSE(numbers->number_of(old.token));
    CHECK(has(links, old.token));
    const Link next = link(*numbers, 2);
    REQUIRE(links.insert(next));
    CHECK(has(links, next.token));
    CHECK(*LinkNumbers::read(*database) != nullptr);
    CHECK(read("SELECT count(*) FROM link_key") == 1);
  }
}

TEST_CASE_FIXTURE(Fixture, "a key under which an older token would tell a number is not taken, nor the next one") {
  // Three old tokens: each tells a number under a key that is one more than the one before.
  std::vector<Link> old;
  for (const std::byte byte : {std::byte{0xff}, std::byte{0}, std::byte{1}}) {
    database.reset();
    directory = std::make_unique<test::TemporaryDirectory>();
    make();
    LinkNumbers::Key key{};
    key[0] = byte;
    if (byte != std::byte{0xff}) key[1] = std::byte{1};
    const auto numbers = LinkNumbers::open(*database, key);
    REQUIRE(numbers.has_value());
    old.push_back(link(**numbers, old.size() + 1));
  }
  database.reset();
  directory = std::make_unique<test::TemporaryDirectory>();
  make();
  for (const Link& one : old) {
    REQUIRE(database->execute(fmt::format("INSERT INTO links (token, name, content_type, size, created_at_ms)"
                                          " VALUES ('{}', x'', '', 0, 0)",
                                          one.token)
                                  .c_str(),
                              "insert"));
  }
  LinkNumbers::Key fresh{};
  fresh[0] = std::byte{0xff};
  const auto numbers = LinkNumbers::open(*database, fresh);
  REQUIRE(numbers.has_value());
  for (const Link& one : old) CHECK_FALSE((*numbers)->number_of(one.token));
  CHECK(read("SELECT count(*) FROM tokens") == 3);
  CHECK(read("SELECT hex(key) LIKE '0201%' FROM link_key") == 1);
}

TEST_CASE_FIXTURE(Fixture, "a new key finds each link's token in the table, whatever was left there") {
  Link one;
  Link two;
  {
    const auto numbers = open();
    one = link(*numbers, 1);
    two = link(*numbers, 2);
    LinkTable links = table(*numbers);
    REQUIRE(links.insert(one));
    REQUIRE(links.insert(two));
  }
  REQUIRE(database->execute(fmt::format("INSERT INTO tokens VALUES ('{}', 97), ('of nobody', 5);"
                                        "UPDATE link_key SET key = zeroblob(32)",
                                        two.token)
                                .c_str(),
                            "damage"));
  const auto numbers = open(8);
  CHECK(numbers->has_replaced_key());
  LinkTable links = table(*numbers);
  CHECK(has(links, one.token));
  CHECK(has(links, two.token));
  CHECK(read("SELECT count(*) FROM tokens") == 2);
  CHECK_FALSE(open(9)->has_replaced_key());
}

TEST_CASE_FIXTURE(Fixture, "numbers go on where none has been when the last one is none") {
  const auto numbers = open();
  LinkTable links = table(*numbers);
  const Link first = link(*numbers, 1);
  REQUIRE(links.insert(first));
  for (const char* const id : {"9223372036854775807", "1099511627776", "-1"}) {
    CAPTURE(id);
    REQUIRE(database->execute(fmt::format("INSERT INTO links (id, token, name, content_type, size, created_at_ms)"
                                          " VALUES ({0}, 't{0}', x'', '', 0, 0);"
                                          "INSERT OR IGNORE INTO tokens VALUES ('t{0}', {0})",
                                          id)
                                  .c_str(),
                              "damage"));
    const auto next = open(8);
    LinkTable more = table(*next);
    const Link another = link(*next, 2);
    REQUIRE(more.insert(another));
    CHECK(has(more, another.token));
    CHECK(has(more, first.token));
    CHECK(open(8)->take_number() == 3);
    REQUIRE(database->execute("DELETE FROM links WHERE id != 1; DELETE FROM tokens", "mend"));
  }
}

TEST_CASE_FIXTURE(Fixture, "an ended link to which no token leads any more can be removed") {
  const auto numbers = open();
  LinkTable links = table(*numbers);
  for (const char* const damage : {"DELETE FROM tokens", "UPDATE tokens SET link = 97"}) {
    CAPTURE(damage);
    const Link lost = test::make_link(1);
    REQUIRE(links.insert(lost));
    REQUIRE(*links.set_expiry(lost.token, kEnded, test::kNow));
    REQUIRE(database->execute(damage, "damage"));
    CHECK_FALSE(has(links, lost.token));
    CHECK(*links.ended(test::kNow, 10) == std::vector{lost.token});
    CHECK(*links.remove_ended(lost.token, test::kNow));
    CHECK(read("SELECT count(*) FROM links") == 0);
    CHECK(read("SELECT count(*) FROM tokens") == 0);
    REQUIRE(database->execute("DELETE FROM garbage", "mend"));
  }
}

}  // namespace
}  // namespace ringdrop::db
