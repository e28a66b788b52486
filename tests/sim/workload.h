// A seeded workload for the server in the simulated world, and what must be true of it: clients that upload by every
// protocol, break off, go on, supersede, cancel, delete, download whole and in ranges, while time runs; several lives
// of the server on one disk, each ended by a power cut or a kill at any step; after each the next start and a look at
// everything that a client was ever told.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/task_scope.h"
#include "tests/sim/run_task.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ringdrop::sim {

inline constexpr io::EpochMs kNeverEnds = INT64_MAX;

// content_of(seed, size).
struct Piece {
  uint64_t seed = 0;
  std::size_t size = 0;
};

// A link as its clients know it.
struct KnownLink {
  std::vector<Piece> pieces;  // of its content: one, or those of a concatenation
  std::size_t size = 0;       // of all
  std::string path;
  std::string delete_path;
  bool delete_asked = false;  // it may or may not have happened
  bool deleted = false;       // answered
  uint64_t max_downloads = 0;
  uint64_t begun = 0;                    // downloads that may have taken one
  uint64_t whole = 0;                    // those that came whole
  io::EpochMs may_end_ms = kNeverEnds;   // from then on it may be gone
  io::EpochMs must_end_ms = kNeverEnds;  // from then on it is
  uint64_t changes = 0;                  // of its end that were asked for
  uint64_t changing = 0;                 // those that are not answered

  std::string content() const;
};

// An upload that has an id.
struct KnownUpload {
  uint64_t seed = 0;
  std::size_t size = 0;
  std::string path;             // "" while nobody knows it
  bool created = false;         // acknowledged: from now on it is known
  bool length_told = false;     // by an acknowledged creation
  bool wrong_digest = false;    // ends as failed
  uint64_t told = 0;            // the highest offset that a client was told
  uint64_t sent = 0;            // the highest offset whose bytes may count
  bool busy = false;            // a client is at it
  bool settled = false;         // the last append was answered well
  io::EpochMs end_sent_ms = 0;  // when its last byte was sent first; 0: not yet
  bool cancel_asked = false;
  bool cancelled = false;
  bool partial = false;     // of a concatenation
  bool whole = false;       // a part that was answered as complete
  bool used_asked = false;  // one was asked for with it
  bool used = false;        // and answered
  bool failed = false;
  io::EpochMs touched_ms = 0;  // the last answer
  KnownLink* link = nullptr;   // what it became, once known

  // Nothing more comes of it.
  bool over() const { return link || failed || whole; }
};

// What all lives of a round have been told. Pointers into it stay good.
struct Known {
  std::deque<KnownLink> links;
  std::deque<KnownUpload> uploads;
  std::vector<std::string> violations;
  std::vector<int> statuses;  // of all answers about uploads
  uint64_t operations = 0;
  uint64_t crashes = 0;
  uint64_t checks = 0;       // single facts that were looked at
  uint64_t checkpoints = 0;  // offsets that were told by a 104

  void violated(std::string what) { violations.push_back(std::move(what)); }
};

// What a life breaks on purpose, to show that it is noticed.
enum class Plant : uint8_t {
  none,
  skip_blob_sync,       // fdatasync of a blob does nothing
  skip_directory_sync,  // fsync of a directory does nothing
  skip_catalogue_sync,  // SQLite's syncs do nothing
  late_blob_sync,       // fdatasync of a blob says that it is done and is done some time later
};

// A plain upload.
struct Plain {
  Piece piece;
  bool digest = false;
  bool post = false;
  uint64_t max_downloads = 0;       // 0: without a limit
  uint64_t lasts_s = 0;             // 0: for ever
  std::optional<std::size_t> sent;  // of the request, then the client is gone
};

// Of a file: [from, to).
struct Range {
  std::size_t from = 0;
  std::size_t to = 0;
};

// How an upload is begun.
struct Creation {
  bool tus = true;
  int version = 8;  // of the interop drafts, when it is not tus
  bool knows_length = true;
  bool brings_all = false;          // and completes it
  std::size_t body_bytes = 0;       // else: so much of it
  std::optional<std::size_t> sent;  // of the body, before the client stops sending; nullopt: all
  bool digest = false;              // Repr-Digest
};

// One PATCH where the client believes the upload to stand.
struct Append {
  bool tus = true;
  int version = 8;
  uint64_t bytes = 0;
  bool checked = false;          // Upload-Checksum
  bool wrong = false;            // which is not that of the bytes
  std::optional<uint64_t> sent;  // then the client is gone; nullopt: all
  bool hangs = false;            // it is not gone, but silent
  bool slow = false;             // it makes pauses
};

