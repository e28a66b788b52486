# cmake -D SOURCE_DIR=server/web -D OUTPUT=web_assets.cc -P embed.cmake
#
# Writes the files of the web pages as C++ source. An asset is served under a name with the beginning of its SHA-256
# ("app.3f2a9c41.js"), by which those after it in the list refer to it. The pages are made once for each language, their
# {{texts}} taken from the "page" section of en.json and ru.json and the {{>parts}} that they share from the file of that
# name; what is in [[...]] is filled when a page is sent.
cmake_minimum_required(VERSION 3.25)

set(ASSETS icon.svg app.css qrcode.js text.js upload.js memory.js page.js links.js intake.js app.js watch.js) # in the order of who refers to whom
set(PAGES index.html link.html missing.html watch.html)                  # as in enum WebPage
set(PARTS head.html top.html)
set(LANGUAGES en ru)                                                     # as in enum Language

set(TYPE_css "text/css; charset=utf-8")
set(TYPE_js "text/javascript; charset=utf-8")
set(TYPE_svg "image/svg+xml")

set(arrays "")
set(assets "")
set(pages "")

# The bytes of `content`, which the caller has set, as an array `name`. (Functions: a macro would read them as its code.)
function(embed name)
  file(WRITE "${OUTPUT}.tmp" "${content}")
  file(READ "${OUTPUT}.tmp" hex HEX)
  file(REMOVE "${OUTPUT}.tmp")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  set(arrays "${arrays}constexpr unsigned char ${name}[] = {${bytes}};\n" PARENT_SCOPE)
endfunction()

# Replaces, in `content`, the names of the assets so far by those that they are served under.
function(refer)
  foreach(known IN LISTS ASSETS)
    if(DEFINED "SERVED_${known}")
      string(REPLACE "./${known}" "./${SERVED_${known}}" content "${content}")
      string(REPLACE "assets/${known}" "assets/${SERVED_${known}}" content "${content}")
    endif()
  endforeach()
  set(content "${content}" PARENT_SCOPE)
endfunction()

foreach(language IN LISTS LANGUAGES)
  file(READ "${SOURCE_DIR}/${language}.json" TEXTS_${language})
endforeach()

foreach(asset IN LISTS ASSETS)
  file(READ "${SOURCE_DIR}/${asset}" content)
  refer()
  foreach(language IN LISTS LANGUAGES)
    string(JSON script GET "${TEXTS_${language}}" script)
    string(REPLACE "'{{${language}}}'" "${script}" content "${content}")
  endforeach()
  string(SHA256 hash "${content}")
  string(SUBSTRING "${hash}" 0 8 hash)
  string(REGEX MATCH "^[a-z]+" base "${asset}")
  string(REGEX MATCH "[a-z]+$" ending "${asset}")
  set("SERVED_${asset}" "${base}.${hash}.${ending}")
  embed(k_${base}_${ending})
  string(APPEND assets "    WebAsset{\"${SERVED_${asset}}\", \"${TYPE_${ending}}\", text_of(k_${base}_${ending})},\n")
endforeach()

foreach(page IN LISTS PAGES)
  foreach(language IN LISTS LANGUAGES)
    file(READ "${SOURCE_DIR}/${page}" content)
    foreach(part IN LISTS PARTS)
      file(READ "${SOURCE_DIR}/${part}" text)
      string(REPLACE "{{>${part}}}\n" "${text}" content "${content}")
    endforeach()
    refer()
    string(JSON last LENGTH "${TEXTS_${language}}" page)
    math(EXPR last "${last} - 1")
    foreach(index RANGE ${last})
      string(JSON key MEMBER "${TEXTS_${language}}" page ${index})
      string(JSON text GET "${TEXTS_${language}}" page ${key})
      string(REPLACE "{{${key}}}" "${text}" content "${content}")
    endforeach()
    if(content MATCHES "{{[^}]*}}")
      message(FATAL_ERROR "${page}: ${language}.json has no text for ${CMAKE_MATCH_0}")
    endif()
    string(REGEX MATCH "^[a-z]+" base "${page}")
    embed(k_${base}_${language})
    string(APPEND pages "    text_of(k_${base}_${language}),\n")
  endforeach()
endforeach()

file(WRITE "${OUTPUT}" "// Made by cmake/embed.cmake from server/web.
#include \"server/web_assets.h\"

#include <array>

namespace ringdrop::server {
namespace {

${arrays}
template <std::size_t size>
std::string_view text_of(const unsigned char (&bytes)[size]) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

std::span<const WebAsset> web_assets() {
  static const std::array assets{
${assets}  };
  return assets;
}

std::string_view web_page(WebPage page, Language language) {
  static const std::array pages{
${pages}  };
  return pages[static_cast<std::size_t>(page) * 2 + static_cast<std::size_t>(language)];
}

}  // namespace ringdrop::server
")
