#include "server/upload_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proto/file_name.h"
#include "proto/uri.h"
#include "server/http_error.h"
#include "server/link_url.h"
#include "server/upload_append.h"
#include "server/upload_commit.h"

namespace ringdrop::server {
namespace {

using io::Result;
using io::Task;
using storage::BlobWriter;

// What is wrong with the request, as far as its head tells; nullopt: nothing.
std::optional<proto::Rejection> refuse_head(const Config& config, const proto::RequestHead& request,
                                            const http::BodyReader& body) {
  if (request.fields.count("Content-Range") > 0) return errors::kContentRange;  // RFC 9110 14.5
  if (body.length() && *body.length() > config.max_upload_bytes) return errors::kSizeLimit;
  return std::nullopt;
}

std::expected<std::string, proto::Rejection> decode_name(std::string_view encoded) {
  std::optional<std::string> bytes = proto::percent_decode(encoded);
  if (!bytes) return std::unexpected(errors::kBadName);
  return proto::accept_file_name(std::move(*bytes));
}

// The client's word for what it sends, when it can be one: it will be a field value of the download.
std::string content_type_of(const proto::RequestHead& request) {
  const std::string_view type = request.fields.find("Content-Type").value_or("");
  const bool printable = std::ranges::all_of(type, [](char c) { return c >= ' ' && c <= '~'; });
  const bool usable = printable && type.size() <= 255 && type.find('/') != type.npos;
  return usable ? std::string(type) : "application/octet-stream";
}

Task<Result<>> answer_created(const Services& services, const proto::RequestHead& request, const db::Link& link,
                              http::ResponseWriter& response) {
  const std::string url = link_url(services.own_host, request, link);
  proto::ResponseHead head;
  head.status = 201;
  head.fields.add("Location", url);
  head.fields.add("Content-Type", "text/plain; charset=utf-8");
  head.fields.add("X-Content-Type-Options", "nosniff");
  const std::string text = url + "\n";
  co_return co_await response.send(head, text);
}

// An answer that stands while the client may still be sending: the connection ends behind it.
Task<Result<>> answer_broken(const AppendEnd& end, const http::BodyReader& body, http::ResponseWriter& response) {
  response.close_after();
  proto::Rejection why = errors::kSizeLimit;
  if (end.kind == AppendEnd::Kind::store_failed) why = rejection_for(end.error);
  if (end.kind == AppendEnd::Kind::client_broke) {
    if (end.error.code == io::Errc::timed_out) {
      why = errors::kStalled;
    } else if (end.error.code == io::Errc::exhausted) {
      why = errors::kBusy;
    } else if (body.rejection()) {
      why = *body.rejection();
    } else {
      co_return std::unexpected(end.error);
    }
  }
  co_return co_await send_rejection(why, response);
}

}  // namespace

Task<Result<>> handle_upload(const Services& services, const proto::RequestHead& request, std::string_view encoded_name,
                             http::BodyReader& body, http::ResponseWriter& response, std::stop_token stop) {
  const std::optional<proto::Rejection> refused = refuse_head(services.config, request, body);
  if (refused) co_return co_await send_rejection(*refused, response);
  std::expected<std::string, proto::Rejection> name = decode_name(encoded_name);
  if (!name) co_return co_await send_rejection(name.error(), response);

  Result<std::unique_ptr<BlobWriter>> writer = co_await services.blobs.create(body.length());
  if (!writer) {
    services.loop.log().warn(fmt::format("an upload cannot begin: {}", io::describe(writer.error())));
    co_return co_await send_rejection(rejection_for(writer.error()), response);
  }
  const AppendEnd end = co_await append_body(services, body, **writer, services.config.max_upload_bytes, stop);
  if (end.kind != AppendEnd::Kind::whole) {
    const uint64_t stored = (*writer)->bytes_stored();
    co_await (*writer)->discard();
    writer->reset();  // its space is free when the client hears of it
    if (end.kind == AppendEnd::Kind::store_failed) {
      services.loop.log().error(fmt::format("an upload failed after {} bytes: {}", stored, io::describe(end.error)));
    }
    co_return co_await answer_broken(end, body, response);
  }

  LinkMeta meta;
  meta.name = std::move(*name);
  meta.content_type = content_type_of(request);
  const Result<db::Link> link = co_await commit_upload(services, **writer, std::move(meta));
  if (!link) {
    services.loop.log().error(fmt::format("an upload cannot be committed: {}", io::describe(link.error())));
    co_return co_await send_rejection(rejection_for(link.error()), response);
  }
  co_return co_await answer_created(services, request, *link, response);
}

}  // namespace ringdrop::server
