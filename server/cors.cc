#include "server/cors.h"

#include <algorithm>
#include <string>

namespace ringdrop::server {
namespace {

// What scripts may read besides the fields that they always may.
constexpr std::string_view kExposed =
    "Location, Upload-Offset, Upload-Length, Upload-Complete, Upload-Limit, Upload-Expires, Upload-Metadata, "
    "Upload-Link, Upload-Watch, X-Url-Delete, X-Expires, Repr-Digest, Content-Disposition, Content-Range, ETag, "
    "Tus-Version, Tus-Resumable, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm";
constexpr std::string_view kPreflightSeconds = "86400";

// What Access-Control-Allow-Origin says; empty: the origin is not listed.
std::string allowed_origin(const Config& config, const proto::RequestHead& request) {
  const std::optional<std::string_view> origin = request.fields.find("Origin");
  if (!origin) return {};
  if (std::ranges::find(config.cors_origins, "*") != config.cors_origins.end()) return "*";
  const bool listed = std::ranges::find(config.cors_origins, *origin) != config.cors_origins.end();
  return listed ? std::string(*origin) : std::string();
}

}  // namespace

void add_cors_fields(const Config& config, const proto::RequestHead& request, http::ResponseWriter& response) {
  if (config.cors_origins.empty()) return;
  // Also without an Origin: a cache must not give this answer to a script.
  response.add_field("Vary", "Origin");
  const std::string allowed = allowed_origin(config, request);
  if (allowed.empty()) return;
  response.add_field("Access-Control-Allow-Origin", allowed);
  response.add_field("Access-Control-Expose-Headers", kExposed);
}

bool answer_preflight(const Config& config, const proto::RequestHead& request, std::string_view allow,
                      proto::Fields& fields) {
  if (!request.fields.find("Access-Control-Request-Method") || allowed_origin(config, request).empty()) return false;
  fields.add("Access-Control-Allow-Methods", allow);
  const std::string asked = request.fields.joined("Access-Control-Request-Headers");
  if (!asked.empty()) fields.add("Access-Control-Allow-Headers", asked);
  fields.add("Access-Control-Max-Age", kPreflightSeconds);
  return true;
}

}  // namespace ringdrop::server
