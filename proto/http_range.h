// Byte ranges of a representation (RFC 9110 14): what a Range field asks for, and the fields and part heads that answer
// it. Pure. Not here: whether the ranges apply (If-Range is in http_conditional.h), reading the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringdrop::proto {

// Both ends included, as in the field. first <= last < size of the representation.
struct ByteRange {
  uint64_t first = 0;
  uint64_t last = 0;

  uint64_t length_bytes() const { return last - first + 1; }
  bool operator==(const ByteRange&) const = default;
};

// More ranges than this, after overlapping and adjacent ones were joined, are answered with the whole representation
// (RFC 9110 14.2 allows to ignore; 17.15 advises it).
inline constexpr std::size_t kMostRanges = 16;

struct RangeSelection {
  enum class Kind : uint8_t {
    whole,          // 200: no Range, another unit, one that does not parse, or too many
    ranges,         // 206: one, or several as multipart/byteranges
    unsatisfiable,  // 416: parses, and not one byte of it exists
  };
  Kind kind = Kind::whole;
  // kind == ranges: 1 to kMostRanges, no two overlap or touch; in the order of the first request of each. So the sum of
  // their lengths is at most the size: a small request never makes a large answer larger than the file.
  std::vector<ByteRange> ranges;
};

// `field`: the value of Range, several lines joined by ", "; "" for none. `size_bytes` of the representation. Syntax is
// RFC 9110 14.1.2: "bytes=0-499", "bytes=9500-", "bytes=-500", several by comma, white space around commas, empty list
// elements; the unit without regard to case. A last position behind the end is cut to it. Positions of any number of
// digits are legal; what does not fit 64 bits is behind the end. "bytes=5-4" does not parse: whole.
// A suffix of length 0 is unsatisfiable. Of an empty representation every range is unsatisfiable.
RangeSelection select_ranges(std::string_view field, uint64_t size_bytes);

// "bytes 0-499/1234" and "bytes */1234" (RFC 9110 14.4).
std::string format_content_range(const ByteRange& range, uint64_t size_bytes);
std::string format_unsatisfied_range(uint64_t size_bytes);

// multipart/byteranges (RFC 9110 14.6). What stands before the content of a part, the first one and the later ones
// alike but for the CRLF that ends the part before: "\r\n--B\r\nContent-Type: T\r\nContent-Range: ...\r\n\r\n" (the
// first without its leading CRLF). `content_type` is a valid field value.
std::string format_part_head(std::string_view boundary, std::string_view content_type, const ByteRange& range,
                             uint64_t size_bytes, bool first);
// "\r\n--B--\r\n"
std::string format_parts_end(std::string_view boundary);
// The Content-Length of the whole multipart body.
uint64_t parts_length_bytes(std::string_view boundary, std::string_view content_type,
                            const std::vector<ByteRange>& ranges, uint64_t size_bytes);

}  // namespace ringdrop::proto
