#include "server/upload_answer.h"

#include <fmt/format.h>

#include "proto/api_json.h"
#include "proto/media_type.h"
#include "proto/uri.h"

namespace ringdrop::server {
namespace {

// A proxy takes heads of 4 KiB (nginx's default buffer), and answers 502 to a larger one: of many files only the JSON
// tells everything.
constexpr std::size_t kMostFieldBytes = 3 * kKiB;

std::string as_json(const std::string& base_url, const std::vector<CreatedLink>& all) {
  std::vector<proto::UploadedFile> files;
  for (const CreatedLink& created : all) {
    proto::UploadedFile file;
    file.name = created.link.name;
    file.size_bytes = created.link.size_bytes;
    file.url = link_url(base_url, created.link);
    file.delete_url = delete_url(base_url, created);
    file.delete_token = created.delete_token;
    file.expires_at_ms = created.link.expires_at_ms;
    file.digests = digests_of(created.link);
    files.push_back(std::move(file));
  }
  return proto::format_uploaded_files(files);
}

std::string as_text(const std::string& base_url, const std::vector<CreatedLink>& all) {
  std::string text;
  for (const CreatedLink& created : all) text += link_url(base_url, created.link) + "\n";
  return text;
}

// One of each a file, in order.
proto::Fields fields_of_each(const std::string& base_url, const std::vector<CreatedLink>& all) {
  proto::Fields fields;
  for (const CreatedLink& one : all) {
    add_link_fields(base_url, one, fields);
    add_digest_field(one.link, fields);
  }
  return fields;
}

std::size_t size_of(const proto::Fields& fields) {
  std::size_t bytes = 0;
  for (const proto::Field& field : fields) bytes += field.name.size() + field.value.size() + 4;
  return bytes;
}

}  // namespace

std::string link_url(const std::string& base_url, const std::string& token, const std::string& name) {
  if (name.empty()) return fmt::format("{}/{}", base_url, token);
  return fmt::format("{}/{}/{}", base_url, token, proto::percent_encode(name));
}

std::string link_url(const std::string& base_url, const db::Link& link) {
  return link_url(base_url, link.token, link.name);
}

std::string delete_url(const std::string& base_url, const CreatedLink& created) {
  const std::string name = created.link.name.empty() ? "-" : proto::percent_encode(created.link.name);
  return fmt::format("{}/{}/{}/{}", base_url, created.link.token, name, created.delete_token);
}

void add_link_fields(const std::string& base_url, const CreatedLink& created, proto::Fields& fields) {
  fields.add("X-Url-Delete", delete_url(base_url, created));
  fields.add("X-Token", created.delete_token);
  if (created.link.expires_at_ms) fields.add("X-Expires", std::to_string(*created.link.expires_at_ms));
}

void add_digest_field(const db::Link& link, proto::Fields& fields) {
  const std::vector<proto::Digest> digests = digests_of(link);
  if (!digests.empty()) fields.add("Repr-Digest", proto::format_digest_field(digests));
}

std::string path_prefix(const Config& config) {
  const std::size_t scheme = config.public_url.find("://");
  const std::size_t path = scheme == std::string::npos ? scheme : config.public_url.find('/', scheme + 3);
  return path == std::string::npos ? std::string() : config.public_url.substr(path);
}

std::vector<proto::Digest> digests_of(const db::Link& link) {
  std::vector<proto::Digest> digests;
  if (!link.sha256.empty()) digests.push_back({proto::DigestAlgorithm::sha256, link.sha256});
  if (!link.sha512.empty()) digests.push_back({proto::DigestAlgorithm::sha512, link.sha512});
  return digests;
}

io::Task<io::Result<>> answer_created(const Exchange& exchange, const std::vector<CreatedLink>& created) {
  const bool json = proto::accepts_by_name(exchange.request.fields.joined("Accept"), "application/json");
  proto::ResponseHead head;
  head.status = 201;
  head.fields.add("Location", link_url(exchange.base_url(), created.front().link));
  head.fields.add("Content-Type", json ? "application/json" : "text/plain; charset=utf-8");
  head.fields.add("X-Content-Type-Options", "nosniff");
  head.fields.add("Cache-Control", "no-store");
  const proto::Fields each = fields_of_each(exchange.base_url(), created);
  if (size_of(each) <= kMostFieldBytes) {
    for (const proto::Field& field : each) head.fields.add(field.name, field.value);
  }
  const std::string body = json ? as_json(exchange.base_url(), created) : as_text(exchange.base_url(), created);
  co_return co_await exchange.response.send(head, body);
}

}  // namespace ringdrop::server
