// The clients of the workload, above all those whose uploads have an id; workload_links.cc has the others,
// workload_check.cc looks at what they were told.
#include "tests/sim/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/sim/run_task.h"
#include "tests/sim/workload_values.h"

namespace ringdrop::sim {
namespace {

constexpr int kActionsOfClient = 7;
constexpr uint64_t kClients = 5;

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
  io::WaitList nobody(server_.client_loop(), "a pause");
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
    if (!upload.busy && !upload.path.empty() && !upload.cancel_asked && !upload.link && !upload.used) {
      idle.push_back(&upload);
    }
  }
  const uint64_t what = random.below(21);
  if (what < 3) {
    co_await upload_any(random);
  } else if (what < 4) {
    co_await upload_form(random);
  } else if (what < 8) {
    co_await create_any(random);
  } else if (what < 9) {
    co_await create_named(random);
  } else if (what < 10) {
    co_await concatenate_any(random);
  } else if (what < 17 && !idle.empty()) {
    co_await go_on(*idle[random.below(idle.size())], random);
  } else if (!known_.links.empty()) {
    co_await use_link(known_.links[random.below(known_.links.size())], random);
  }
}

io::Task<> Life::use_link(KnownLink& link, Random& random) {
  const uint64_t what = random.below(5);
  if (what == 0) {
    co_await delete_link(link);
  } else if (what == 1) {
    co_await change_any(link, random);
  } else {
    co_await read_any(link, random);
  }
}

io::Task<> Life::create_any(Random& random) {
  KnownUpload& upload = known_.uploads.emplace_back();
  upload.seed = random.next();
  upload.size = some_size(random);
  upload.wrong_digest = random.one_in(12);
  Creation how;
  how.tus = random.one_in(2);
  how.version = some_version(random);
  how.knows_length = !random.one_in(4);
  upload.partial = how.tus && how.knows_length && random.one_in(3);
  if (upload.partial) upload.wrong_digest = false;
  how.brings_all = random.one_in(how.tus ? 6 : 2);
  how.digest = !upload.partial && random.one_in(2);
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
    if (upload.partial) fields += "Upload-Concat: partial\r\n";
    if (!body.empty()) fields += "Content-Type: application/offset+octet-stream\r\n";
  } else {
    fields += fmt::format("Upload-Complete: ?{}\r\nUpload-Draft-Interop-Version: {}\r\n", how.brings_all ? 1 : 0,
                          how.version);
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
    for (uint64_t i = 0; i < pieces && !upload.over(); ++i) co_await append_any(upload, random);
  }
  upload.busy = false;
}

io::Task<> Life::append_any(KnownUpload& upload, Random& random) {
  if (upload.told > upload.size) co_return;
  const uint64_t left = upload.size - upload.told;
  Append how;
  how.tus = random.one_in(2);
  how.version = some_version(random);
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
    fields = fmt::format("Upload-Draft-Interop-Version: {}\r\nUpload-Complete: ?{}\r\n", how.version, last ? 1 : 0);
    // Version 5 names no type.
    if (how.version > 5) fields += "Content-Type: application/partial-upload\r\n";
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
  // Who speaks the IETF's protocol is told apart from the offset.
  const bool ended = complete || !answer.fields.contains("upload-complete");
  if (upload.partial && upload.created && ended && upload.told == upload.size) upload.whole = true;
  if (complete) note_complete(upload, answer);
}

// An answer that says that the upload is complete, and how the link is called unless that has ended meanwhile.
void Life::note_complete(KnownUpload& upload, const Response& answer) {
  if (upload.sent != upload.size) violated(upload.path + " is complete too early");
  if (upload.wrong_digest) violated(upload.path + " is complete with a wrong digest");
  upload.told = upload.size;
  if (upload.partial) {
    if (field_of(answer, "upload-link")) violated(upload.path + " is a part and has a link");
    return;
  }
  std::optional<std::string> url = field_of(answer, "upload-link");
  if (!url && !answer.body.empty()) url = answer.body;
  if (!url || upload.link) return;
  KnownLink& link = known_.links.emplace_back();
  link.pieces = {{upload.seed, upload.size}};
  link.size = upload.size;
  link.path = path_of(*url);
  if (const auto remove = field_of(answer, "x-url-delete")) link.delete_path = path_of(*remove);
  upload.link = &link;
}

io::Task<> Life::concatenate_any(Random& random) {
  std::vector<KnownUpload*> parts;
  const uint64_t most = random.between(1, 3);
  for (KnownUpload& upload : known_.uploads) {
    const bool free = !upload.busy && !upload.cancel_asked && !upload.used && !upload.failed;
    if (upload.whole && free && parts.size() < most) parts.push_back(&upload);
  }
  if (parts.empty()) co_return;
  if (parts.size() > 1 && random.one_in(2)) std::swap(parts.front(), parts.back());
  co_await concatenate(std::move(parts));
}

io::Task<> Life::concatenate(std::vector<KnownUpload*> parts) {
  KnownLink link;
  std::string paths;
  for (KnownUpload* const part : parts) {
    part->busy = part->used_asked = true;
    link.pieces.push_back({part->seed, part->size});
    link.size += part->size;
    paths += (paths.empty() ? "" : " ") + part->path;
  }
  Talk said;
  std::string request = fmt::format(
      "POST /uploads HTTP/1.1\r\nHost: sim\r\nTus-Resumable: 1.0.0\r\nUpload-Concat: final;{}\r\n\r\n", paths);
  co_await talk(std::move(request), said);
  for (KnownUpload* const part : parts) part->busy = false;
  if (!said.answer) co_return;
  const Response& answer = *said.answer;
  known_.statuses.push_back(answer.status);
  if (answer.status != 201) {
    // Each of them, or one, is no more; what failed may have happened all the same.
    if (answer.status == 404 || answer.status == 410) {
      const auto gone = [&](const KnownUpload* part) { return may_have_expired(*part); };
      if (std::ranges::none_of(parts, gone)) violated("complete parts are gone: " + paths);
    } else if (answer.status < 500) {
      violated(fmt::format("complete parts cannot be joined: {}, {}", paths, answer.status));
    }
    co_return;
  }
  ++known_.checks;
  for (KnownUpload* const part : parts) part->used = true;
  if (number_in(answer, "upload-offset", 0) != link.size) violated("a concatenation has another length than its parts");
  link.path = path_of(answer.fields.at("upload-link"));
  if (const auto remove = field_of(answer, "x-url-delete")) link.delete_path = path_of(*remove);
  known_.links.push_back(std::move(link));
}

void Life::leave_bodies_behind(uint64_t bodies) {
  const std::string request =
      "PUT /f HTTP/1.1\r\nHost: sim\r\nContent-Length: 100000\r\n\r\n" + content_of(seed_, 20'000);
  for (uint64_t i = 0; i < bodies; ++i) clients_->spawn(hang(request, request.size()));
  world_.run_for(io::Milliseconds(200));
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
