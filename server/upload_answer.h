// What an uploader is told: links, delete URLs, expiry, digests; as text, one URL a line, or as JSON.
#pragma once

#include <string>
#include <vector>

#include "db/link.h"
#include "io/task.h"
#include "server/config.h"
#include "server/exchange.h"
#include "server/upload_commit.h"

namespace ringdrop::server {

// {base}/{token}[/{name}].
std::string link_url(const std::string& base_url, const db::Link& link);
std::string link_url(const std::string& base_url, const std::string& token, const std::string& name);
// {base}/{token}/{name or "-"}/{delete token}, as transfer.sh has it.
std::string delete_url(const std::string& base_url, const CreatedLink& created);

// What an uploader is told of a link beside its URL, by the names that transfer.sh and 0x0.st clients look for:
// X-Url-Delete, X-Token, X-Expires (epoch ms) when it ends.
void add_link_fields(const std::string& base_url, const CreatedLink& created, proto::Fields& fields);
// Repr-Digest, when a digest of its bytes is known: for the answer that makes the link. To a GET or HEAD the field is
// of what a GET has for content (RFC 9530 3).
void add_digest_field(const db::Link& link, proto::Fields& fields);

// The path of public_url, which all our Locations carry: "" or "/drop".
std::string path_prefix(const Config& config);

// The digests that are known of a link's bytes.
std::vector<proto::Digest> digests_of(const db::Link& link);

// 201; at least one link.
io::Task<io::Result<>> answer_created(const Exchange& exchange, const std::vector<CreatedLink>& created);

}  // namespace ringdrop::server
