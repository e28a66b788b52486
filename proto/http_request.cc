#include "proto/http_request.h"

#include "base/check.h"
#include "proto/characters.h"

namespace ringdrop::proto {

std::string format_request_head(std::string_view method, std::string_view target, const Fields& fields) {
  CHECK_THAT(is_token(method));
  CHECK_THAT(!target.empty() && run_length(target, kTargetChar) == target.size());
  std::string head;
  head.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  for (const Field& field : fields) {
    CHECK_THAT(is_token(field.name) && is_field_value(field.value));
    head.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  head += "\r\n";
  return head;
}

bool is_field_value(std::string_view text) {
  return run_length(text, kValueChar) == text.size();
}

}  // namespace ringdrop::proto
