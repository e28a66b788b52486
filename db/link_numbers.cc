#include "db/link_numbers.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/base62.h"
#include "base/bytes.h"
#include "base/check.h"
#include "db/tokens.h"
#include "db/transaction.h"

namespace ringdrop::db {
namespace {

constexpr const char* kOp = "read the catalogue's key";
constexpr const char* kMakes = "make the catalogue's key";
constexpr std::size_t kNumberBytes = 5;
constexpr std::size_t kZeroBytes = 3;
constexpr std::size_t kRandomAt = kNumberBytes + kZeroBytes;
constexpr int64_t kMostNumber = (int64_t{1} << (8 * kNumberBytes)) - 1;

bool is_corrupt(const io::Error& error) {
  return error.code == io::Errc::corrupt;
}

// Empty: there is none, or it is none.
io::Result<std::string> read_key(Database& database) {
  io::Result<Statement> statement = Statement::prepare(database, "SELECT key FROM link_key", kOp);
  if (!statement) return std::unexpected(statement.error());
  Statement::Use use = statement->use();
  const io::Result<bool> row = use.step();
  if (!row) return std::unexpected(row.error());
  if (!*row || use.column_blob(0).size() != TokenCipher::kKeyBytes) return std::string();
  return std::string(use.column_blob(0));
}

}  // namespace

io::Result<std::unique_ptr<LinkNumbers>> LinkNumbers::read(Database& database) {
  const io::Result<std::string> key = read_key(database);
  if (!key) return std::unexpected(key.error());
  if (key->empty()) return nullptr;
  std::unique_ptr<LinkNumbers> numbers(new LinkNumbers(*key));
  const io::Result<bool> fits = numbers->fits(database);
  if (!fits) return std::unexpected(fits.error());
  if (!*fits) return nullptr;
  const io::Result<> looked = numbers->look_at(database);
  if (!looked) return std::unexpected(looked.error());
  return numbers;
}

io::Result<std::unique_ptr<LinkNumbers>> LinkNumbers::open(Database& database, const Key& fresh) {
  auto numbers = read(database);
  if (!numbers || *numbers) return numbers;
  return make(database, fresh);
}

io::Result<std::unique_ptr<LinkNumbers>> LinkNumbers::make(Database& database, const Key& fresh) {
  io::Result<Transaction> transaction = Transaction::begin(database);
  if (!transaction) return std::unexpected(transaction.error());
  // A migration has put them there; where a key was lost they are not. No ORDER BY: it would sort them in memory.
  io::Result<> done = database.execute(
      "INSERT OR IGNORE INTO tokens SELECT token, id FROM links"
      " WHERE (SELECT count(*) FROM tokens) < (SELECT count(*) FROM links)",
      kMakes);
  if (!done) return std::unexpected(done.error());
  // An older token may seem to tell a number, in one of a million catalogues of ten million: another key then.
  Key key = fresh;
  std::unique_ptr<LinkNumbers> numbers;
  while (true) {
    numbers.reset(new LinkNumbers(as_text(key)));
    const io::Result<bool> tells = numbers->tells_of_any(database);
    if (!tells) return std::unexpected(tells.error());
    if (!*tells) break;
    key.back() ^= std::byte{1};
  }
  {
    io::Result<Statement> insert =
        Statement::prepare(database, "INSERT OR REPLACE INTO link_key (id, key) VALUES (1, ?1)", kMakes);
    if (!insert) return std::unexpected(insert.error());
    done = insert->use().bind_blob(1, as_text(key)).run();
    if (!done) return std::unexpected(done.error());
  }
  done = transaction->commit();
  if (!done) return std::unexpected(done.error());
  done = numbers->look_at(database);
  if (!done) return std::unexpected(done.error());
  return numbers;
}

// Whether the last link's token leads to it: a key that has lost a bit would lead nowhere.
io::Result<bool> LinkNumbers::fits(Database& database) const {
  io::Result<Statement> statement = Statement::prepare(database,
                                                       "SELECT l.id, l.token, t.link FROM links l LEFT JOIN tokens t"
                                                       " ON t.token = l.token ORDER BY l.id DESC LIMIT 1",
                                                       kOp);
  if (!statement) return std::unexpected(statement.error());
  Statement::Use use = statement->use();
  const io::Result<bool> row = use.step();
  if (!row && !is_corrupt(row.error())) return row;
  if (!row || !*row) return true;
  const int64_t id = use.column(0);
  return use.column_or_null(2) == id || number_of(use.column_text(1)) == id;
}

io::Result<bool> LinkNumbers::tells_of_any(Database& database) const {
  io::Result<Statement> statement = Statement::prepare(database, "SELECT token FROM tokens", kMakes);
  if (!statement) return std::unexpected(statement.error());
  Statement::Use use = statement->use();
  while (true) {
    const io::Result<bool> row = use.step();
    if (!row || !*row) return row;
    if (number_of(use.column_text(0))) return true;
  }
}

// Of what is damaged: numbers go on where none has been, and tokens may be there.
io::Result<> LinkNumbers::look_at(Database& database) {
  io::Result<int64_t> last = database.read_int64("SELECT coalesce(max(id), 0) FROM links", kOp);
  if (!last && !is_corrupt(last.error())) return std::unexpected(last.error());
  if (!last || *last < 0 || *last >= kMostNumber) last = kMostNumber / 2;
  next_ = *last + 1;
  const io::Result<int64_t> unnumbered = database.read_int64("SELECT EXISTS (SELECT 1 FROM tokens)", kOp);
  if (!unnumbered && !is_corrupt(unnumbered.error())) return std::unexpected(unnumbered.error());
  has_unnumbered_ = !unnumbered || *unnumbered != 0;
  return {};
}

std::string LinkNumbers::make_token(io::Ring& ring) {
  const int64_t number = take_number();
  CHECK_THAT(number <= kMostNumber);
  TokenCipher::Block block{};
  for (std::size_t i = 0; i < kNumberBytes; ++i) {
    block[i] = static_cast<unsigned char>(number >> (8 * (kNumberBytes - 1 - i)));
  }
  ring.random(std::as_writable_bytes(std::span(block)).subspan(kRandomAt));
  return base62_from_block(cipher_.encrypt(block));
}

std::optional<int64_t> LinkNumbers::number_of(std::string_view token) const {
  if (!is_link_token(token)) return std::nullopt;
  const std::optional<TokenCipher::Block> secret = block_from_base62(token);
  if (!secret) return std::nullopt;
  const TokenCipher::Block block = cipher_.decrypt(*secret);
  const auto zeros = std::span(block).subspan(kNumberBytes, kZeroBytes);
  int64_t number = 0;
  for (const unsigned char byte : std::span(block).first(kNumberBytes)) number = number << 8 | byte;
  if (number == 0 || std::ranges::any_of(zeros, [](unsigned char byte) { return byte != 0; })) return std::nullopt;
  return number;
}

}  // namespace ringdrop::db
