// A piece of a test in a process of its own: for what would change or end the test's process.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <string>

namespace ringdrop::test {

// What `body` (which returns a string) returned in a child process; the child's end otherwise.
template <class Body>
std::string from_child(Body body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::cout.flush();  // what is buffered is the parent's to write
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string text = body();
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string all;
  char some[4096];
  for (ssize_t got = 0; (got = read(ends[0], some, sizeof some)) > 0;) all.append(some, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (status != 0) return "the child ended with status " + std::to_string(status);
  return all;
}

}  // namespace ringdrop::test
