// What small durable uploads can cost at most this machine, written as plainly as one can: a thread a connection and
// system calls that block. Each PUT makes the three things durable that ringdrop's of 16 KiB does, before its 201: the
// file (create, write, fdatasync), its directory (fsync), and a row of SQLite (WAL, synchronous = FULL) by one writer
// that commits all rows that wait as one transaction. For 4 KiB ringdrop writes one row with the bytes in it, and
// neither file nor directory entry: there this says what a file each would cost. It knows no more of HTTP than the load
// generator says, so it is a bound to measure against and no server.
//
//   small_durable DIRECTORY THREADS [files|directories|rows]
//
// Says "listening on 127.0.0.1:PORT" on standard error. The last word leaves out what comes behind it, to see what each
// step costs. SIGTERM ends it.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sqlite3.h>

#include "tests/bench/bound.h"

namespace {

constexpr uint64_t kFilesADirectory = 4096;  // as ringdrop's

// One thread that writes rows; all that wait while a transaction is committed are the next transaction.
class RowWriter {
 public:
  explicit RowWriter(const std::string& path) {
    if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) give_up("sqlite3_open");
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    run("CREATE TABLE files (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, size INTEGER NOT NULL)");
    const char* insert = "INSERT INTO files (id, token, size) VALUES (?, ?, ?)";
    if (sqlite3_prepare_v2(database_, insert, -1, &insert_, nullptr) != SQLITE_OK) give_up("sqlite3_prepare");
    thread_ = std::thread([this] { write(); });
    thread_.detach();  // for as long as the process is there
  }

  // Returns when the row is durable.
  void add(uint64_t id, uint64_t size) {
    std::unique_lock lock(mutex_);
    const uint64_t batch = filling_;
    waiting_.push_back({id, size});
    has_rows_.notify_one();
    committed_.wait(lock, [&] { return done_ > batch; });
  }

 private:
  struct Row {
    uint64_t id, size;
  };

  void run(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) give_up(sql);
  }

  void write() {
    std::vector<Row> rows;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        has_rows_.wait(lock, [&] { return !waiting_.empty(); });
        rows.swap(waiting_);
        ++filling_;
      }
      run("BEGIN");
      for (const Row& row : rows) {
        char token[32];
        // As random as a real one: it decides where in the index the row goes.
        std::snprintf(token, sizeof token, "%016llx", static_cast<unsigned long long>(row.id * 0x9e3779b97f4a7c15));
        sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(row.id));
        sqlite3_bind_text(insert_, 2, token, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(insert_, 3, static_cast<sqlite3_int64>(row.size));
        if (sqlite3_step(insert_) != SQLITE_DONE) give_up("INSERT");
        sqlite3_reset(insert_);
      }
      run("COMMIT");
      rows.clear();
      const std::lock_guard lock(mutex_);
      ++done_;
      committed_.notify_all();
    }
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable has_rows_, committed_;
  std::vector<Row> waiting_;
  uint64_t filling_ = 0, done_ = 0;  // transactions: the number of the one that fills, how many are durable
};

enum class Steps { files, directories, rows };

class Store {
 public:
  Store(std::string root, Steps steps) : root_(std::move(root)), steps_(steps), rows_(root_ + "/rows.sqlite3") {}

  // Returns when the file, the name and the row are durable.
  void put(std::string_view body) {
    const uint64_t id = next_++;
    const int directory = directory_of(id / kFilesADirectory);
    const int fd = openat(directory, std::to_string(id).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) give_up("open");
    if (write(fd, body.data(), body.size()) != static_cast<ssize_t>(body.size())) give_up("write");
    if (fdatasync(fd) != 0) give_up("fdatasync");
    close(fd);
    if (steps_ == Steps::files) return;
    if (fsync(directory) != 0) give_up("fsync");
    if (steps_ == Steps::rows) rows_.add(id, body.size());
  }

 private:
  // Its descriptor, open for ever. Made when its first file comes.
  int directory_of(uint64_t number) {
    const std::lock_guard lock(mutex_);
    while (directories_.size() <= number) {
      const std::string path = root_ + "/" + std::to_string(directories_.size());
      if (mkdir(path.c_str(), 0700) != 0) give_up("mkdir");
      const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      const int parent = open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (fd < 0 || parent < 0 || fsync(parent) != 0) give_up("fsync of the directory above");
      close(parent);
      directories_.push_back(fd);
    }
    return directories_[number];
  }

  std::string root_;
  Steps steps_;
  RowWriter rows_;
  std::atomic<uint64_t> next_ = 0;
  std::mutex mutex_;
  std::vector<int> directories_;
};

// Reads request after request until the client goes.
void serve(int fd, Store& store) {
  std::string request;
  std::vector<char> piece(16 << 10);
  while (true) {
    const auto head = request.find("\r\n\r\n");
    std::size_t length = 0;
    if (head != request.npos) {
      constexpr std::string_view kField = "Content-Length: ";
      const auto field = request.find(kField);
      if (field < head) {
        const char* const digits = request.data() + field + kField.size();
        std::from_chars(digits, request.data() + head, length);
      }
    }
    if (head == request.npos || request.size() < head + 4 + length) {
      const ssize_t got = read(fd, piece.data(), piece.size());
      if (got <= 0) break;
      request.append(piece.data(), static_cast<std::size_t>(got));
      continue;
    }
    store.put(std::string_view(request).substr(head + 4, length));
    request.erase(0, head + 4 + length);
    constexpr std::string_view kAnswer = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    if (write(fd, kAnswer.data(), kAnswer.size()) != static_cast<ssize_t>(kAnswer.size())) break;
  }
  close(fd);
}

// Each thread has one connection at a time.
void accept_for_ever(int listener, Store& store) {
  while (true) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) give_up("accept");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    serve(fd, store);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  unsigned thread_total = 0;
  const std::string_view wanted = argv[2];
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), thread_total);
  if (error != std::errc() || end != wanted.data() + wanted.size()) return 64;
  const std::string_view last = argc > 3 ? argv[3] : "rows";
  const Steps steps = last == "files" ? Steps::files : last == "directories" ? Steps::directories : Steps::rows;
  Store store(argv[1], steps);
  const int listener = listen_somewhere();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < thread_total; ++i) threads.emplace_back([&] { accept_for_ever(listener, store); });
  for (std::thread& thread : threads) thread.join();
  return 0;
}
