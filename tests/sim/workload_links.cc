// The clients of the workload that have a link, or get one at once: plain uploads, forms, downloads, ends.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/sim/run_task.h"
#include "tests/sim/workload.h"
#include "tests/sim/workload_values.h"

namespace ringdrop::sim {
namespace {

// The delete token: what X-Url-Delete ends with.
std::string secret_of(const KnownLink& link) {
  return link.delete_path.substr(link.delete_path.rfind('/') + 1);
}

// The path of the link itself, without its name.
std::string token_path_of(const KnownLink& link) {
  return link.path.substr(0, link.path.find('/', 1));
}

}  // namespace

std::string KnownLink::content() const {
  std::string content;
  for (const Piece& piece : pieces) content += content_of(piece.seed, piece.size);
  return content;
}

io::Task<> Life::upload_any(Random& random) {
  Plain how;
  how.piece = {random.next(), some_size(random)};
  how.digest = random.one_in(4);
  if (random.one_in(5)) how.max_downloads = random.between(1, 3);
  if (random.one_in(5)) how.lasts_s = random.between(1, 60);
  how.post = random.one_in(4);
  if (random.one_in(8)) how.sent = random.below(200 + how.piece.size);
  co_await upload_plain(how);
}

io::Task<> Life::upload_plain(Plain how) {
  KnownLink link;
  link.pieces = {how.piece};
  link.size = how.piece.size;
  link.max_downloads = how.max_downloads;
  const std::string content = link.content();
  std::string fields = how.digest ? digest_field(content) : std::string();
  if (how.max_downloads > 0) fields += fmt::format("Max-Downloads: {}\r\n", how.max_downloads);
  if (how.lasts_s > 0) fields += fmt::format("Expires-In: {}s\r\n", how.lasts_s);
  std::string request =
      fmt::format("{} HTTP/1.1\r\nHost: sim\r\n{}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                  how.post ? "POST /" : "PUT /f", fields, content.size());
  request += content;
  const io::EpochMs asked_ms = world_.epoch_ms();
  Talk said;
  std::optional<std::size_t> cut_after;
  if (how.sent) cut_after = std::min(*how.sent, request.size());
  co_await talk(std::move(request), said, cut_after);
  if (said.answer) known_.statuses.push_back(said.answer->status);
  if (!said.answer || said.answer->status != 201) co_return;
  link.path = path_of(said.answer->body);
  link.delete_path = path_of(said.answer->fields.at("x-url-delete"));
  note_lasting(link, how.lasts_s, asked_ms);
  known_.links.push_back(std::move(link));
}

// A link that was asked for at `asked_ms`, to last for so long, has just been answered.
void Life::note_lasting(KnownLink& link, uint64_t lasts_s, io::EpochMs asked_ms) {
  if (lasts_s == 0) return;
  const auto lasts_ms = static_cast<io::EpochMs>(lasts_s) * 1'000;
  link.may_end_ms = asked_ms + lasts_ms;
  link.must_end_ms = world_.epoch_ms() + lasts_ms;
}

io::Task<> Life::upload_form(Random& random) {
  std::vector<KnownLink> files(random.between(1, 4));
  std::vector<std::string> contents;
  FormFields fields;
  const uint64_t max_downloads = random.one_in(4) ? random.between(1, 3) : 0;
  const uint64_t lasts_s = random.one_in(4) ? random.between(1, 60) : 0;
  if (max_downloads > 0) fields.emplace_back("max_downloads", std::to_string(max_downloads));
  if (lasts_s > 0) fields.emplace_back("expires", fmt::format("{}s", lasts_s));
  for (KnownLink& file : files) {
    file.size = random.below(30'000);
    file.pieces = {{random.next(), file.size}};
    file.max_downloads = max_downloads;
    contents.push_back(file.content());
  }
  const std::string body = form_of(contents, fields);
  std::string request = fmt::format(
      "POST / HTTP/1.1\r\nHost: sim\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
      body.size());
  request += body;
  const io::EpochMs asked_ms = world_.epoch_ms();
  Talk said;
  co_await talk(std::move(request), said);
  if (!said.answer || said.answer->status != 201) co_return;
  std::string_view lines = said.answer->body;
  for (KnownLink& file : files) {
    file.path = path_of(lines.substr(0, lines.find('\n')));
    lines.remove_prefix(lines.find('\n') + 1);
    note_lasting(file, lasts_s, asked_ms);
  }
  // Each has one; the client keeps the last.
  files.back().delete_path = path_of(said.answer->fields.at("x-url-delete"));
  for (KnownLink& file : files) known_.links.push_back(std::move(file));
}

io::Task<> Life::read_any(KnownLink& link, Random& random) {
  std::optional<Range> range;
  if (link.size > 0 && random.one_in(2)) {
    const std::size_t from = random.below(link.size);
    range = Range{from, random.between(from + 1, link.size)};
  }
  co_await read_link(link, range);
}

io::Task<> Life::read_link(KnownLink& link, std::optional<Range> range) {
  const std::size_t from = range ? range->from : 0;
  const std::size_t to = range ? range->to : link.size;
  // What can be without a body, before it has begun: gone is gone for ever.
  const bool must_be_gone = link.deleted || world_.epoch_ms() >= link.must_end_ms;
  if (to == link.size) ++link.begun;
  std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\n{}\r\n", link.path,
                                    range ? fmt::format("Range: bytes={}-{}\r\n", from, to - 1) : std::string());
  Talk said;
  std::optional<std::size_t> cut_after;
  co_await talk(std::move(request), said, cut_after);
  if (!said.answer) co_return;
  ++known_.checks;
  const int status = said.answer->status;
  if (status == 404) {
    const bool used_up = link.max_downloads > 0 && link.begun >= link.max_downloads;
    const bool may_be_gone = link.delete_asked || used_up || world_.epoch_ms() >= link.may_end_ms;
    if (!may_be_gone) violated(fmt::format("{} is not found", link.path));
    co_return;
  }
  if (status >= 500) co_return;
  if (must_be_gone) violated(link.path + " is there after its end");
  if (status != (range ? 206 : 200) || said.answer->body != link.content().substr(from, to - from)) {
    violated(fmt::format("{} bytes {}-{} of {}: status {}, {} bytes, other content", link.path, from, to, link.size,
                         status, said.answer->body.size()));
  }
  if (from == 0 && to == link.size) ++link.whole;
  if (link.max_downloads > 0 && link.whole > link.max_downloads) violated(link.path + " was served too often");
}

io::Task<> Life::delete_link(KnownLink& link) {
  if (link.delete_path.empty()) co_return;
  link.delete_asked = true;
  Talk said;
  std::string request = fmt::format("DELETE {} HTTP/1.1\r\nHost: sim\r\n\r\n", link.delete_path);
  co_await talk(std::move(request), said);
  if (said.answer && said.answer->status == 200) link.deleted = true;
}

io::Task<> Life::change_any(KnownLink& link, Random& random) {
  const io::EpochMs last_s = random.one_in(2) ? 60 : 3'600;
  const auto lasts_s = static_cast<uint64_t>(random.between(1, static_cast<uint64_t>(last_s)));
  co_await change_expiry(link, lasts_s);
}

// A new end, so many seconds from now. Until it is answered either holds; who is alone knows afterwards which.
io::Task<> Life::change_expiry(KnownLink& link, uint64_t lasts_s) {
  if (link.delete_path.empty()) co_return;
  const io::EpochMs may_end_ms = link.may_end_ms;
  const io::EpochMs must_end_ms = link.must_end_ms;
  const bool had_ended = link.deleted || world_.epoch_ms() >= must_end_ms;
  const uint64_t number = ++link.changes;
  const bool alone = link.changing++ == 0;
  link.may_end_ms = std::min(may_end_ms, world_.epoch_ms() + static_cast<io::EpochMs>(lasts_s) * 1'000);
  // Once its end has come no change takes it back.
  if (!had_ended) link.must_end_ms = kNeverEnds;

  const std::string form = fmt::format("token={}&expires={}s", secret_of(link), lasts_s);
  std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nHost: sim\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
      token_path_of(link), form.size());
  request += form;
  Talk said;
  co_await talk(std::move(request), said);
  --link.changing;
  if (!said.answer) co_return;
  known_.statuses.push_back(said.answer->status);
  ++known_.checks;
  const bool known = alone && number == link.changes;
  if (said.answer->status == 200) {
    if (had_ended) violated(link.path + " has a new end after its end");
    if (!known) co_return;
    link.may_end_ms = link.must_end_ms = static_cast<io::EpochMs>(number_in(*said.answer, "x-expires", 0));
  } else if (said.answer->status == 404) {
    const bool used_up = link.max_downloads > 0 && link.begun >= link.max_downloads;
    const bool may_be_gone = link.delete_asked || used_up || world_.epoch_ms() >= may_end_ms;
    if (known && !may_be_gone) violated(link.path + " is not found by who changes its end");
    if (!known) co_return;
    link.may_end_ms = may_end_ms;
    link.must_end_ms = must_end_ms;
  }
}

}  // namespace ringdrop::sim
