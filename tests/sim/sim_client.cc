#include "tests/sim/sim_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "base/check.h"

namespace ringdrop::sim {
namespace {

constexpr io::Milliseconds kPatience{60'000};

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lowered;
}

uint64_t number(std::string_view text, int base) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

Response parse_head(std::string_view head) {
  Response response;
  response.head = std::string(head);
  response.status = static_cast<int>(number(head.substr(9, 3), 10));
  std::size_t start = head.find("\r\n") + 2;
  while (start < head.size()) {
    const std::size_t end = head.find("\r\n", start);
    const std::string_view line = head.substr(start, end - start);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) response.fields[lower(line.substr(0, colon))] = line.substr(colon + 2);
    if (end == std::string_view::npos) break;
    start = end + 2;
  }
  return response;
}

}  // namespace

SimClient::SimClient(World& world, io::EventLoop& loop, const io::Address& address)
    : loop_(loop), socket_(loop, io::OwnedFd(loop.ring(), world.connect(address))) {}

io::Task<io::Result<>> SimClient::send(std::string_view bytes) {
  const std::stop_token never = stop_.get_token();
  while (!bytes.empty()) {
    const io::Result<std::size_t> sent =
        co_await socket_.send_all(as_bytes(bytes), Bytes{}, loop_.now() + kPatience, never);
    if (!sent) co_return std::unexpected(sent.error());
    bytes.remove_prefix(*sent);
  }
  co_return io::Result<>{};
}

io::Task<io::Result<>> SimClient::end_sending() {
  const io::Result<> ended = co_await socket_.shutdown_write();
  co_return ended;
}

io::Task<io::Result<>> SimClient::fill() {
  const std::stop_token never = stop_.get_token();
  std::array<std::byte, 16 * 1024> bytes;
  const io::Result<std::size_t> got = co_await socket_.receive_some(bytes, loop_.now() + kPatience, never);
  if (!got) co_return std::unexpected(got.error());
  if (*got == 0) co_return io::fail(io::Errc::closed, "receive");
  received_ += as_text(Bytes(bytes).first(*got));
  co_return io::Result<>{};
}

io::Task<io::Result<Response>> SimClient::receive(bool head_request) {
  Response response;
  for (;;) {
    std::size_t end = received_.find("\r\n\r\n");
    if (end == std::string::npos) {
      const io::Result<> filled = co_await fill();
      if (!filled) co_return std::unexpected(filled.error());
      continue;
    }
    response = parse_head(std::string_view(received_).substr(0, end + 2));
    received_.erase(0, end + 4);
    if (response.status >= 200) break;
    interim_.push_back(response);
  }
  if (head_request || response.status == 204 || response.status == 304) co_return std::move(response);
  const auto declared = response.fields.find("content-length");
  const std::size_t length = declared == response.fields.end() ? 0 : number(declared->second, 10);
  while (received_.size() < length) {
    const io::Result<> filled = co_await fill();
    if (!filled) co_return std::unexpected(filled.error());
  }
  response.body = received_.substr(0, length);
  received_.erase(0, length);
  co_return std::move(response);
}

io::Task<io::Result<std::size_t>> SimClient::receive_some(std::size_t most) {
  std::string into(most, '\0');
  const MutableBytes memory = std::as_writable_bytes(std::span(into));
  const io::TimePoint deadline = loop_.now() + kPatience;
  const std::stop_token stop = stop_.get_token();
  co_return co_await socket_.receive_some(memory, deadline, stop);
}

io::Task<std::string> SimClient::receive_to_end() {
  for (;;) {
    const io::Result<> filled = co_await fill();
    if (!filled) co_return std::exchange(received_, {});
  }
}

io::Task<bool> SimClient::is_ended() {
  if (!received_.empty()) co_return false;
  const io::Result<> filled = co_await fill();
  co_return !filled && filled.error().code == io::Errc::closed;
}

io::Task<io::Result<Response>> put(World& world, io::EventLoop& loop, io::Address address, std::string name,
                                   std::string content, bool chunked) {
  SimClient client(world, loop, address);
  std::string request = fmt::format("PUT /{} HTTP/1.1\r\nHost: sim\r\n", name);
  if (chunked) {
    request += "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t start = 0; start < content.size(); start += 10'000) {
      const std::string_view part = std::string_view(content).substr(start, 10'000);
      request += fmt::format("{:x}\r\n{}\r\n", part.size(), part);
    }
    request += "0\r\n\r\n";
  } else {
    request += fmt::format("Content-Length: {}\r\n\r\n", content.size());
    request += content;
  }
  const io::Result<> sent = co_await client.send(request);
  // A refusal may come, and the connection end, before all was sent: what counts is the answer.
  static_cast<void>(sent);
  co_return co_await client.receive();
}

io::Task<io::Result<Response>> ask(World& world, io::EventLoop& loop, io::Address address, std::string request) {
  SimClient client(world, loop, address);
  // As with put(): what counts is the answer.
  static_cast<void>(co_await client.send(request));
  co_return co_await client.receive();
}

std::string form_of(const std::vector<std::string>& contents, const FormFields& fields) {
  std::string body;
  for (const std::string& content : contents) {
    body += "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + content + "\r\n";
  }
  for (const auto& [name, value] : fields) {
    body += fmt::format("--b\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", name, value);
  }
  return body + "--b--\r\n";
}

io::Task<io::Result<Response>> get(World& world, io::EventLoop& loop, io::Address address, std::string path) {
  SimClient client(world, loop, address);
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: sim\r\n\r\n", path);
  const io::Result<> sent = co_await client.send(request);
  if (!sent) co_return std::unexpected(sent.error());
  co_return co_await client.receive();
}

std::string path_of(std::string_view url) {
  const std::size_t slashes = url.find("//");
  CHECK_THAT(slashes != std::string_view::npos);
  const std::size_t slash = url.find('/', slashes + 2);
  std::string path(url.substr(slash));
  while (path.ends_with('\n')) path.pop_back();
  return path;
}

std::string content_of(uint64_t seed, std::size_t size) {
  Random random(seed);
  std::string content;
  content.reserve(size + 8);
  while (content.size() < size) {
    const uint64_t word = random.next();
    content.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  content.resize(size);
  return content;
}

}  // namespace ringdrop::sim
