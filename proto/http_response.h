// Response heads as bytes (RFC 9112 4): status line, fields, the empty line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/http_message.h"

namespace ringdrop::proto {

// The reason phrase of a status ("Created"); "" for one that has no registered phrase.
std::string_view reason_phrase(uint16_t status);

// "HTTP/1.1 201 Created\r\n" + fields + "\r\n". A field whose name is no token or whose value holds
// a control character other than HT is a bug of the caller: CHECK (a header never carries unescaped
// input).
std::string format_response_head(const ResponseHead& head);
// Its parts, for who puts a head together himself: "HTTP/1.1 201 Created\r\n", a line each field.
void append_status_line(std::string& text, uint16_t status);
void append_fields(std::string& text, const Fields& fields);
std::string format_fields(const Fields& fields);
void append_field(std::string& text, std::string_view name, std::string_view value);

// The line before a chunk of `bytes` bytes: "1f40\r\n". The last chunk, without trailers, is
// kLastChunk.
std::string format_chunk_size(std::size_t bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace ringdrop::proto
