# Warnings are errors in every preset. `ringdrop_library` and `ringdrop_flags` are how every target gets them.
set(RINGDROP_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wold-style-cast -Wcast-align
    -Woverloaded-virtual -Wconversion -Wsign-conversion -Wdouble-promotion -Wformat=2 -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives of these inside coroutine frames and libstdc++'s own headers.
  list(APPEND RINGDROP_WARNINGS -Wno-maybe-uninitialized -Wno-dangling-pointer -Wno-restrict -Wno-array-bounds
       -Wno-stringop-overflow)
endif()

if(RINGDROP_SANITIZE)
  add_compile_options(-fsanitize=${RINGDROP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${RINGDROP_SANITIZE})
endif()
if(RINGDROP_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(ringdrop_flags target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${RINGDROP_WARNINGS}>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
endfunction()

# ringdrop_library(NAME sources...): the static library of one folder.
function(ringdrop_library name)
  add_library(${name} STATIC ${ARGN})
  ringdrop_flags(${name})
endfunction()
