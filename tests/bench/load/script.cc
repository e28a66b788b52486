#include "tests/bench/load/script.h"

#include <string_view>
#include <utility>

namespace load {
namespace {

class UploadScript : public Script {
 public:
  UploadScript(const Body& body, Framing framing, std::string target, Quota& quota)
      : body_(body),
        method_(framing == Framing::multipart ? "POST" : "PUT"),
        target_(std::move(target)),
        quota_(quota) {}

  bool next(Message& message) override {
    const int64_t number = quota_.take();
    if (number < 0) return false;
    std::string target = target_;
    const auto place = target.find('%');
    if (place != target.npos) target.replace(place, 1, std::to_string(number));
    message = body_.message(method_, target, "");
    return true;
  }
  void answered(const Response&) override {}

 private:
  const Body& body_;
  std::string_view method_;
  std::string target_;
  Quota& quota_;
};

class DownloadScript : public Script {
 public:
  DownloadScript(const std::vector<std::string>& targets, Quota& quota) : targets_(targets), quota_(quota) {}

  bool next(Message& message) override {
    const int64_t number = quota_.take();
    if (number < 0) return false;
    message = plain_message("GET", targets_[static_cast<std::size_t>(number) % targets_.size()], "");
    return true;
  }
  void answered(const Response&) override {}

 private:
  const std::vector<std::string>& targets_;
  Quota& quota_;
};

// The path of a Location, which may be a whole URL.
std::string path_of(const std::string& location) {
  const auto scheme = location.find("://");
  return scheme == location.npos ? location : location.substr(location.find('/', scheme + 3));
}

class AppendScript : public Script {
 public:
  AppendScript(const Body& body, uint64_t piece_bytes, uint64_t pieces)
      : body_(body), piece_bytes_(piece_bytes), pieces_(pieces) {}

  bool next(Message& message) override {
    constexpr std::string_view kTus = "Tus-Resumable: 1.0.0\r\n";
    // A request that failed ends it: the next one would have the wrong offset.
    if (done_ == pieces_ || std::exchange(is_unanswered_, true)) return false;
    if (upload_.empty()) {
      message = plain_message(
          "POST", "/uploads",
          std::string(kTus) + "Content-Length: 0\r\nUpload-Length: " + std::to_string(pieces_ * piece_bytes_) + "\r\n");
    } else {
      message = body_.message("PATCH", upload_,
                              std::string(kTus) + "Content-Type: application/offset+octet-stream\r\nUpload-Offset: " +
                                  std::to_string(done_ * piece_bytes_) + "\r\n");
    }
    return true;
  }

  void answered(const Response& response) override {
    is_unanswered_ = false;
    if (upload_.empty()) {
      upload_ = path_of(response.location);
    } else {
      ++done_;
    }
  }

 private:
  const Body& body_;
  uint64_t piece_bytes_;
  uint64_t pieces_;
  uint64_t done_ = 0;
  bool is_unanswered_ = false;
  std::string upload_;  // its path, once it is made
};

}  // namespace

std::unique_ptr<Script> upload_script(const Body& body, Framing framing, std::string target, Quota& quota) {
  return std::make_unique<UploadScript>(body, framing, std::move(target), quota);
}
std::unique_ptr<Script> download_script(const std::vector<std::string>& targets, Quota& quota) {
  return std::make_unique<DownloadScript>(targets, quota);
}
std::unique_ptr<Script> append_script(const Body& body, uint64_t piece_bytes, uint64_t pieces) {
  return std::make_unique<AppendScript>(body, piece_bytes, pieces);
}

}  // namespace load
