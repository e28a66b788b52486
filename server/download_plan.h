// What a GET or HEAD of a link is answered with: status, fields, and which bytes. Pure: the head of the request and the
// row decide, nothing is read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db/link.h"
#include "proto/http_message.h"
#include "proto/http_range.h"

namespace ringdrop::server {

struct DownloadPlan {
  // What the parts of multipart/byteranges are separated by; empty: the body is one piece.
  std::string boundary;
  std::string part_type;  // Content-Type of each part
  proto::ResponseHead head;
  std::string field_lines;  // 200 and 206: head.fields as they go out
  // 200 and 206: the bytes to be sent, in this order. Empty for an empty file, and for 304, 412 and 416.
  std::vector<proto::ByteRange> ranges;
  uint64_t body_bytes = 0;  // Content-Length
};

// Whether no field of the request changes the plan of a GET or HEAD but the method: what is planned for one such
// request holds for all.
bool asks_for_plain_download(const proto::RequestHead& request);

// `boundary_seed`: random characters of a boundary. 304, 412 and 416 have no body here: the caller writes the error.
DownloadPlan plan_download(const proto::RequestHead& request, const db::Link& link, int64_t now_s,
                           std::string boundary_seed);

// ?dl=1 asks for the bytes as an attachment, whatever they are.
bool asks_for_attachment(const proto::RequestHead& request);

// By what a browser is shown the page of a link instead of its file: Vary of all that its route answers.
inline constexpr std::string_view kDownloadVary = "Accept, Sec-Fetch-Mode";

// The strong ETag of a link's bytes, which never change. Tells nothing of the token.
std::string etag_of(const db::Link& link);

}  // namespace ringdrop::server
