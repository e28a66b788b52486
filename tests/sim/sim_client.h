// A plain HTTP client for the simulated world: raw bytes out, one response in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/address.h"
#include "io/event_loop.h"
#include "io/socket.h"
#include "io/task.h"
#include "tests/sim/world.h"

namespace ringdrop::sim {

struct Response {
  int status = 0;
  std::string head;                           // with the status line
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
};

class SimClient {
 public:
  // Connects at once; the listener must be there.
  SimClient(World& world, io::EventLoop& loop, const io::Address& address);

  // Everything below ends with closed when the server has ended the connection.
  io::Task<io::Result<>> send(std::string_view bytes);
  // The next final response, interim ones (1xx) put aside. `head_request`: it has no body.
  io::Task<io::Result<Response>> receive(bool head_request = false);
  // The next bytes, at most so many, as they come.
  io::Task<io::Result<std::size_t>> receive_some(std::size_t most);
  // All that comes until the server ends the connection.
  io::Task<std::string> receive_to_end();
  // Whether the server ends the connection without another byte within the deadline of a minute.
  io::Task<bool> is_ended();
  io::Task<io::Result<>> end_sending();
  int interim_responses() const { return static_cast<int>(interim_.size()); }
  const std::vector<Response>& interims() const { return interim_; }

 private:
  io::Task<io::Result<>> fill();

  io::EventLoop& loop_;
  io::Socket socket_;
  std::stop_source stop_;
  std::string received_;
  std::vector<Response> interim_;
};

// PUT of `content` under `name`, on a connection of its own.
io::Task<io::Result<Response>> put(World& world, io::EventLoop& loop, io::Address address, std::string name,
                                   std::string content, bool chunked = false);
// Any request, as bytes, on a connection of its own.
io::Task<io::Result<Response>> ask(World& world, io::EventLoop& loop, io::Address address, std::string request);
using FormFields = std::vector<std::pair<std::string, std::string>>;
// A multipart/form-data body of files, with fields behind them, and its Content-Type's boundary "b".
std::string form_of(const std::vector<std::string>& contents, const FormFields& fields = {});

// GET of a path.
io::Task<io::Result<Response>> get(World& world, io::EventLoop& loop, io::Address address, std::string path);

// The path of a URL "http://host/path".
std::string path_of(std::string_view url);

// `size` bytes that belong to `seed`: equal seeds, equal bytes.
std::string content_of(uint64_t seed, std::size_t size);

}  // namespace ringdrop::sim
