#include "db/link_numbers.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/base62.h"
#include "base/bytes.h"
#include "base/check.h"
#include "db/transaction.h"

namespace ringdrop::db {
namespace {

constexpr const char* kOp = "read the catalogue's key";
constexpr const char* kMakes = "make the catalogue's key";
constexpr std::size_t kNumberBytes = 5;
constexpr std::size_t kZeroBytes = 6;
constexpr std::size_t kRandomAt = kNumberBytes + kZeroBytes;
constexpr int64_t kMostNumber = (int64_t{1} << (8 * kNumberBytes)) - 1;
// What is larger or negative is damage, and no number.
constexpr const char* kLastNumber = "SELECT coalesce(max(id), 0) FROM links WHERE id BETWEEN 1 AND 1 << 39";

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

// Each link has its token in `tokens` from now on, and nothing else is there. A migration has seen to it; where a key
// was lost or does not fit it is done here: true. Sorted by nothing, and read from one table at a time, as SQLite would
// keep what it sorts or reads twice in memory.
io::Result<bool> keep_tokens(Database& database) {
  const io::Result<int64_t> is_new = database.read_int64(
      "SELECT NOT EXISTS (SELECT 1 FROM link_key) AND (SELECT count(*) FROM tokens) = (SELECT count(*) FROM links)",
      kMakes);
  if (!is_new) return std::unexpected(is_new.error());
  if (*is_new != 0) return false;
  const io::Result<> kept =
      database.execute("DELETE FROM tokens; INSERT OR REPLACE INTO tokens SELECT token, id FROM links", kMakes);
  if (!kept) return std::unexpected(kept.error());
  return true;
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

io::Result<std::unique_ptr<LinkNumbers>> LinkNumbers::make(Database& database, Key key) {
  io::Result<Transaction> transaction = Transaction::begin(database);
  if (!transaction) return std::unexpected(transaction.error());
  const io::Result<bool> kept = keep_tokens(database);
  if (!kept) return std::unexpected(kept.error());
  // Under one key in a million an older token of ten million seems to tell a number: another key then.
  std::unique_ptr<LinkNumbers> numbers;
  while (true) {
    numbers.reset(new LinkNumbers(as_text(key)));
    const io::Result<bool> tells = numbers->tells_of_any(database);
    if (!tells) return std::unexpected(tells.error());
    if (!*tells) break;
    for (std::byte& byte : key) {  // as a number, one more
      byte = static_cast<std::byte>(std::to_integer<unsigned>(byte) + 1);
      if (byte != std::byte{0}) break;
    }
  }
  {
    io::Result<Statement> insert =
        Statement::prepare(database, "INSERT OR REPLACE INTO link_key (id, key) VALUES (1, ?1)", kMakes);
    if (!insert) return std::unexpected(insert.error());
    const io::Result<> inserted = insert->use().bind_blob(1, as_text(key)).run();
    if (!inserted) return std::unexpected(inserted.error());
  }
  const io::Result<> done = transaction->commit();
  if (!done) return std::unexpected(done.error());
  const io::Result<> looked = numbers->look_at(database);
  if (!looked) return std::unexpected(looked.error());
  numbers->has_replaced_key_ = *kept;
  return numbers;
}

// Whether the last link's token leads to it: a key that has lost a bit would lead nowhere.
io::Result<bool> LinkNumbers::fits(Database& database) const {
  io::Result<Statement> statement =
      Statement::prepare(database,
                         "SELECT l.id, l.token, t.link FROM links l LEFT JOIN tokens t"
                         " ON t.token = l.token WHERE l.id BETWEEN 1 AND 1 << 39 ORDER BY l.id DESC LIMIT 1",
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

// Where that is damaged, numbers go on where none has been, and tokens may be there.
io::Result<> LinkNumbers::look_at(Database& database) {
  io::Result<int64_t> last = database.read_int64(kLastNumber, kOp);
  if (!last && !is_corrupt(last.error())) return std::unexpected(last.error());
  if (!last) last = kMostNumber / 2;
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
