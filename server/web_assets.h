// The files of server/web as they are in the program: assets under names with a hash, pages by language with [[fields]]
// still to be filled. Defined by a source that cmake/embed.cmake makes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ringdrop::server {

enum class Language : uint8_t { en, ru };
enum class WebPage : uint8_t { index, link, missing, watch };

struct WebAsset {
  std::string_view name;  // "app.3f2a9c41.js"
  std::string_view type;  // Content-Type
  std::string_view bytes;
};

std::span<const WebAsset> web_assets();
std::string_view web_page(WebPage page, Language language);

}  // namespace ringdrop::server
