#include "server/help.h"

#include <fmt/format.h>

#include "proto/units.h"

namespace ringdrop::server {

std::string help_text(const Config& config, const std::string& own_host, const proto::RequestHead& request) {
  const std::string& host = request.host.empty() ? own_host : request.host;
  return fmt::format(
      "ringdrop: upload a file, get a link, pass it on.\n"
      "\n"
      "Upload a file (the answer is its link):\n"
      "    curl -T film.mkv http://{0}/\n"
      "\n"
      "Upload what a command writes, under a name of your choice:\n"
      "    tar -cz photos | curl -T - http://{0}/photos.tar.gz\n"
      "\n"
      "Keep the link in a variable:\n"
      "    url=$(curl -sT film.mkv http://{0}/)\n"
      "\n"
      "Download, with the file's own name:\n"
      "    curl -OJ \"$url\"\n"
      "\n"
      "A file may be up to {1} large.\n",
      host, proto::format_size(config.max_upload_bytes));
}

}  // namespace ringdrop::server
