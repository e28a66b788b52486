// Why something of an upload did not work, in words for the person who waits, and what can be done about it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "io/clock.h"
#include "io/error.h"

namespace ringdrop::client {

struct Failure {
  enum class Kind : uint8_t {
    again,      // another attempt may work
    gone,       // the server knows the upload no more: begin anew
    final,      // it is for the user to change something
    cancelled,  // the user wants to stop
  };
  Kind kind = Kind::final;
  std::string words;
  std::optional<io::Milliseconds> retry_after;  // the server's wish
};

template <class T = void>
using Outcome = std::expected<T, Failure>;

inline std::unexpected<Failure> give_up(std::string words) {
  return std::unexpected(Failure{Failure::Kind::final, std::move(words), std::nullopt});
}

// Of a connection: cancelled, another attempt, or (refused: not understood) final.
Failure connection_failure(const io::Error& error);

}  // namespace ringdrop::client
