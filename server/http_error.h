// The table of everything that a client may be refused with: status, stable code, sentence. The list in the README is
// this list.
#pragma once

#include <string_view>

#include "io/error.h"
#include "io/task.h"
#include "proto/api_json.h"
#include "proto/http_message.h"
#include "server/exchange.h"

namespace ringdrop::server::errors {

using proto::Rejection;

inline constexpr Rejection kNotFound{404, "not_found", "there is no such file here, or not any more"};
inline constexpr Rejection kMethodNotAllowed{405, "method_not_allowed", "this method does not apply here"};
inline constexpr Rejection kUnsupportedMethod{501, "unsupported_method", "this method is not supported"};
inline constexpr Rejection kContentRange{400, "content_range",
                                         "an upload with Content-Range is not supported: upload the whole file"};
inline constexpr Rejection kBadName{400, "bad_name", "the file name is not validly percent-encoded"};
inline constexpr Rejection kBadDisposition{400, "bad_name", "Content-Disposition cannot be parsed"};
inline constexpr Rejection kBadQuery{400, "bad_query", "the query cannot be parsed"};
inline constexpr Rejection kLongField{400, "bad_form", "an option of the form is longer than 256 bytes"};
inline constexpr Rejection kTornForm{400, "bad_multipart", "the form ends before its closing delimiter"};
inline constexpr Rejection kBadBoundary{400, "bad_multipart", "multipart/form-data needs a valid boundary"};
inline constexpr Rejection kBadLinkForm{400, "bad_form", "the form cannot be parsed, or is larger than 4 KiB"};
inline constexpr Rejection kNoAction{400, "bad_form", "the form says neither delete= nor expires="};
inline constexpr Rejection kNoFile{400, "no_file", "the form holds no file: curl -F file=@NAME"};
inline constexpr Rejection kBadMaxDownloads{400, "bad_max_downloads",
                                            "Max-Downloads is not a whole number from 1 to 1000000000"};
inline constexpr Rejection kBadMaxDays{400, "bad_max_days", "Max-Days is not a whole number from 1 to 36500"};
inline constexpr Rejection kBadExpiry{
    400, "bad_expires", "Expires-In is not a time to come: 30s 15m 36h 7d, a number of hours, or epoch milliseconds"};
inline constexpr Rejection kMaxDownloadsConflict{400, "option_conflict", "Max-Downloads has two different values"};
inline constexpr Rejection kMaxDaysConflict{400, "option_conflict", "Max-Days has two different values"};
inline constexpr Rejection kExpiryConflict{400, "option_conflict", "Expires-In has two different values"};
inline constexpr Rejection kWatchIdConflict{400, "option_conflict", "Watch-Id has two different values"};
inline constexpr Rejection kUploadIdConflict{400, "option_conflict", "Upload-Id has two different values"};
inline constexpr Rejection kDigestMismatch{400, "digest_mismatch",
                                           "the content is not what its Repr-Digest or Content-Digest says"};
inline constexpr Rejection kUnauthorized{401, "unauthorized", "uploading here needs the upload token"};
inline constexpr Rejection kNoDeleteToken{401, "unauthorized",
                                          "deleting needs the delete token of the upload's answer"};
inline constexpr Rejection kNoUpload{404, "unknown_upload", "there is no such upload here, or not any more"};
inline constexpr Rejection kIdInUse{409, "upload_id_in_use", "an upload of this id is known already"};
inline constexpr Rejection kWatchIdInUse{409, "watch_id_in_use", "an upload is watched under this id already"};
inline constexpr Rejection kBadWatchId{400, "bad_watch_id", "Watch-Id is not 22 to 64 of [0-9A-Za-z_-]"};
inline constexpr Rejection kUploadGone{410, "upload_ended", "this upload was cancelled, has failed or has expired"};
inline constexpr Rejection kOffsetMismatch{409, "offset_mismatch", "Upload-Offset is not where this upload stands"};
inline constexpr Rejection kCompleted{409, "upload_complete", "this upload is complete: nothing can be appended to it"};
inline constexpr Rejection kBadUploadId{400, "bad_upload_id", "Upload-Id is not 22 to 64 of [0-9A-Za-z_-]"};
inline constexpr Rejection kFormUploadId{400, "bad_upload_id", "a form cannot be resumed: upload the file itself"};
inline constexpr Rejection kBadUploadOffset{400, "bad_upload_offset", "Upload-Offset is not a number of bytes"};
inline constexpr Rejection kBadUploadLength{400, "bad_upload_length",
                                            "Upload-Length is not a number of bytes below 2^63"};
inline constexpr Rejection kNoUploadLength{400, "bad_upload_length",
                                           "one of Upload-Length and Upload-Defer-Length: 1 is needed"};
inline constexpr Rejection kOtherUploadLength{400, "bad_upload_length",
                                              "Upload-Length is another than before, or less than what has come"};
inline constexpr Rejection kFinalLength{400, "bad_upload_length",
                                        "a concatenation is as long as its parts: it has no Upload-Length"};
inline constexpr Rejection kNotAPart{400, "bad_upload_concat",
                                     "Upload-Concat names something that is no partial upload of this server"};
inline constexpr Rejection kUnfinishedPart{409, "unfinished_part", "a part that Upload-Concat names is not complete"};
inline constexpr Rejection kFinalUpload{403, "final_upload", "a concatenation takes no bytes of its own"};
inline constexpr Rejection kFinalDigest{400, "bad_digest", "the digest of a concatenation is not computed"};
inline constexpr Rejection kNoTrailer{400, "bad_upload_checksum",
                                      "Upload-Checksum as a trailer needs a chunked body, and no field of that name"};
inline constexpr Rejection kBadAppend{400, "bad_append", "an append needs Upload-Offset and Upload-Complete"};
inline constexpr Rejection kUnknownDraft{400, "unknown_upload_protocol",
                                         "Upload-Draft-Interop-Version is not 8, 6 or 5: only whole files are taken"};
inline constexpr Rejection kInconsistentLength{400, "inconsistent_upload_length",
                                               "the lengths that were told of this upload contradict each other"};
inline constexpr Rejection kPatchType{
    415, "unsupported_patch_type",
    "an append is application/partial-upload, or with Tus-Resumable application/offset+octet-stream"};
inline constexpr Rejection kTusVersion{412, "unsupported_tus_version", "Tus-Resumable: 1.0.0 is needed"};
inline constexpr Rejection kUnknownProtocol{
    400, "unknown_upload_protocol",
    "a resumable upload needs Tus-Resumable: 1.0.0 or Upload-Complete (interop 8, 6 or 5)"};
inline constexpr Rejection kChecksumMismatch{460, "checksum_mismatch", "the bytes are not what their checksum says"};
inline constexpr Rejection kForeignOrigin{403, "foreign_origin", "pages of that origin may not watch uploads here"};
inline constexpr Rejection kForbidden{403, "wrong_delete_token", "this is not the delete token of that file"};
inline constexpr Rejection kPreconditionFailed{412, "precondition_failed", "the file is not the one asked for"};
inline constexpr Rejection kSizeLimit{413, "size_limit_exceeded", "the file is larger than this server takes"};
inline constexpr Rejection kBeyondLength{413, "size_limit_exceeded",
                                         "this is more than what is missing of the upload's own length"};
inline constexpr Rejection kBadRange{416, "range_not_satisfiable", "the file has none of the bytes asked for"};
inline constexpr Rejection kNoSpace{507, "storage_full", "there is not enough space left for this file"};
inline constexpr Rejection kTwoContentTypes{400, "bad_request", "Content-Type stands there twice"};
inline constexpr Rejection kBusy{503, "busy", "the server is at a limit, try again soon"};
inline constexpr Rejection kLocked{503, "busy", "another program has locked the catalogue, try again soon"};
inline constexpr Rejection kStalled{408, "stalled", "the transfer moved too little for too long"};
inline constexpr Rejection kStorage{500, "storage_error", "the server could not store or read the file"};

}  // namespace ringdrop::server::errors

namespace ringdrop::server {

// How an error of storage or catalogue is answered.
proto::Rejection rejection_for(const io::Error& error);

// The answer: application/problem+json (RFC 9457) for a client that names JSON in its Accept, else one line of text
// with status, code and sentence. `fields` come on top (Allow, WWW-Authenticate, Content-Range).
io::Task<io::Result<>> send_rejection(const proto::Rejection& why, const Exchange& exchange,
                                      const proto::Fields& fields);
io::Task<io::Result<>> send_rejection(const proto::Rejection& why, const Exchange& exchange);
// The same with a problem type of its own and the members of that type; status, code and detail are those of `why`.
io::Task<io::Result<>> send_problem(const proto::Rejection& why, const Exchange& exchange, const proto::Fields& fields,
                                    proto::Problem problem);
// The line of text, for bytes that were no request.
io::Task<io::Result<>> send_rejection_line(const proto::Rejection& why, http::ResponseWriter& response);

// The answer to a body that broke off or cannot be read, where there is still somebody to answer; the connection ends.
io::Task<io::Result<>> answer_broken_body(const Exchange& exchange, io::Error error);

// A challenge for WWW-Authenticate.
proto::Fields challenge(std::string_view scheme);

}  // namespace ringdrop::server
