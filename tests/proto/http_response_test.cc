#include "proto/http_response.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <limits>

namespace ringdrop::proto {
namespace {

// Whether format_response_head ends the process.
bool dies(const ResponseHead& head) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);
    format_response_head(head);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

ResponseHead with_field(std::string_view name, std::string_view value) {
  ResponseHead head;
  head.fields.add(name, value);
  return head;
}

}  // namespace

TEST_CASE("a response head is the status line, the fields in order and an empty line") {
  ResponseHead head;
  CHECK(format_response_head(head) == "HTTP/1.1 200 OK\r\n\r\n");
  head.status = 201;
  head.fields.add("Location", "/d/x");
  head.fields.add("X-Empty", "");
  head.fields.add("X-Text", "a\tb \xc3\xa9");
  CHECK(format_response_head(head) ==
        "HTTP/1.1 201 Created\r\nLocation: /d/x\r\nX-Empty: \r\nX-Text: a\tb \xc3\xa9\r\n\r\n");
}

TEST_CASE("a status without a registered phrase keeps the space before it") {
  ResponseHead head;
  head.status = 460;
  CHECK(format_response_head(head) == "HTTP/1.1 460 Checksum Mismatch\r\n\r\n");
  head.status = 461;
  CHECK(format_response_head(head) == "HTTP/1.1 461 \r\n\r\n");
}

TEST_CASE("the phrases are those of the registry") {
  CHECK(reason_phrase(100) == "Continue");
  CHECK(reason_phrase(104) == "Upload Resumption Supported");
  CHECK(reason_phrase(206) == "Partial Content");
  CHECK(reason_phrase(413) == "Content Too Large");
  CHECK(reason_phrase(416) == "Range Not Satisfiable");
  CHECK(reason_phrase(431) == "Request Header Fields Too Large");
  CHECK(reason_phrase(507) == "Insufficient Storage");
  CHECK(reason_phrase(418) == "");
  CHECK(reason_phrase(0) == "");
  CHECK(reason_phrase(999) == "");
}

TEST_CASE("a field that would break the head is a bug and ends the process") {
  CHECK(dies(with_field("X", "a\r\nSet-Cookie: b")));
  CHECK(dies(with_field("X", "a\nb")));
  CHECK(dies(with_field("X", std::string_view("a\0b", 3))));
  CHECK(dies(with_field("X", "a\x7f")));
  CHECK(dies(with_field("X Y", "a")));
  CHECK(dies(with_field("X:", "a")));
  CHECK(dies(with_field("", "a")));
  CHECK_FALSE(dies(with_field("X", "a")));
  ResponseHead head;
  head.status = 20;
  CHECK(dies(head));
}

TEST_CASE("a chunk size is written in hexadecimal digits") {
  CHECK(format_chunk_size(0) == "0\r\n");
  CHECK(format_chunk_size(8000) == "1f40\r\n");
  CHECK(format_chunk_size(std::numeric_limits<std::size_t>::max()) == "ffffffffffffffff\r\n");
}

}  // namespace ringdrop::proto
