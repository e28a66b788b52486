// Request heads for the tests of what reads them.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "proto/http_message.h"

namespace ringdrop::server {

inline proto::RequestHead head_with(const std::vector<std::pair<std::string_view, std::string_view>>& fields,
                                    std::string_view query = "", proto::Method method = proto::Method::get) {
  proto::RequestHead head;
  head.method = method;
  head.query = query;
  for (const auto& [name, value] : fields) head.fields.add(name, value);
  return head;
}

}  // namespace ringdrop::server
