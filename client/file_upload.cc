#include "client/file_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "client/display_text.h"
#include "io/wait_list.h"

namespace ringdrop::client {
namespace {

using io::Result;
using io::Task;

constexpr const char* kChanged = "the file has changed while it was uploaded";

Failure file_failure(const io::Error& error) {
  return {Failure::Kind::final, io::describe(error), std::nullopt};
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

FileUpload::FileUpload(const UploadServices& services, std::string path) : services_(services) {
  facts_.name = base_name(path);
  key_.server = proto::format_http_url(services.session.server());
  key_.path = std::move(path);
}

Task<Outcome<std::string>> FileUpload::run(std::stop_token stop) {
  Result<io::OwnedFd> fd = co_await io::open_root_file(services_.loop, key_.path.c_str());
  if (!fd) co_return std::unexpected(file_failure(fd.error()));
  file_ = std::make_unique<io::File>(services_.loop, std::move(*fd));
  const Result<> looked = co_await file_->stat(was_);
  if (!looked) co_return std::unexpected(file_failure(looked.error()));
  if (!was_.regular) co_return give_up("it is no regular file");
  facts_.size_bytes = was_.size_bytes;
  key_.size_bytes = was_.size_bytes;
  key_.modified_ns = was_.modified_ns;
  co_await recall();
  services_.display.begin_file(facts_.name, facts_.size_bytes);
  Outcome<std::string> link = co_await try_until_done(stop);
  co_await services_.display.end_file(link.has_value());
  if (link) co_await forget();
  co_return link;
}

Task<Outcome<std::string>> FileUpload::try_until_done(const std::stop_token& stop) {
  for (;;) {
    Outcome<std::string> link = co_await attempt(stop);
    if (link) co_return link;
    Failure& why = link.error();
    if (why.kind == Failure::Kind::gone) {
      co_await forget();
      if (std::exchange(begun_anew_, true)) {
        why.kind = Failure::Kind::final;
        co_return link;
      }
      std::string line =
          fmt::format("ringdrop: {}: the server has forgotten the upload: beginning anew", printable(facts_.name));
      co_await services_.display.note(std::move(line));
      continue;
    }
    if (why.kind != Failure::Kind::again) co_return link;
    const Outcome<> waited = co_await wait(why, stop);
    if (!waited) co_return std::unexpected(waited.error());
  }
}

// Until the next attempt. The wish of the server counts when it is longer than ours.
Task<Outcome<>> FileUpload::wait(const Failure& why, const std::stop_token& stop) {
  std::array<std::byte, sizeof(uint64_t)> random{};
  services_.loop.ring().random(random);
  uint64_t chance = 0;
  for (const std::byte byte : random) chance = chance << 8U | std::to_integer<uint64_t>(byte);
  const io::Milliseconds delay = std::max(backoff_.next(chance), why.retry_after.value_or(io::Milliseconds(0)));
  std::string line = fmt::format("ringdrop: {}: {}; trying again in {:.1f} s", printable(facts_.name), why.words,
                                 static_cast<double>(delay.count()) / 1000);
  services_.display.set_waiting("waiting");
  co_await services_.display.note(std::move(line));
  // A connection that is idle meanwhile may be gone at its end.
  co_await services_.session.close();
  io::WaitList nobody(services_.loop, "a pause");
  static_cast<void>(co_await nobody.wait(services_.loop.now() + delay, stop));
  if (stop.stop_requested()) co_return std::unexpected(Failure{Failure::Kind::cancelled, "cancelled", std::nullopt});
  co_return Outcome<>{};
}

// As far as it goes: the link, or what was in the way.
Task<Outcome<std::string>> FileUpload::attempt(const std::stop_token& stop) {
  if (!protocol_) {
    const Outcome<const UploadProtocol*> found = co_await services_.session.find_protocol(services_.choice, stop);
    if (!found) co_return std::unexpected(found.error());
    protocol_ = *found;
  }
  Outcome<UploadPoint> point{UploadPoint{}};
  if (location_.empty()) {
    point = co_await begin(stop);
  } else {
    point = co_await ask(stop);
  }
  if (!point) co_return std::unexpected(std::move(point.error()));
  if (point->offset > facts_.size_bytes) co_return give_up("the server has more bytes of it than there are");
  if (point->offset > furthest_) backoff_.reset();
  furthest_ = std::max(furthest_, point->offset);
  services_.display.set_done(point->offset);
  if (!point->complete) {
    services_.display.set_waiting("");
    point = co_await append(point->offset, stop);
    if (!point) co_return std::unexpected(std::move(point.error()));
  }
  if (!point->complete || point->offset != facts_.size_bytes) {
    co_return std::unexpected(Failure{Failure::Kind::again, "the server has not all of it", std::nullopt});
  }
  co_return link_of(*point);
}

Task<Outcome<UploadPoint>> FileUpload::exchange(HttpRequest request, BodySource* body, bool known,
                                                const std::stop_token& stop) {
  const Outcome<HttpAnswer> answer = co_await services_.session.request(std::move(request), body, stop);
  if (!answer) co_return std::unexpected(answer.error());
  if (!answer->successful()) co_return std::unexpected(answer_failure(*answer, known));
  const std::optional<UploadPoint> point = protocol_->read_point(*answer, facts_.size_bytes);
  if (!point) co_return give_up("the server's answer does not tell how far the upload is");
  if (known) co_return *point;
  const std::string_view location = answer->head.fields.find("Location").value_or("");
  const std::optional<std::string> target = proto::same_origin_target(services_.session.server(), location);
  if (!target) co_return give_up("the upload was made at another server: " + printable(location));
  location_ = *target;
  co_return *point;
}

Task<Outcome<UploadPoint>> FileUpload::begin(const std::stop_token& stop) {
  HttpRequest request = protocol_->creation(services_.session.uploads_target(), facts_, services_.wishes);
  Outcome<UploadPoint> point = co_await exchange(std::move(request), nullptr, false, stop);
  if (point) co_await remember();
  co_return point;
}

Task<Outcome<UploadPoint>> FileUpload::ask(const std::stop_token& stop) {
  HttpRequest request = protocol_->question(location_);
  co_return co_await exchange(std::move(request), nullptr, true, stop);
}

Task<Outcome<UploadPoint>> FileUpload::append(uint64_t offset, const std::stop_token& stop) {
  ProgressDisplay& display = services_.display;
  FileBody body(services_.loop, *file_, was_, offset, services_.buffers,
                [&display](std::size_t bytes) { display.add_done(bytes); });
  HttpRequest request = protocol_->append(location_, offset);
  Outcome<UploadPoint> point = co_await exchange(std::move(request), &body, true, stop);
  co_await body.finish();
  if (!body.failure()) co_return point;
  if (!body.changed()) co_return std::unexpected(file_failure(*body.failure()));
  // What the server has is the beginning of a file that is no more.
  co_await cancel_upload(stop);
  co_await forget();
  co_return give_up(kChanged);
}

// For the server's disk alone: whether it works is not looked at.
Task<> FileUpload::cancel_upload(const std::stop_token& stop) {
  HttpRequest request = protocol_->cancellation(location_);
  static_cast<void>(co_await services_.session.request(std::move(request), nullptr, stop));
}

// Of a server that tells no link what is known of the upload.
std::string FileUpload::link_of(const UploadPoint& point) const {
  if (!point.link.empty()) return printable(point.link);
  proto::HttpUrl url = services_.session.server();
  url.path = location_;
  return proto::format_http_url(url);
}

Task<> FileUpload::recall() {
  auto loaded = co_await io::run_on(services_.loop, services_.blocking, [&] { return services_.saved.load(key_); });
  if (!loaded || !*loaded) co_return;
  recalled_ = make_protocol((*loaded)->protocol);
  const bool wanted = services_.choice == ProtocolChoice::automatic ||
                      (services_.choice == ProtocolChoice::tus) == ((*loaded)->protocol == "tus");
  const auto target = proto::same_origin_target(services_.session.server(), (*loaded)->location);
  if (!recalled_ || !wanted || !target) co_return;
  protocol_ = recalled_.get();
  location_ = *target;
}

Task<> FileUpload::remember() {
  const std::string protocol(protocol_->name());
  const auto saved = co_await io::run_on(services_.loop, services_.blocking,
                                         [&] { return services_.saved.save(key_, protocol, location_); });
  if (saved && *saved) co_return;
  const io::Error error = saved ? saved->error() : saved.error();
  std::string line = fmt::format("ringdrop: {}: it cannot be remembered for another run ({})", printable(facts_.name),
                                 io::describe(error));
  co_await services_.display.note(std::move(line));
}

Task<> FileUpload::forget() {
  location_.clear();
  furthest_ = 0;
  static_cast<void>(
      co_await io::run_on(services_.loop, services_.blocking, [&] { return services_.saved.remove(key_); }));
}

}  // namespace ringdrop::client
