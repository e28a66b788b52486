#include "server/upload_checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "io/buffer_pool.h"

namespace ringdrop::server {
namespace {

// Version 1: numbers are 8 bytes, little endian; texts are their length and their bytes.
constexpr char kVersion = 1;
constexpr uint64_t kNoCut = UINT64_MAX;
static_assert(std::endian::native == std::endian::little);

void put(std::string& to, uint64_t number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put(std::string& to, std::string_view text) {
  put(to, text.size());
  to += text;
}

bool take(std::string_view& from, uint64_t& number) {
  if (from.size() < sizeof number) return false;
  std::memcpy(&number, from.data(), sizeof number);
  from.remove_prefix(sizeof number);
  return true;
}

bool take(std::string_view& from, std::string& text) {
  uint64_t size = 0;
  if (!take(from, size) || size > from.size()) return false;
  text = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

// A number of texts, each with its algorithm.
using ByAlgorithm = std::vector<std::pair<proto::DigestAlgorithm, std::string>>;
std::optional<ByAlgorithm> take_by_algorithm(std::string_view& from) {
  constexpr uint64_t kMost = 16;
  uint64_t count = 0;
  if (!take(from, count) || count > kMost) return std::nullopt;
  ByAlgorithm all;
  for (; count > 0; --count) {
    uint64_t algorithm = 0;
    std::string text;
    if (!take(from, algorithm) || algorithm > static_cast<uint64_t>(proto::DigestAlgorithm::md5) || !take(from, text)) {
      return std::nullopt;
    }
    all.emplace_back(static_cast<proto::DigestAlgorithm>(algorithm), std::move(text));
  }
  return all;
}

}  // namespace

std::string encode_checkpoint(const UploadCheckpoint& checkpoint) {
  std::string bytes(1, kVersion);
  put(bytes, checkpoint.cut_to.value_or(kNoCut));
  put(bytes, checkpoint.durable_bytes);
  put(bytes, checkpoint.digested_bytes);
  put(bytes, std::string_view(checkpoint.whole_spans));
  put(bytes, checkpoint.digests.size());
  for (const auto& [algorithm, state] : checkpoint.digests) {
    put(bytes, static_cast<uint64_t>(algorithm));
    put(bytes, std::string_view(state));
  }
  put(bytes, checkpoint.expected.size());
  for (const proto::Digest& digest : checkpoint.expected) {
    put(bytes, static_cast<uint64_t>(digest.algorithm));
    put(bytes, std::string_view(digest.bytes));
  }
  return bytes;
}

std::optional<UploadCheckpoint> decode_checkpoint(std::string_view bytes) {
  UploadCheckpoint checkpoint;
  if (bytes.empty()) return checkpoint;
  if (bytes.front() != kVersion) return std::nullopt;
  bytes.remove_prefix(1);
  uint64_t cut_to = 0;
  if (!take(bytes, cut_to) || !take(bytes, checkpoint.durable_bytes)) return std::nullopt;
  if (!take(bytes, checkpoint.digested_bytes) || !take(bytes, checkpoint.whole_spans)) return std::nullopt;
  if (cut_to != kNoCut) checkpoint.cut_to = cut_to;
  const auto states = take_by_algorithm(bytes);
  const auto expected = states ? take_by_algorithm(bytes) : std::nullopt;
  if (!expected || !bytes.empty()) return std::nullopt;
  checkpoint.digests = *states;
  for (const auto& [algorithm, digest] : *expected) checkpoint.expected.push_back({algorithm, digest});
  return checkpoint;
}

uint64_t believable_bytes(const UploadCheckpoint& checkpoint, uint64_t size_bytes) {
  const uint64_t whole_blocks = align_down(size_bytes, io::kDirectAlignment);
  const uint64_t believable = std::max(whole_blocks, std::min(size_bytes, checkpoint.durable_bytes));
  return std::min(believable, checkpoint.cut_to.value_or(UINT64_MAX));
}

}  // namespace ringdrop::server
