#include "client/upload.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

#include "client/display_text.h"
#include "client/file_upload.h"
#include "client/program.h"

namespace ringdrop::client {
namespace {

using io::Task;

// The absolute path of a file that can be uploaded, or why it cannot.
std::expected<std::string, std::string> check_file(const std::string& name) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(name, error);
  if (error) return std::unexpected(printable(name) + ": " + error.message());
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::is_directory(status)) {
    return std::unexpected(printable(name) + ": is a directory: put it into an archive (tar, zip) first");
  }
  if (!std::filesystem::is_regular_file(status)) return std::unexpected(printable(name) + ": is no regular file");
  if (!std::ifstream(path)) return std::unexpected(printable(name) + ": cannot be read");
  return path.string();
}

std::optional<std::vector<std::string>> check_files(const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    std::expected<std::string, std::string> path = check_file(name);
    if (path) paths.push_back(std::move(*path));
    if (!path) complain(path.error());
  }
  if (paths.size() != names.size()) return std::nullopt;
  return paths;
}

// One run of the command.
class Upload final : public Program {
 public:
  Upload(const ProgramParts& parts, const UploadOptions& options, std::vector<std::string> paths)
      : paths_(std::move(paths)),
        display_(parts.loop, parts.printing, talk_of(options.quiet)),
        session_(parts.loop, parts.blocking, options.server, parts.trust, options.token),
        saved_(options.state_directory),
        services_{parts.loop, parts.blocking, session_, saved_, display_, buffers_, options.protocol, options.wishes} {}

  Task<std::optional<int>> run(std::stop_token stop) override {
    const std::optional<int> ended = co_await upload_all(stop);
    co_await session_.close();
    co_return ended;
  }

 private:
  Task<std::optional<int>> upload_all(const std::stop_token& stop);

  const std::vector<std::string> paths_;
  ProgressDisplay display_;
  ServerSession session_;
  const SavedUploads saved_;
  PieceBuffers buffers_;
  const UploadServices services_;
};

Task<std::optional<int>> Upload::upload_all(const std::stop_token& stop) {
  std::size_t failed = 0;
  for (const std::string& path : paths_) {
    FileUpload upload(services_, path);
    Outcome<std::string> link = co_await upload.run(stop);
    if (link) {
      co_await display_.result(std::move(*link));
      continue;
    }
    if (stop.stop_requested()) {
      std::string line = fmt::format("ringdrop: {}: stopped; the same command goes on", printable(upload.name()));
      co_await display_.note(std::move(line));
      co_return std::nullopt;
    }
    ++failed;
    std::string line = fmt::format("ringdrop: {}: {}", printable(upload.name()), link.error().words);
    co_await display_.error(std::move(line));
  }
  if (failed > 0 && paths_.size() > 1) {
    std::string line = fmt::format("ringdrop: {} of {} files are not uploaded", failed, paths_.size());
    co_await display_.error(std::move(line));
  }
  co_return failed > 0 ? kExitFailure : 0;
}

}  // namespace

int run_upload(const UploadOptions& options) {
  std::optional<std::vector<std::string>> paths = check_files(options.files);
  if (!paths) return kExitFailure;
  return run_program(options.server.secure, options.ca_file, [&](const ProgramParts& parts) {
    return std::make_unique<Upload>(parts, options, std::move(*paths));
  });
}

}  // namespace ringdrop::client
