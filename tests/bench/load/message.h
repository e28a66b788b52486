// What is sent for one request, without a copy of a large body: a head, so many bytes of a block that is sent again and
// again, and a tail. Chunk lines and the lines around a part of a form are in there too, so whoever sends it knows no
// framing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace load {

enum class Framing { length, chunked, multipart };

struct Message {
  std::string head;
  std::string_view block;    // outlives the message
  uint64_t block_bytes = 0;  // of the block, from its beginning, again and again
  std::string tail;
  uint64_t content_bytes = 0;  // what the request carries, without its framing
};

// Random bytes to upload, and how they look within a body of that framing.
class Body {
 public:
  // `size`: of each upload. `chunk_bytes`: of each chunk, as clients have them (curl: 64 KiB).
  Body(Framing framing, uint64_t size, std::size_t chunk_bytes);

  // The whole request. `fields`: further header lines, each ended by CRLF. `method` and the target as on the wire.
  Message message(std::string_view method, std::string_view target, std::string_view fields) const;

 private:
  Framing framing_;
  uint64_t size_;
  std::string block_;         // bytes to send
  uint64_t block_bytes_ = 0;  // what of the body are blocks
  std::string before_, after_;
};

// A request without a body.
Message plain_message(std::string_view method, std::string_view target, std::string_view fields);

}  // namespace load
