#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "io/wait_list.h"

namespace ringdrop::io {
namespace {

constexpr std::size_t kReceiveBytes = 32 * kKiB;      // two records of the largest size (RFC 8446 5.2)
constexpr std::size_t kEncryptBytes = 256 * kKiB;     // plain bytes that are in work at a time
constexpr Milliseconds kGoodbyeLimit{1'000};          // for the last record: it is a courtesy
constexpr std::string_view kHttp11 = "\x08http/1.1";  // ALPN's wire form (RFC 7301 3.1)

std::string last_error_text() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason ? reason : "unknown error";
}

Error broken_tls() {
  return error_from_errno(EPROTO, "TLS");
}

}  // namespace

struct TlsTrust::State {
  explicit State(SSL_CTX* made) : context(made, &SSL_CTX_free) {}
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context;
};

TlsTrust::TlsTrust(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsTrust::~TlsTrust() = default;
TlsTrust::TlsTrust(TlsTrust&&) noexcept = default;

std::expected<TlsTrust, std::string> TlsTrust::load(const std::string& ca_file) {
  ERR_clear_error();
  auto state = std::make_unique<State>(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = state->context.get();
  if (context == nullptr) return std::unexpected("TLS cannot be used: " + last_error_text());
  const bool loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                      : SSL_CTX_load_verify_file(context, ca_file.c_str()) == 1;
  if (!loaded) {
    const std::string what = ca_file.empty() ? "the system's certificates" : ca_file;
    return std::unexpected(what + ": no certificates can be read (" + last_error_text() + ")");
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return TlsTrust(std::move(state));
}

// The engine and its two buffers, and the socket. Between two awaits it is whole; what is encrypted leaves through one
// door, in order.
class TlsStream::State {
 public:
  State(EventLoop& loop, Socket socket)
      : loop_(loop), socket_(std::move(socket)), sent_(loop, "what has waited to be encrypted") {}

  bool prepare(SSL_CTX* context, const std::string& host);
  Task<Result<>> shake_hands(TimePoint deadline, const std::stop_token& stop);
  TlsFailure failure(const Error& error, const std::string& host) const;

  Task<Result<std::size_t>> receive_some(MutableBytes into, TimePoint deadline, const std::stop_token& stop);
  Task<Result<>> send_all(Bytes bytes, Milliseconds stall, const std::stop_token& stop);
  Task<> say_goodbye();

 private:
  Task<Result<>> take_in(TimePoint deadline, const std::stop_token& stop);
  Task<Result<>> let_out(Milliseconds stall, const std::stop_token& stop);
  Task<Result<>> let_out_all(Milliseconds stall, const std::stop_token& stop);

  EventLoop& loop_;
  Socket socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
  BIO* incoming_ = nullptr;  // of ssl_
  BIO* outgoing_ = nullptr;  // of ssl_
  std::array<std::byte, kReceiveBytes> received_;
  std::vector<std::byte> sending_;
  bool is_sending_ = false;
  bool broken_ = false;  // a record was torn: nothing more can be sent
  std::string alert_;
  WaitList sent_;
};

bool TlsStream::State::prepare(SSL_CTX* context, const std::string& host) {
  ssl_.reset(SSL_new(context));
  incoming_ = BIO_new(BIO_s_mem());
  outgoing_ = BIO_new(BIO_s_mem());
  if (!ssl_ || !incoming_ || !outgoing_) return false;
  SSL_set_bio(ssl_.get(), incoming_, outgoing_);
  SSL_set_connect_state(ssl_.get());
  const auto* const protocols = reinterpret_cast<const unsigned char*>(kHttp11.data());
  if (SSL_set_alpn_protos(ssl_.get(), protocols, kHttp11.size()) != 0) return false;  // 0: it worked
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1) return true;
  // No address, so it is a name. RFC 6066 3: SNI is for names alone.
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size()) == 1 &&
         // What the macro SSL_set_tlsext_host_name does, with an old cast; the engine copies the name.
         SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
}

// The next bytes from the socket for the engine.
Task<Result<>> TlsStream::State::take_in(TimePoint deadline, const std::stop_token& stop) {
  const Result<std::size_t> got = co_await socket_.receive_some(received_, deadline, stop);
  if (!got) co_return std::unexpected(got.error());
  if (*got == 0) co_return fail(Errc::closed, "receive");
  CHECK_THAT(BIO_write(incoming_, received_.data(), static_cast<int>(*got)) == static_cast<int>(*got));
  co_return Result<>{};
}

// Sends what the engine has encrypted. Bytes that come while somebody else sends are that one's to send as well.
Task<Result<>> TlsStream::State::let_out(Milliseconds stall, const std::stop_token& stop) {
  if (is_sending_) co_return Result<>{};
  is_sending_ = true;
  const Result<> sent = co_await let_out_all(stall, stop);
  is_sending_ = false;
  if (!sent) broken_ = true;
  sent_.wake_all();
  co_return sent;
}

Task<Result<>> TlsStream::State::let_out_all(Milliseconds stall, const std::stop_token& stop) {
  while (const std::size_t bytes = BIO_ctrl_pending(outgoing_)) {
    // Copied: the engine may go on writing while this is on its way.
    sending_.resize(bytes);
    CHECK_THAT(BIO_read(outgoing_, sending_.data(), static_cast<int>(bytes)) == static_cast<int>(bytes));
    const Result<> sent = co_await send_unless_stalled(loop_, socket_, sending_, stall, stop);
    if (!sent) co_return std::unexpected(sent.error());
  }
  co_return Result<>{};
}

Task<Result<>> TlsStream::State::shake_hands(TimePoint deadline, const std::stop_token& stop) {
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const int why = SSL_get_error(ssl_.get(), done);
    if (done != 1 && why != SSL_ERROR_WANT_READ) alert_ = last_error_text();
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - loop_.now());
    const Result<> sent = co_await let_out(std::max(left, Milliseconds(1)), stop);
    if (done == 1) co_return sent;
    if (why != SSL_ERROR_WANT_READ) co_return fail(Errc::refused, "TLS handshake");
    if (!sent) co_return std::unexpected(sent.error());
    const Result<> got = co_await take_in(deadline, stop);
    if (!got) co_return std::unexpected(got.error());
  }
}

