#include "server/help.h"

#include <fmt/format.h>

#include "proto/units.h"

namespace ringdrop::server {

std::string help_text(const Config& config, const std::string& base_url) {
  std::string text = fmt::format(
      "ringdrop: upload a file, get a link, pass it on.\n"
      "\n"
      "Upload a file (the answer is its link):\n"
      "    curl -T film.mkv {0}/\n"
      "\n"
      "Upload what a command writes, under a name of your choice:\n"
      "    tar -cz photos | curl -T - {0}/photos.tar.gz\n"
      "\n"
      "Upload several files at once:\n"
      "    curl -F a=@one.txt -F b=@two.txt {0}/\n"
      "\n"
      "A link that ends after 3 downloads, or in 36 hours:\n"
      "    curl -T film.mkv -H 'Max-Downloads: 3' -H 'Expires-In: 36h' {0}/\n"
      "\n"
      "Keep the link in a variable:\n"
      "    url=$(curl -sT film.mkv {0}/)\n"
      "\n"
      "Download, with the file's own name:\n"
      "    curl -OJ \"$url\"\n"
      "\n"
      "Go on where a download broke off:\n"
      "    curl -C - -o film.mkv \"$url\"\n"
      "\n"
      "Delete it again, by the X-Url-Delete of the upload's answer (curl -i):\n"
      "    curl -X DELETE {0}/TOKEN/NAME/SECRET\n"
      "\n"
      "Answers as JSON:\n"
      "    curl -T film.mkv -H 'Accept: application/json' {0}/\n"
      "\n",
      base_url);
  if (!config.upload_token.empty()) text += "Uploading needs the upload token: curl -u :TOKEN ...\n";
  text += fmt::format("A file may be up to {} large.", proto::format_size(config.max_upload_bytes));
  if (config.max_expiry.count() > 0) {
    text += fmt::format(" A link lives for at most {} hours.",
                        std::chrono::ceil<std::chrono::hours>(config.max_expiry).count());
  }
  return text + "\n";
}

}  // namespace ringdrop::server
