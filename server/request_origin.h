// Under which scheme and host a client has reached us: public_url, else what a trusted proxy says, else its own Host.
#pragma once

#include <string>
#include <vector>

#include "io/address.h"
#include "io/address_range.h"
#include "proto/http_message.h"
#include "server/config.h"

namespace ringdrop::server {

class RequestOrigin {
 public:
  // `own_host`: ADDR:PORT of the first listener, for clients that name no Host (HTTP/1.0). Both outlive it.
  RequestOrigin(const Config& config, const std::string& own_host);

  // scheme://host[/prefix], without a slash at the end.
  std::string base_url(const proto::RequestHead& request, const io::Address& peer) const;

 private:
  bool is_trusted(const io::Address& peer) const;

  const Config& config_;
  const std::string& own_host_;
  std::vector<io::AddressRange> trusted_;
  bool trusts_unix_ = false;
};

}  // namespace ringdrop::server
