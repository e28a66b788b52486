#include "io/log.h"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "io/repeated_lines.h"

namespace ringdrop::io {
namespace {

constexpr std::size_t kQueuedLines = 8192;

spdlog::level::level_enum spdlog_level(Log::Level level) {
  switch (level) {
    case Log::Level::debug:
      return spdlog::level::debug;
    case Log::Level::info:
      return spdlog::level::info;
    case Log::Level::warn:
      return spdlog::level::warn;
    case Log::Level::error:
      return spdlog::level::err;
    case Log::Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

}  // namespace

struct Log::Sink {
  explicit Sink(Level level)
      : threads(std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1)),
        logger(std::make_shared<spdlog::async_logger>("ringdrop", std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                                                      threads, spdlog::async_overflow_policy::overrun_oldest)) {
    logger->set_level(spdlog_level(level));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    logger->flush_on(spdlog::level::info);
  }

  // What is to be written instead of `line`; nullopt: nothing.
  std::optional<std::string> admit(std::string line) {
    const std::lock_guard<std::mutex> guard(mutex);
    return repeated.admit(std::move(line), std::chrono::steady_clock::now());
  }

  std::mutex mutex;
  RepeatedLines repeated;
  // The logger holds the pool weakly: it goes first.
  std::shared_ptr<spdlog::details::thread_pool> threads;
  std::shared_ptr<spdlog::async_logger> logger;
};

Log::Log(Level level) : level_(level) {
  if (level != Level::off) sink_ = std::make_unique<Sink>(level);
}

Log::~Log() = default;

void Log::write(Level level, std::string_view line) {
  if (!enabled(level)) return;
  std::optional<std::string> admitted = escape_for_log(line);
  if (level >= Level::warn) admitted = sink_->admit(std::move(*admitted));
  if (!admitted) return;
  sink_->logger->log(spdlog_level(level), spdlog::string_view_t(admitted->data(), admitted->size()));
}

std::string escape_for_log(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
      escaped += c;
    } else {
      fmt::format_to(std::back_inserter(escaped), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace ringdrop::io
