// The upload of one file, from whatever is remembered of it to its link: it is made, appended to, asked about after a
// break, and appended to again, until it is there or nothing helps.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "client/backoff.h"
#include "client/file_body.h"
#include "client/progress_display.h"
#include "client/saved_uploads.h"
#include "client/server_session.h"

namespace ringdrop::client {

// What all files of one command share.
struct UploadServices {
  io::EventLoop& loop;
  io::Lane& blocking;  // for the small files of what is remembered
  ServerSession& session;
  const SavedUploads& saved;
  ProgressDisplay& display;
  PieceBuffers& buffers;
  ProtocolChoice choice;
  const LinkWishes& wishes;
};

class FileUpload {
 public:
  // `path` is absolute, of a file that could be read a moment ago.
  FileUpload(const UploadServices& services, std::string path);

  // The link. final, cancelled; then what is remembered stays for the next time, unless it is of no use.
  io::Task<Outcome<std::string>> run(std::stop_token stop);
  const std::string& name() const { return facts_.name; }

 private:
  io::Task<Outcome<std::string>> try_until_done(const std::stop_token& stop);
  io::Task<Outcome<std::string>> attempt(const std::stop_token& stop);
  io::Task<Outcome<UploadPoint>> begin(const std::stop_token& stop);
  io::Task<Outcome<UploadPoint>> ask(const std::stop_token& stop);
  io::Task<Outcome<UploadPoint>> append(uint64_t offset, const std::stop_token& stop);
  io::Task<Outcome<UploadPoint>> exchange(HttpRequest request, BodySource* body, bool known,
                                          const std::stop_token& stop);
  io::Task<Outcome<>> wait(const Failure& why, const std::stop_token& stop);
  io::Task<> remember();
  io::Task<> forget();
  io::Task<> recall();
  io::Task<> cancel_upload(const std::stop_token& stop);
  std::string link_of(const UploadPoint& point) const;

  const UploadServices& services_;
  FileFacts facts_;
  UploadKey key_;
  std::unique_ptr<io::File> file_;
  io::FileStatus was_;

  std::unique_ptr<UploadProtocol> recalled_;  // the protocol that an earlier run began with
  const UploadProtocol* protocol_ = nullptr;
  std::string location_;  // "": there is no upload yet
  uint64_t furthest_ = 0;
  bool begun_anew_ = false;
  Backoff backoff_;
};

}  // namespace ringdrop::client
