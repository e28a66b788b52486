// `ringdrop upload FILE... URL`: a loop of its own, the files one after the other, their links on standard output.
#pragma once

#include <string>
#include <vector>

#include "client/upload_protocol.h"
#include "proto/http_url.h"

namespace ringdrop::client {

struct UploadOptions {
  std::vector<std::string> files;
  proto::HttpUrl server;
  std::string ca_file;  // "": the system's
  LinkWishes wishes;
  std::string token;
  ProtocolChoice protocol = ProtocolChoice::automatic;
  bool quiet = false;
  std::string state_directory;  // see SavedUploads; "": nothing is remembered
};

// 0: all are there. 1: some are not, standard error says which and why; when one cannot even be read, nothing was sent.
// 78: this machine has no io_uring for us. 128 + signal: it was stopped, the same command goes on.
int run_upload(const UploadOptions& options);

}  // namespace ringdrop::client