// One life of the server and its clients on `disk`.
class Life {
 public:
  Life(uint64_t seed, SimDisk& disk, Known& known, io::EpochMs boot_ms, Plant plant = Plant::none);

  // Starts the server: recovery. false: a violation is noted.
  bool start();
  // Everything that was told before, against what is there now. `to_the_end`: every upload is gone on with to its end,
  // and compared.
  void check_all(bool to_the_end);
  // Clients, for `steps` steps of the world or until they are done.
  void run_clients(uint64_t steps);
  // So many plain uploads of which a part has come, for a crash that comes now.
  void leave_bodies_behind(uint64_t bodies);
  // Nothing but links is left when time has passed.
  void check_nothing_left();

  World& world() { return world_; }
  SimServer& server() { return server_; }
  void stop() { server_.stop(); }
  Known& known() { return known_; }
  // Clients one by one. All of them note what they are told, and what is wrong with it.
  template <class T>
  T run(io::Task<T> task) {
    return run_task(world_, server_.client_loop(), std::move(task));
  }
  io::Task<> upload_plain(Plain how);
  io::Task<> read_link(KnownLink& link, std::optional<Range> range);
  io::Task<> change_expiry(KnownLink& link, uint64_t lasts_s);
  io::Task<> create(KnownUpload& upload, Creation how);
  // Of partial uploads that are complete.
  io::Task<> concatenate(std::vector<KnownUpload*> parts);
  io::Task<> append(KnownUpload& upload, Append how);
  // HEAD.
  io::Task<> look_at(KnownUpload& upload, bool tus);
  // To its end, and that it is whole.
  io::Task<> finish(KnownUpload& upload);
  io::Task<> cancel(KnownUpload& upload, bool tus);
  io::Task<> watch(KnownUpload& upload);

 private:
  // A request on a connection of its own. `cut_after`: so many of its bytes, then the client is gone.
  struct Talk {
    std::optional<Response> answer;
    std::vector<Response> interim;
  };
  // `slow`: with pauses, so that what came is made durable and told in between.
  io::Task<> talk(std::string request, Talk& result, std::optional<std::size_t> cut_after = {}, bool head = false,
                  bool slow = false);
  io::Task<> hang(std::string request, std::size_t cut_after);
  io::Task<> pause(io::Milliseconds time);

  io::Task<> client(uint64_t seed);
  io::Task<> act(Random& random);
  io::Task<> upload_any(Random& random);
  io::Task<> upload_form(Random& random);
  io::Task<> read_any(KnownLink& link, Random& random);
  io::Task<> use_link(KnownLink& link, Random& random);
  io::Task<> delete_link(KnownLink& link);
  io::Task<> change_any(KnownLink& link, Random& random);
  io::Task<> concatenate_any(Random& random);
  void note_lasting(KnownLink& link, uint64_t lasts_s, io::EpochMs asked_ms);
  io::Task<> create_any(Random& random);
  io::Task<> create_named(Random& random);
  io::Task<> go_on(KnownUpload& upload, Random& random);
  void note_sending(KnownUpload& upload, uint64_t end);
  void note_answer(KnownUpload& upload, const Talk& said, bool creation);
  void note_complete(KnownUpload& upload, const Response& answer);
  void note_gone(KnownUpload& upload, int status);

  io::Task<> append_any(KnownUpload& upload, Random& random);
  io::Task<> check_link(KnownLink& link);
  void check_files();
  void violated(std::string what);
  bool may_have_expired(const KnownUpload& upload) const;
  void plant();

  uint64_t seed_;
  SimDisk& disk_;
  Known& known_;
  Plant plant_;
  std::deque<std::pair<io::TimePoint, InodePtr>> late_syncs_;
  World world_;
  SimServer server_;
  std::unique_ptr<io::TaskScope> clients_;
};

struct RoundReport {
  uint64_t operations = 0;
  uint64_t crashes = 0;
  uint64_t checks = 0;
  uint64_t checkpoints = 0;
  uint64_t violations = 0;
  bool expected = false;  // one of them is what the plant must lead to
  bool died = false;      // by a signal: then nothing else is told, and it is never what a plant should lead to
  uint64_t trace = 0;     // the same for the same seed
};

// `lives` lives, each ended by a power cut or a kill, then a last look. In a process of its own, whose memory goes with
// it: a life that was cut short cannot be tidied up. Prints the violations and the command that repeats them, unless
// something is planted.
RoundReport run_round(uint64_t seed, uint64_t lives, Plant plant = Plant::none);

}  // namespace ringdrop::sim
