#include "tests/bench/load/message.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

namespace load {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::string_view kBoundary = "------------------------5e1f0c7a9d3b2468";

std::string random_block(std::size_t size) {
  std::mt19937_64 random(size);
  std::string block(size, '\0');
  for (char& byte : block) byte = static_cast<char>(random());
  return block;
}

std::string chunk_line(uint64_t size) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, size, 16).ptr;
  return std::string(digits, end) + "\r\n";
}

std::string request_line(std::string_view method, std::string_view target) {
  return std::string(method) + ' ' + std::string(target) + " HTTP/1.1\r\nHost: bench\r\n";
}

}  // namespace

Body::Body(Framing framing, uint64_t size, std::size_t chunk_bytes) : framing_(framing), size_(size) {
  block_ = random_block(static_cast<std::size_t>(std::min<uint64_t>(std::max<uint64_t>(size, 1), kBlockBytes)));
  block_bytes_ = size;
  if (framing == Framing::multipart) {
    before_ = "--" + std::string(kBoundary) +
              "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n"
              "Content-Type: application/octet-stream\r\n\r\n";
    after_ = "\r\n--" + std::string(kBoundary) + "--\r\n";
  }
  if (framing == Framing::chunked) {
    const std::string bytes = random_block(chunk_bytes);
    const std::string chunk = chunk_line(chunk_bytes) + bytes + "\r\n";
    block_.clear();
    // As many chunks as make about a block: a system call sends several.
    do block_ += chunk;
    while (block_.size() + chunk.size() <= kBlockBytes);
    block_bytes_ = size / chunk_bytes * chunk.size();
    const auto rest = static_cast<std::size_t>(size % chunk_bytes);
    if (rest > 0) after_ = chunk_line(rest) + bytes.substr(0, rest) + "\r\n";
    after_ += "0\r\n\r\n";
  }
}

Message Body::message(std::string_view method, std::string_view target, std::string_view fields) const {
  Message message;
  message.head = request_line(method, target);
  message.head += fields;
  if (framing_ == Framing::multipart) {
    message.head += "Content-Type: multipart/form-data; boundary=" + std::string(kBoundary) + "\r\n";
  }
  if (framing_ == Framing::chunked) {
    message.head += "Transfer-Encoding: chunked\r\n\r\n";
  } else {
    message.head += "Content-Length: " + std::to_string(before_.size() + block_bytes_ + after_.size()) + "\r\n\r\n";
  }
  message.head += before_;
  message.block = block_;
  message.block_bytes = block_bytes_;
  message.tail = after_;
  message.content_bytes = size_;
  return message;
}

Message plain_message(std::string_view method, std::string_view target, std::string_view fields) {
  Message message;
  message.head = request_line(method, target);
  message.head += fields;
  message.head += "\r\n";
  return message;
}

}  // namespace load
