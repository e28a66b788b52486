// The clients of the workload; workload_check.cc looks at what they were told.
#include "tests/sim/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "proto/base64.h"
#include "proto/digest.h"
#include "tests/sim/run_task.h"

namespace ringdrop::sim {
namespace {

constexpr int kActionsOfClient = 7;
constexpr uint64_t kClients = 5;
constexpr std::size_t kBlock = 4'096;

// Sizes that are of interest: tiny, at the edges of blocks and buffers, several buffers.
std::size_t some_size(Random& random) {
  switch (random.below(6)) {
    case 0:
      return random.below(10);
    case 1:
      return random.between(1, 8) * kBlock;
    case 2:
      return random.between(1, 8) * kBlock + random.between(1, 3) - 2;
    case 3:
      return random.below(200'000);
    default:
      return random.below(20'000);
  }
}

std::string digest_field(std::string_view content) {
  return fmt::format("Repr-Digest: sha-256=:{}:\r\n", proto::base64_encode(proto::sha256(content)));
}

uint64_t number_in(const Response& answer, const char* field, uint64_t otherwise) {
  const auto found = answer.fields.find(field);
  if (found == answer.fields.end()) return otherwise;
  uint64_t value = otherwise;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

std::optional<std::string> field_of(const Response& answer, const char* field) {
  const auto found = answer.fields.find(field);
  return found == answer.fields.end() ? std::nullopt : std::optional<std::string>(found->second);
}

}  // namespace

void Life::violated(std::string what) {
  known_.violated(fmt::format("life {}, {} ms: {}", seed_, world_.epoch_ms() - kFirstBootMs, what));
}

io::Task<> Life::talk(std::string request, Talk& result, std::optional<std::size_t> cut_after, bool head, bool slow) {
  SimClient client(world_, server_.client_loop(), server_.address());
  const std::string_view all = std::string_view(request).substr(0, cut_after.value_or(request.size()));
  if (slow) {
    constexpr std::size_t kParts = 4;
    const std::size_t part = all.size() / kParts;
    for (std::size_t i = 1; i < kParts; ++i) {
      static_cast<void>(co_await client.send(all.substr((i - 1) * part, part)));
      co_await pause(io::Milliseconds(world_.chance().below(6'000)));
    }
    static_cast<void>(co_await client.send(all.substr((kParts - 1) * part)));
  } else {
    static_cast<void>(co_await client.send(all));
  }
  if (!cut_after) {
    io::Result<Response> answer = co_await client.receive(head);
    if (answer) result.answer = std::move(*answer);
  }
  result.interim = client.interims();
}

io::Task<> Life::pause(io::Milliseconds time) {
  io::WaitList nobody(server_.client_loop());
  const std::stop_token never;
  static_cast<void>(co_await nobody.wait(server_.client_loop().now() + time, never));
}

// Sends a part and waits, until the server has had enough.
io::Task<> Life::hang(std::string request, std::size_t cut_after) {
  SimClient client(world_, server_.client_loop(), server_.address());
  const std::string_view all = request;
  static_cast<void>(co_await client.send(all.substr(0, cut_after)));
  static_cast<void>(co_await client.receive());
}

io::Task<> Life::client(uint64_t seed) {
  Random random(seed);
  for (int i = 0; i < kActionsOfClient; ++i) co_await act(random);
}

io::Task<> Life::act(Random& random) {
  if (random.one_in(12)) {
    // Somebody goes to lunch.
    co_await pause(io::Milliseconds(random.below(random.one_in(4) ? 200'000 : 3'000)));
  }
  std::vector<KnownUpload*> idle;
  for (KnownUpload& upload : known_.uploads) {
    if (!upload.busy && !upload.path.empty() && !upload.cancel_asked && !upload.link) idle.push_back(&upload);
  }
  const uint64_t what = random.below(20);
  if (what < 3) {
    co_await upload_plain(random);
  } else if (what < 4) {
    co_await upload_form(random);
  } else if (what < 8) {
    co_await create_any(random);
  } else if (what < 9) {
    co_await create_named(random);
  } else if (what < 16 && !idle.empty()) {
    co_await go_on(*idle[random.below(idle.size())], random);
  } else if (!known_.links.empty()) {
    KnownLink& link = known_.links[random.below(known_.links.size())];
    if (random.one_in(5)) {
      co_await delete_link(link);
    } else {
      co_await read_link(link, random);
    }
  }
}

io::Task<> Life::upload_plain(Random& random) {
  KnownLink link;
  link.seed = random.next();
  link.size = some_size(random);
  const std::string content = content_of(link.seed, link.size);
  std::string fields = random.one_in(4) ? digest_field(content) : std::string();
  if (random.one_in(5)) link.max_downloads = random.between(1, 3);
  if (link.max_downloads > 0) fields += fmt::format("Max-Downloads: {}\r\n", link.max_downloads);
  const uint64_t lasts_s = random.one_in(5) ? random.between(1, 60) : 0;
  if (lasts_s > 0) fields += fmt::format("Expires-In: {}s\r\n", lasts_s);
  std::string request =
      fmt::format("{} HTTP/1.1\r\nHost: sim\r\n{}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                  random.one_in(4) ? "POST /" : "PUT /f", fields, content.size());
  request += content;
  std::optional<std::size_t> cut_after;
  if (random.one_in(8)) cut_after = random.below(request.size());
  if (lasts_s > 0) link.expires_at_ms = world_.epoch_ms() + static_cast<io::EpochMs>(lasts_s) * 1'000;
  Talk said;
  co_await talk(std::move(request), said, cut_after);
  if (!said.answer || said.answer->status != 201) co_return;
  link.path = path_of(said.answer->body);
  link.delete_path = path_of(said.answer->fields.at("x-url-delete"));
  if (lasts_s > 0) link.expires_by_ms = world_.epoch_ms() + static_cast<io::EpochMs>(lasts_s) * 1'000;
  known_.links.push_back(std::move(link));
}

io::Task<> Life::upload_form(Random& random) {
  std::vector<KnownLink> files(random.between(1, 4));
  std::vector<std::string> contents;
  for (KnownLink& file : files) {
    file.seed = random.next();
    file.size = random.below(30'000);
    contents.push_back(content_of(file.seed, file.size));
  }
  const std::string body = form_of(contents);
  std::string request = fmt::format(
      "POST / HTTP/1.1\r\nHost: sim\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
      body.size());
  request += body;
  Talk said;
  co_await talk(std::move(request), said);
  if (!said.answer || said.answer->status != 201) co_return;
  std::string_view lines = said.answer->body;
  for (KnownLink& file : files) {
    file.path = path_of(lines.substr(0, lines.find('\n')));
    lines.remove_prefix(lines.find('\n') + 1);
    known_.links.push_back(std::move(file));
  }
}

io::Task<> Life::read_link(KnownLink& link, Random& random) {
  const std::string content = content_of(link.seed, link.size);
  std::size_t from = 0;
  std::size_t to = link.size;  // behind the last
  std::string range;
  if (link.size > 0 && random.one_in(2)) {
    from = random.below(link.size);
    to = random.between(from + 1, link.size);
    range = fmt::format("Range: bytes={}-{}\r\n", from, to - 1);
  }
  // What can be without a body, before it has begun: gone is gone for ever.
  const bool must_be_gone = link.deleted || (link.expires_by_ms > 0 && world_.epoch_ms() >= link.expires_by_ms);
  if (to == link.size) ++link.begun;
  std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\n{}\r\n", link.path, range);
  Talk said;
  std::optional<std::size_t> cut_after;
  co_await talk(std::move(request), said, cut_after);
  if (!said.answer) co_return;
  ++known_.checks;
  const int status = said.answer->status;
  if (status == 404) {
    const bool expired = link.expires_at_ms > 0 && world_.epoch_ms() >= link.expires_at_ms;
    const bool used_up = link.max_downloads > 0 && link.begun >= link.max_downloads;
    if (!link.delete_asked && !expired && !used_up) violated(fmt::format("{} is not found", link.path));
    co_return;
  }
  if (status >= 500) co_return;
  if (must_be_gone) violated(fmt::format("{} is there after its end", link.path));
  if (status != (range.empty() ? 200 : 206) || said.answer->body != content.substr(from, to - from)) {
    violated(fmt::format("{} bytes {}-{} of {}: status {}, {} bytes", link.path, from, to, link.size, status,
                         said.answer->body.size()));
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

io::Task<> Life::create_any(Random& random) {
  KnownUpload& upload = known_.uploads.emplace_back();
  upload.seed = random.next();
  upload.size = some_size(random);
  upload.wrong_digest = random.one_in(12);
  Creation how;
  how.tus = random.one_in(2);
  how.knows_length = !random.one_in(4);
  how.brings_all = random.one_in(how.tus ? 6 : 2);
  how.digest = random.one_in(2);
  if (!how.tus || random.one_in(3)) how.body_bytes = random.below(upload.size + 1);
  if (!how.tus && random.one_in(2)) how.sent = random.below((how.brings_all ? upload.size : how.body_bytes) + 1);
  co_await create(upload, how);
}

io::Task<> Life::create(KnownUpload& upload, Creation how) {
  upload.busy = true;
  const std::string content = content_of(upload.seed, upload.size);
  const std::string body = how.brings_all ? content : content.substr(0, how.body_bytes);
  upload.length_told = how.knows_length || (how.brings_all && !how.tus);
  std::string fields;
  if (upload.wrong_digest) fields += digest_field(content + "x");
  if (!upload.wrong_digest && how.digest) fields += digest_field(content);
  if (how.tus) {
    fields += upload.length_told ? fmt::format("Upload-Length: {}\r\n", upload.size)
                                 : std::string("Upload-Defer-Length: 1\r\n");
    fields += "Tus-Resumable: 1.0.0\r\n";
    if (!body.empty()) fields += "Content-Type: application/offset+octet-stream\r\n";
  } else {
    fields += fmt::format("Upload-Complete: ?{}\r\nUpload-Draft-Interop-Version: 8\r\n", how.brings_all ? 1 : 0);
    if (upload.length_told && !how.brings_all) fields += fmt::format("Upload-Length: {}\r\n", upload.size);
  }
  const bool by_name = !how.tus && upload.seed % 2 == 0;
  std::string request = fmt::format("{} HTTP/1.1\r\nHost: sim\r\n{}Content-Length: {}\r\n\r\n",
                                    by_name ? "PUT /f" : "POST /uploads", fields, body.size());
  const std::size_t body_sent = std::min(how.sent.value_or(body.size()), body.size());
  const std::size_t bytes_sent = request.size() + body_sent;
  request += body;
  note_sending(upload, body_sent);
  Talk said;
  // The client stays until the server ends it: so that it hears where the upload lives.
  SimClient client(world_, server_.client_loop(), server_.address());
  static_cast<void>(co_await client.send(std::string_view(request).substr(0, bytes_sent)));
  if (body_sent < body.size()) static_cast<void>(co_await client.end_sending());
  io::Result<Response> answer = co_await client.receive();
  said.interim = client.interims();
  if (answer) said.answer = std::move(*answer);
  note_answer(upload, said, true);
  upload.busy = false;
}

io::Task<> Life::create_named(Random& random) {
  KnownUpload& upload = known_.uploads.emplace_back();
  upload.busy = true;
  upload.seed = random.next();
  upload.size = some_size(random);
  const std::string content = content_of(upload.seed, upload.size);
  std::string id;
  for (int i = 0; i < 22; ++i) id += static_cast<char>('a' + random.below(26));
  upload.path = "/uploads/" + id;
  upload.length_told = true;
  std::string request = fmt::format("PUT /f HTTP/1.1\r\nHost: sim\r\nUpload-Id: {}\r\n{}Content-Length: {}\r\n\r\n", id,
                                    random.one_in(2) ? digest_field(content) : std::string(), content.size());
  const std::size_t head_bytes = request.size();
  request += content;
  std::optional<std::size_t> cut_after;
  if (!random.one_in(4)) cut_after = random.between(head_bytes, request.size());
  note_sending(upload, cut_after.value_or(request.size()) - head_bytes);
  Talk said;
  co_await talk(std::move(request), said, cut_after);
  note_answer(upload, said, false);
  if (said.answer && said.answer->status == 201) {
    upload.created = true;
    note_complete(upload, *said.answer);
  }
  upload.busy = false;
}

io::Task<> Life::go_on(KnownUpload& upload, Random& random) {
  upload.busy = true;
  if (random.one_in(15)) {
    co_await cancel(upload, random.one_in(2));
  } else {
    if (random.one_in(4)) co_await watch(upload);
    co_await look_at(upload, random.one_in(2));
    const uint64_t pieces = random.between(1, 4);
    for (uint64_t i = 0; i < pieces && !upload.link && !upload.failed; ++i) co_await append_any(upload, random);
  }
  upload.busy = false;
}

io::Task<> Life::append_any(KnownUpload& upload, Random& random) {
  if (upload.told > upload.size) co_return;
  const uint64_t left = upload.size - upload.told;
  Append how;
  how.tus = random.one_in(2);
  how.bytes = random.one_in(3) ? left : std::min<uint64_t>(left, some_size(random));
  how.checked = how.tus && random.one_in(3);
  how.wrong = how.checked && how.bytes > 0 && random.one_in(3);
  if (random.one_in(3)) how.sent = random.below(how.bytes + 1);
  how.hangs = !how.checked && random.one_in(2);
  how.slow = random.one_in(6);
  co_await append(upload, how);
  if (how.sent && how.hangs) co_await pause(io::Milliseconds(random.below(20)));
  if (!upload.settled && !upload.link) co_await look_at(upload, random.one_in(2));
}

// Whole, torn, or one that hangs until the next request takes over.
io::Task<> Life::append(KnownUpload& upload, Append how) {
  const std::string content = content_of(upload.seed, upload.size);
  const uint64_t at = upload.told;
  const bool last = at + how.bytes == upload.size;
  std::string body = content.substr(at, how.bytes);
  std::string fields;
  if (how.tus) {
    fields = "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n";
    if (!upload.length_told && last) fields += fmt::format("Upload-Length: {}\r\n", upload.size);
    if (how.checked) fields += fmt::format("Upload-Checksum: sha256 {}\r\n", proto::base64_encode(proto::sha256(body)));
    if (how.wrong) body[body.size() / 2] ^= 1;
  } else {
    fields = fmt::format(
        "Upload-Draft-Interop-Version: 8\r\nContent-Type: application/partial-upload\r\nUpload-Complete: ?{}\r\n",
        last ? 1 : 0);
  }
  std::string request =
      fmt::format("PATCH {} HTTP/1.1\r\nHost: sim\r\n{}Upload-Offset: {}\r\nContent-Length: {}\r\n\r\n", upload.path,
                  fields, at, how.bytes);
  std::optional<std::size_t> cut_after;
  if (how.sent) cut_after = request.size() + *how.sent;
  request += body;
  const uint64_t body_sent = how.sent.value_or(how.bytes);
  const bool counts = !how.wrong && (body_sent == how.bytes || !how.checked);
  if (counts) note_sending(upload, at + body_sent);

  upload.settled = false;
  if (cut_after && how.hangs) {
    clients_->spawn(hang(std::move(request), *cut_after));
    co_return;
  }
  Talk said;
  co_await talk(std::move(request), said, cut_after, false, how.slow);
  note_answer(upload, said, false);
  upload.settled = said.answer && said.answer->status < 300;
  if (how.wrong && upload.settled) violated(upload.path + ": a wrong checksum was taken");
}

// GET, which takes the upload from nobody.
io::Task<> Life::watch(KnownUpload& upload) {
  std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\n\r\n", upload.path);
  Talk said;
  co_await talk(std::move(request), said);
  ++known_.checks;
  if (!said.answer || said.answer->status != 200) co_return;
  const uint64_t offset = number_in(*said.answer, "upload-offset", 0);
  const bool over = field_of(*said.answer, "upload-complete") == "?1";
  if (offset > upload.sent) violated(fmt::format("{}: GET says {}, {} sent", upload.path, offset, upload.sent));
  if (!over) upload.told = std::max(upload.told, offset);
}

io::Task<> Life::cancel(KnownUpload& upload, bool tus) {
  upload.cancel_asked = true;
  if (upload.link) upload.link->delete_asked = true;
  std::string request = fmt::format("DELETE {} HTTP/1.1\r\nHost: sim\r\n{}\r\n", upload.path,
                                    tus ? "Tus-Resumable: 1.0.0\r\n" : "Upload-Draft-Interop-Version: 8\r\n");
  Talk said;
  co_await talk(std::move(request), said);
  if (!said.answer || said.answer->status != 204) co_return;
  upload.cancelled = true;
  if (upload.link) upload.link->deleted = true;
}

// Bytes up to `end` may count from now on.
void Life::note_sending(KnownUpload& upload, uint64_t end) {
  upload.sent = std::max(upload.sent, end);
  if (upload.sent == upload.size && upload.end_sent_ms == 0) upload.end_sent_ms = world_.epoch_ms();
}

void Life::note_answer(KnownUpload& upload, const Talk& said, bool creation) {
  if (said.answer) known_.statuses.push_back(said.answer->status);
  for (const Response& interim : said.interim) {
    const std::optional<std::string> location = field_of(interim, "location");
    if (creation && location) {
      upload.path = *location;
      upload.created = true;
      upload.touched_ms = world_.epoch_ms();
    }
    const uint64_t offset = number_in(interim, "upload-offset", 0);
    if (offset > upload.sent) violated(fmt::format("{}: 104 of {}, only {} sent", upload.path, offset, upload.sent));
    if (offset > 0) ++known_.checkpoints;
    upload.told = std::max(upload.told, offset);
  }
  if (!said.answer) return;
  const Response& answer = *said.answer;
  if (answer.status == 400 && upload.wrong_digest) upload.failed = true;
  if (answer.status >= 300) return;
  const bool complete = answer.fields.contains("upload-link") || field_of(answer, "upload-complete") == "?1";
  const std::optional<std::string> location = field_of(answer, "location");
  if (creation && upload.path.empty() && location && location->starts_with("/uploads/")) {
    upload.path = *location;
    upload.created = true;
  }
  if (upload.path.empty()) {
    // Complete at once, and the client never heard of an upload.
    upload.created = false;
  }
  upload.touched_ms = world_.epoch_ms();
  const uint64_t offset = number_in(answer, "upload-offset", upload.told);
  if (offset > upload.sent) violated(fmt::format("{}: offset {}, only {} sent", upload.path, offset, upload.sent));
  if (offset < upload.told) violated(fmt::format("{}: offset {} after {}", upload.path, offset, upload.told));
  upload.told = std::max(upload.told, offset);
  if (complete) note_complete(upload, answer);
}

// An answer that says that the upload is complete, and how the link is called unless that has ended meanwhile.
void Life::note_complete(KnownUpload& upload, const Response& answer) {
  if (upload.sent != upload.size) violated(upload.path + " is complete too early");
  if (upload.wrong_digest) violated(upload.path + " is complete with a wrong digest");
  upload.told = upload.size;
  std::optional<std::string> url = field_of(answer, "upload-link");
  if (!url && !answer.body.empty()) url = answer.body;
  if (!url || upload.link) return;
  KnownLink& link = known_.links.emplace_back();
  link.seed = upload.seed;
  link.size = upload.size;
  link.path = path_of(*url);
  if (const auto remove = field_of(answer, "x-url-delete")) link.delete_path = path_of(*remove);
  upload.link = &link;
}

void Life::run_clients(uint64_t steps) {
  for (uint64_t i = 0; i < kClients; ++i) clients_->spawn(client(seed_ * 100 + i));
  plant();
  for (uint64_t i = 0; i < steps && clients_->size() > 0; ++i) {
    world_.step();
    while (!late_syncs_.empty() && late_syncs_.front().first <= world_.now()) {
      disk_.sync(*late_syncs_.front().second);
      late_syncs_.pop_front();
    }
  }
}

}  // namespace ringdrop::sim
