#include "tests/bench/load/message.h"

#include <charconv>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

using load::Body;
using load::Framing;
using load::Message;

namespace {

// The whole request as it goes over the wire.
std::string on_the_wire(const Message& message) {
  std::string text = message.head;
  for (uint64_t i = 0; i < message.block_bytes; ++i)
    text += message.block[static_cast<std::size_t>(i % message.block.size())];
  return text + message.tail;
}

// What the chunks of a body carry; empty when it is none.
std::string decoded(std::string body) {
  std::string content;
  while (true) {
    std::size_t size = 0;
    const auto line = body.find("\r\n");
    if (line == body.npos) return "";
    std::from_chars(body.data(), body.data() + line, size, 16);
    body.erase(0, line + 2);
    if (body.size() < size + 2 || body.substr(size, 2) != "\r\n") return "";
    if (size == 0) return body == "\r\n" ? content : "";
    content += body.substr(0, size);
    body.erase(0, size + 2);
  }
}

}  // namespace

TEST_CASE("a body is as long as its head says") {
  for (const uint64_t size : {0u, 1u, 4096u, (1u << 20) - 1, 1u << 20, (3u << 20) + 17}) {
    for (const Framing framing : {Framing::length, Framing::multipart}) {
      const std::string wire = on_the_wire(Body(framing, size, 1 << 16).message("PUT", "/a", ""));
      const auto end = wire.find("\r\n\r\n") + 4;
      CHECK(wire.substr(0, end).find("Content-Length: " + std::to_string(wire.size() - end) + "\r\n") != wire.npos);
      if (framing == Framing::length) CHECK(wire.size() - end == size);
    }
  }
}

TEST_CASE("a chunked body carries what it should, in chunks of the size that was asked for") {
  for (const uint64_t size : {0u, 1u, 65535u, 65536u, 65537u, 1u << 20, (3u << 20) + 17}) {
    const std::string wire = on_the_wire(Body(Framing::chunked, size, 1 << 16).message("PUT", "/a", ""));
    CHECK(decoded(wire.substr(wire.find("\r\n\r\n") + 4)).size() == size);
  }
}
