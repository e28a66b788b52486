// Uploads that have an id: from creation to being forgotten, and whose the files are meanwhile.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/db/catalogue_fixture.h"

namespace ringdrop::db {
namespace {

using test::kNow;
using Files = std::vector<uint64_t>;

struct Fixture {
  test::TemporaryDirectory directory;
  test::LoopFixture loop;
  std::optional<test::CatalogueFixture> parts;

  Fixture() { open(); }
  void open() {
    parts.reset();
    CatalogueOptions options;
    options.path = directory.file("catalogue.sqlite");
    parts.emplace(options, loop);
  }
  Catalogue& catalogue() { return parts->catalogue; }
  std::optional<Upload> find(const std::string& id) {
    const auto found = loop.run(catalogue().find_upload(loop.loop(), id));
    REQUIRE(found);
    return *found;
  }
  io::Result<> end(Upload upload, UploadState state, FileFate fate, std::vector<Link> links = {}) {
    upload.state = state;
    UploadEnds change;
    change.ends.push_back({std::move(upload), fate});
    change.links = std::move(links);
    return loop.run(catalogue().end_uploads(loop.loop(), change));
  }
  Files garbage() { return *loop.run(catalogue().garbage(loop.loop(), 100)); }
  Files files() { return *loop.run(catalogue().files_between(loop.loop(), 0, 1000)); }
};

Upload make_upload(uint64_t number) {
  Upload upload;
  upload.id_hash = std::string(31, '\0') + static_cast<char>(number);
  upload.file = number;
  upload.length = uint64_t{5} << 40;
  upload.created_at_ms = kNow;
  upload.expires_at_ms = kNow + 1'000;
  upload.name = "film\xff.mkv";
  upload.content_type = "video/x-matroska";
  upload.metadata = "filename ZmlsbQ==";
  upload.concat = "partial";
  upload.options = "max_downloads=3";
  upload.progress = std::string("\0progress\xff", 10);
  return upload;
}

TEST_CASE("unfinished uploads are listed by their files, and saved together") {
  Fixture fixture;
  for (const uint64_t number : {9U, 3U, 5U, 7U}) {
    REQUIRE(fixture.loop.run(fixture.catalogue().insert_upload(fixture.loop.loop(), make_upload(number))));
  }
  REQUIRE(fixture.end(make_upload(5), UploadState::complete, FileFate::kept));
  const auto files_from = [&](uint64_t first, uint64_t most) {
    const auto open = fixture.loop.run(fixture.catalogue().open_uploads(fixture.loop.loop(), first, most));
    REQUIRE(open);
    Files files;
    for (const OpenUpload& one : *open) {
      CHECK(one.id_hash == make_upload(one.file).id_hash);
      files.push_back(one.file);
    }
    return files;
  };
  CHECK(files_from(0, 10) == Files{3, 7, 9});
  CHECK(files_from(4, 1) == Files{7});
  CHECK(files_from(10, 10).empty());

  std::vector<Upload> rows{make_upload(3), make_upload(9)};
  for (Upload& row : rows) row.progress = "newer";
  REQUIRE(fixture.loop.run(fixture.catalogue().save_uploads(fixture.loop.loop(), rows)));
  CHECK(fixture.find(make_upload(3).id_hash)->progress == "newer");
  CHECK(fixture.find(make_upload(7).id_hash)->progress == make_upload(7).progress);
  CHECK(fixture.find(make_upload(9).id_hash)->progress == "newer");
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "every field of an upload comes back, after a restart too") {
  const Upload upload = make_upload(1);
  REQUIRE(loop.run(catalogue().insert_upload(loop.loop(), upload)));
  open();
  const std::optional<Upload> found = find(upload.id_hash);
  REQUIRE(found);
  CHECK(found->state == UploadState::open);
  CHECK(found->file == upload.file);
  CHECK(found->length == upload.length);
  CHECK(found->created_at_ms == upload.created_at_ms);
  CHECK(found->expires_at_ms == upload.expires_at_ms);
  CHECK(found->name == upload.name);
  CHECK(found->content_type == upload.content_type);
  CHECK(found->metadata == upload.metadata);
  CHECK(found->concat == upload.concat);
  CHECK(found->options == upload.options);
  CHECK(found->progress == upload.progress);
  CHECK(loop.run(catalogue().insert_upload(loop.loop(), upload)).error().code == io::Errc::exists);
  CHECK_FALSE(find(std::string(32, 'x')).has_value());
  CHECK(files() == Files{1});
}

TEST_CASE_FIXTURE(Fixture, "the one that expires first is the oldest; what has ended is none") {
  for (const uint64_t number : {1U, 2U, 3U, 4U}) {
    Upload upload = make_upload(number);
    upload.expires_at_ms += number == 2 ? -1 : static_cast<int64_t>(number);
    REQUIRE(loop.run(catalogue().insert_upload(loop.loop(), upload)));
  }
  REQUIRE(end(make_upload(1), UploadState::cancelled, FileFate::garbage));
  const auto oldest = loop.run(catalogue().oldest_open_uploads(loop.loop(), 2));
  CHECK(oldest == std::vector<std::string>{make_upload(2).id_hash, make_upload(3).id_hash});
}

TEST_CASE_FIXTURE(Fixture, "progress is saved while the upload is open, and not afterwards") {
  Upload upload = make_upload(1);
  upload.length.reset();
  REQUIRE(loop.run(catalogue().insert_upload(loop.loop(), upload)));
  upload.length = 7;
  upload.progress = "more";
  upload.expires_at_ms = kNow + 9;
  REQUIRE(loop.run(catalogue().save_upload(loop.loop(), upload)));
  CHECK(find(upload.id_hash)->length == 7);
  CHECK(find(upload.id_hash)->progress == "more");
  REQUIRE(end(upload, UploadState::cancelled, FileFate::garbage));
  upload.progress = "late";
  REQUIRE(loop.run(catalogue().save_upload(loop.loop(), upload)));
  CHECK(find(upload.id_hash)->progress == "more");
}

TEST_CASE_FIXTURE(Fixture, "an upload that ends without a link leaves its file as garbage, once") {
  const Upload upload = make_upload(1);
  REQUIRE(loop.run(catalogue().insert_upload(loop.loop(), upload)));
  REQUIRE(end(upload, UploadState::failed, FileFate::garbage));
  CHECK(garbage() == Files{1});
  CHECK(files().empty());
  CHECK(find(upload.id_hash)->state == UploadState::failed);
  CHECK(end(upload, UploadState::cancelled, FileFate::garbage).error().code == io::Errc::refused);
}

TEST_CASE_FIXTURE(Fixture, "a complete upload's file is its link's, in one transaction") {
  const Upload upload = make_upload(1);
  REQUIRE(loop.run(catalogue().insert_upload(loop.loop(), upload)));
  // A link that cannot be inserted leaves the upload open.
  const Link taken = test::make_link(2);
  REQUIRE(loop.run(catalogue().insert(loop.loop(), taken)));
  CHECK(end(upload, UploadState::complete, FileFate::moved, {taken}).error().code == io::Errc::exists);
  CHECK(find(upload.id_hash)->state == UploadState::open);
  REQUIRE(end(upload, UploadState::complete, FileFate::moved, {test::make_link(1)}));
  CHECK(garbage().empty());
  CHECK(files() == Files{1, 2});
  CHECK(find(upload.id_hash)->state == UploadState::complete);
  // Complete is not the end of all: it can be cancelled, and nobody's file is touched.
  REQUIRE(end(upload, UploadState::cancelled, FileFate::garbage));
  CHECK(garbage().empty());
}

TEST_CASE_FIXTURE(Fixture, "parts keep their files until their concatenation takes them, all or none") {
  Link link = test::make_link(1);
  UploadEnds change;
  for (const uint64_t number : {1U, 2U}) {
    Upload part = make_upload(number);
    REQUIRE(loop.run(catalogue().insert_upload(loop.loop(), part)));
    REQUIRE(end(part, UploadState::complete, FileFate::kept));
    part.state = UploadState::used;
    change.ends.push_back({std::move(part), FileFate::moved});
  }
  CHECK(files() == Files{1, 2});
  link.extents.push_back(test::make_link(2).extents[0]);
  link.size_bytes = 10;
  change.links.push_back(link);
  Upload final_one = make_upload(3);
  final_one.file.reset();
  final_one.state = UploadState::complete;
  change.inserts.push_back(final_one);
  REQUIRE(loop.run(catalogue().end_uploads(loop.loop(), change)));
  CHECK(files() == Files{1, 2});
  CHECK(garbage().empty());
  CHECK(find(final_one.id_hash)->state == UploadState::complete);
  // The parts cannot be used a second time.
  change.links = {test::make_link(9)};
  change.inserts.clear();
  CHECK(loop.run(catalogue().end_uploads(loop.loop(), change)).error().code == io::Errc::refused);
  CHECK(files() == Files{1, 2});
}

TEST_CASE_FIXTURE(Fixture, "what is due is listed, and what is forgotten leaves its file as garbage") {
  const Upload upload = make_upload(1);
  REQUIRE(loop.run(catalogue().insert_upload(loop.loop(), upload)));
  CHECK(loop.run(catalogue().due_uploads(loop.loop(), kNow + 999, 10))->empty());
  CHECK(*loop.run(catalogue().due_uploads(loop.loop(), kNow + 1'000, 10)) == std::vector<std::string>{upload.id_hash});
  REQUIRE(loop.run(catalogue().forget_upload(loop.loop(), upload.id_hash)));
  CHECK_FALSE(find(upload.id_hash).has_value());
  CHECK(garbage() == Files{1});
}

}  // namespace ringdrop::db
