// What the plain programs that are measured beside it share: they end where anything fails, and say where they listen.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

[[noreturn]] inline void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

// A listening socket on a free port of 127.0.0.1, which standard error is told: "listening on 127.0.0.1:PORT".
inline int listen_somewhere() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0) give_up("bind");
  if (listen(listener, 1024) != 0) give_up("listen");
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) give_up("getsockname");
  std::fprintf(stderr, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  return listener;
}
