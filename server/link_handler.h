// What can be done with a link besides fetching it: looking at it, deleting it, changing when it ends.
#pragma once

#include <string_view>

#include "io/task.h"
#include "server/exchange.h"
#include "server/services.h"

namespace ringdrop::server {

// GET, HEAD /api/links/{token}: what is known of it, as JSON.
io::Task<io::Result<>> handle_link_info(const Services& services, const Exchange& exchange, std::string_view token);

// DELETE /{token} with `Authorization: Bearer {delete token}`: 204. Unknown 404, no secret 401, a wrong one 403.
io::Task<io::Result<>> handle_delete(const Services& services, const Exchange& exchange, std::string_view token);

// DELETE /{token}/{name}/{delete token}, as transfer.sh has it: 200.
io::Task<io::Result<>> handle_delete_url(const Services& services, const Exchange& exchange, std::string_view token,
                                         std::string_view secret);

// POST /{token} with a form `token=...&delete=` or `token=...&expires=...`, as 0x0.st has it: 200.
io::Task<io::Result<>> handle_link_form(const Services& services, const Exchange& exchange, std::string_view token);

}  // namespace ringdrop::server
