// What the catalogue keeps of the bytes of an unfinished upload, so that going on with it after a restart does not read
// them all again: checksums of whole spans, digests in the making. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/digest.h"

namespace ringdrop::server {

struct UploadCheckpoint {
  // When this was saved, so many bytes were durable. A larger size of the file is believed up to its last whole block.
  uint64_t durable_bytes = 0;
  std::string whole_spans;  // storage::Checksums::whole_spans()
  // The digests cover so many bytes; what is behind them must be read again.
  uint64_t digested_bytes = 0;
  std::vector<std::pair<proto::DigestAlgorithm, std::string>> digests;  // Digester::save()
  std::vector<proto::Digest> expected;                                  // that must come out in the end
  // Bytes of the file behind this offset were never acknowledged and must go: an append that is all or nothing was
  // under way. Absent: all of the file counts.
  std::optional<uint64_t> cut_to;
};

std::string encode_checkpoint(const UploadCheckpoint& checkpoint);
// "" gives an empty one; nullopt: not made by encode_checkpoint().
std::optional<UploadCheckpoint> decode_checkpoint(std::string_view bytes);
// How much counts of an unfinished file that is `size_bytes` long, whatever has ended the server: its whole blocks
// (BlobWriter::make_resumable), and what is behind them as far as it is known to have been durable.
uint64_t believable_bytes(const UploadCheckpoint& checkpoint, uint64_t size_bytes);

}  // namespace ringdrop::server
