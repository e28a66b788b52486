#include "server/upload_access.h"

#include <optional>
#include <string>
#include <string_view>

#include "proto/base64.h"
#include "proto/characters.h"
#include "proto/digest.h"

namespace ringdrop::server {
namespace {

// The credentials behind a scheme, which is compared without regard to case (RFC 9110 11.1).
std::optional<std::string_view> credentials(const proto::RequestHead& request, std::string_view scheme) {
  const std::optional<std::string_view> field = request.fields.find("Authorization");
  if (!field || field->size() <= scheme.size() || (*field)[scheme.size()] != ' ') return std::nullopt;
  if (!proto::equals_ignoring_case(field->substr(0, scheme.size()), scheme)) return std::nullopt;
  return proto::trim_white_space(field->substr(scheme.size()));
}

}  // namespace

std::optional<std::string> bearer_secret(const proto::RequestHead& request) {
  const std::optional<std::string_view> bearer = credentials(request, "Bearer");
  return bearer ? std::optional<std::string>(*bearer) : std::nullopt;
}

bool may_upload(const Config& config, const proto::RequestHead& request) {
  if (config.upload_token.empty()) return true;
  std::optional<std::string> secret = bearer_secret(request);
  if (!secret) {
    const std::optional<std::string_view> basic = credentials(request, "Basic");
    const std::optional<std::string> decoded = basic ? proto::base64_decode(*basic) : std::nullopt;
    const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon != std::string::npos) secret = decoded->substr(colon + 1);
  }
  return secret && proto::equal_in_constant_time(*secret, config.upload_token);
}

}  // namespace ringdrop::server
