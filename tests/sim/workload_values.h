// What the clients of the workload send and read: sizes, fields.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/base64.h"
#include "proto/digest.h"
#include "tests/sim/random.h"
#include "tests/sim/sim_client.h"

namespace ringdrop::sim {

// Sizes that are of interest: tiny, at the edges of blocks and buffers, several buffers.
inline std::size_t some_size(Random& random) {
  constexpr std::size_t kBlock = 4'096;
  switch (random.below(6)) {
    case 0:
      return random.below(10);
    case 1:
      return random.between(1, 8) * kBlock;
    case 2:
      return random.between(1, 8) * kBlock + random.between(1, 3) - 2;
    case 3:
      return random.below(200'000);
    default:
      return random.below(20'000);
  }
}

// One of the interop versions of the IETF's drafts.
inline int some_version(Random& random) {
  return random.one_in(3) ? static_cast<int>(random.between(5, 6)) : 8;
}

inline std::string digest_field(std::string_view content) {
  return fmt::format("Repr-Digest: sha-256=:{}:\r\n", proto::base64_encode(proto::sha256(content)));
}

inline uint64_t number_in(const Response& answer, const char* field, uint64_t otherwise) {
  const auto found = answer.fields.find(field);
  if (found == answer.fields.end()) return otherwise;
  uint64_t value = otherwise;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

inline std::optional<std::string> field_of(const Response& answer, const char* field) {
  const auto found = answer.fields.find(field);
  return found == answer.fields.end() ? std::nullopt : std::optional<std::string>(found->second);
}

}  // namespace ringdrop::sim
