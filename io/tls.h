// TLS for clients: a Stream over a Socket (OpenSSL behind it, through memory BIOs: it never touches the socket).
// TLS 1.2 or newer, the server's certificate and name are always verified: there is no switch that turns it off. Not
// here: TLS for servers, which is a proxy's work, and client certificates.
#pragma once

#include <expected>
#include <memory>
#include <stop_token>
#include <string>

#include "io/socket.h"
#include "io/stream.h"
#include "io/task.h"

namespace ringdrop::io {

// Whom to trust. Made once, before the first connection: it reads files.
class TlsTrust {
 public:
  // The certificates in `ca_file` (PEM) alone, or with "" the system's. Fails with what is wrong with the file.
  static std::expected<TlsTrust, std::string> load(const std::string& ca_file);
  ~TlsTrust();
  TlsTrust(TlsTrust&&) noexcept;
  TlsTrust& operator=(TlsTrust&&) = delete;

 private:
  friend class TlsStream;
  struct State;
  explicit TlsTrust(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Why there is no TLS connection. `untrusted`: it is the certificate, and another attempt would not help.
struct TlsFailure {
  Error error;
  bool untrusted = false;
  std::string words;  // "the certificate is not for example.org", "the handshake failed: ..."
};

class TlsStream final : public Stream {
 public:
  // Shakes hands on a connected socket. `host` is the name (or numeric address, without brackets) that the certificate
  // must be for; a name is told to the server (SNI). `trust` and `stop` live until it is over, `trust` no longer.
  static Task<std::expected<std::unique_ptr<Stream>, TlsFailure>> connect(EventLoop& loop, Socket socket,
                                                                          const TlsTrust& trust,
                                                                          const std::string& host, TimePoint deadline,
                                                                          const std::stop_token& stop);
  ~TlsStream() override;

  // An end without the peer's close_notify is `closed`: somebody may have cut it.
  Task<Result<std::size_t>> receive_some(MutableBytes into, TimePoint deadline, const std::stop_token& stop) override;
  Task<Result<>> send_all(Bytes bytes, Milliseconds stall, const std::stop_token& stop) override;
  Task<> say_goodbye() override;

 private:
  class State;
  explicit TlsStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringdrop::io