TlsFailure TlsStream::State::failure(const Error& error, const std::string& host) const {
  TlsFailure failure{.error = error, .untrusted = false, .words = {}};
  const long verified = SSL_get_verify_result(ssl_.get());
  if (error.code != Errc::refused) {
    failure.words = "TLS handshake: " + describe(error);
  } else if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    failure.untrusted = true;
    failure.words = "the server's certificate is not for " + host;
  } else if (verified != X509_V_OK) {
    failure.untrusted = true;
    failure.words =
        std::string("the server's certificate cannot be trusted: ") + X509_verify_cert_error_string(verified);
  } else {
    failure.words = "TLS handshake: " + alert_;
  }
  return failure;
}

Task<Result<std::size_t>> TlsStream::State::receive_some(MutableBytes into, TimePoint deadline,
                                                         const std::stop_token& stop) {
  for (;;) {
    ERR_clear_error();
    const int most = static_cast<int>(std::min(into.size(), kReceiveBytes));
    const int got = SSL_read(ssl_.get(), into.data(), most);
    const int why = SSL_get_error(ssl_.get(), got);
    // Reading may make something to be said: the answer to a key update.
    if (BIO_ctrl_pending(outgoing_) > 0) {
      const Result<> sent = co_await let_out(kGoodbyeLimit, stop);
      if (!sent && got <= 0) co_return std::unexpected(sent.error());
    }
    if (got > 0) co_return static_cast<std::size_t>(got);
    if (why == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
    if (why != SSL_ERROR_WANT_READ) co_return std::unexpected(broken_tls());
    const Result<> more = co_await take_in(deadline, stop);
    if (!more) co_return std::unexpected(more.error());
  }
}

Task<Result<>> TlsStream::State::send_all(Bytes bytes, Milliseconds stall, const std::stop_token& stop) {
  while (!bytes.empty()) {
    while (is_sending_) {
      const Result<> waited = co_await sent_.wait(kNever, stop);
      if (!waited) co_return std::unexpected(waited.error());
    }
    if (broken_) co_return fail(Errc::closed, "send");
    const Bytes some = bytes.first(std::min(bytes.size(), kEncryptBytes));
    ERR_clear_error();
    const int written = SSL_write(ssl_.get(), some.data(), static_cast<int>(some.size()));
    if (written <= 0) co_return std::unexpected(broken_tls());
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    const Result<> sent = co_await let_out(stall, stop);
    if (!sent) co_return std::unexpected(sent.error());
  }
  co_return Result<>{};
}

Task<> TlsStream::State::say_goodbye() {
  if (broken_ || is_sending_) co_return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  const std::stop_token nobody;
  static_cast<void>(co_await let_out(kGoodbyeLimit, nobody));
}

TlsStream::TlsStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsStream::~TlsStream() = default;

Task<std::expected<std::unique_ptr<Stream>, TlsFailure>> TlsStream::connect(EventLoop& loop, Socket socket,
                                                                            const TlsTrust& trust,
                                                                            const std::string& host, TimePoint deadline,
                                                                            const std::stop_token& stop) {
  auto state = std::make_unique<State>(loop, std::move(socket));
  if (!state->prepare(trust.state_->context.get(), host)) {
    const Error error{Errc::refused, 0, "TLS"};
    co_return std::unexpected(TlsFailure{error, false, "TLS cannot be used: " + last_error_text()});
  }
  const Result<> shaken = co_await state->shake_hands(deadline, stop);
  if (!shaken) {
    TlsFailure why = state->failure(shaken.error(), host);
    co_return std::unexpected(std::move(why));
  }
  std::unique_ptr<Stream> stream(new TlsStream(std::move(state)));
  co_return stream;
}

Task<Result<std::size_t>> TlsStream::receive_some(MutableBytes into, TimePoint deadline, const std::stop_token& stop) {
  return state_->receive_some(into, deadline, stop);
}

Task<Result<>> TlsStream::send_all(Bytes bytes, Milliseconds stall, const std::stop_token& stop) {
  return state_->send_all(bytes, stall, stop);
}

Task<> TlsStream::say_goodbye() {
  return state_->say_goodbye();
}

}  // namespace ringdrop::io
