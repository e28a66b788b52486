#include "proto/resumable.h"

#include <doctest/doctest.h>

namespace ringdrop::proto {

TEST_CASE("the fields of a resumable upload are read by their types") {
  Fields fields;
  fields.add("upload-complete", "?0");
  fields.add("Upload-Offset", "100");
  fields.add("Upload-Length", "42949672960");
  fields.add("Upload-Draft-Interop-Version", "8");
  const ResumableFields read = read_resumable_fields(fields);
  CHECK(read.complete == false);
  CHECK(read.offset == 100);
  CHECK(read.length == 42'949'672'960U);
  CHECK(read.wants_interim);
}

TEST_CASE("a field of another type is as if it were not there") {
  for (const char* const value : {"", "1", "\"?1\"", "?2", "true", "?1, ?1", "(?1)"}) {
    Fields fields;
    fields.add("Upload-Complete", value);
    CHECK_FALSE(read_resumable_fields(fields).complete.has_value());
  }
  for (const char* const value : {"", "-1", "1.0", "\"5\"", "?1", "99999999999999999"}) {
    Fields fields;
    fields.add("Upload-Offset", value);
    CHECK_FALSE(read_resumable_fields(fields).offset.has_value());
  }
  Fields fields;
  fields.add("Upload-Complete", "?1;a=b");
  fields.add("Upload-Draft-Interop-Version", "eight");
  CHECK(read_resumable_fields(fields).complete == true);
  CHECK_FALSE(read_resumable_fields(fields).wants_interim);
  CHECK_FALSE(read_resumable_fields(fields).older_draft);
  CHECK_FALSE(read_resumable_fields(fields).unknown_draft);
}

TEST_CASE("an interop version that is none of ours is told apart from none") {
  for (const char* const version : {"0", "-1", "3", "4", "7", "9", "80", "99;a"}) {
    Fields fields;
    fields.add("Upload-Complete", "?1");
    fields.add("Upload-Draft-Interop-Version", version);
    CHECK(read_resumable_fields(fields).unknown_draft);
    CHECK_FALSE(read_resumable_fields(fields).wants_interim);
    CHECK_FALSE(read_resumable_fields(fields).older_draft);
  }
  Fields fields;
  fields.add("Upload-Complete", "?1");
  CHECK_FALSE(read_resumable_fields(fields).unknown_draft);
  fields.add("Upload-Draft-Interop-Version", "8");
  CHECK_FALSE(read_resumable_fields(fields).unknown_draft);
}

TEST_CASE("the drafts before 03 say the contrary of Upload-Complete") {
  Fields fields;
  CHECK_FALSE(read_resumable_fields(fields).incomplete.has_value());
  fields.add("Upload-Draft-Interop-Version", "3");
  fields.add("Upload-Incomplete", "?1");
  const ResumableFields read = read_resumable_fields(fields);
  CHECK(read.unknown_draft);
  CHECK(read.incomplete == true);
  CHECK_FALSE(read.complete.has_value());
}

TEST_CASE("interop versions 5 and 6 are older drafts, which know no interim answer") {
  for (const char* const version : {"5", "6"}) {
    Fields fields;
    fields.add("Upload-Draft-Interop-Version", version);
    CHECK(read_resumable_fields(fields).older_draft);
    CHECK_FALSE(read_resumable_fields(fields).wants_interim);
    CHECK_FALSE(read_resumable_fields(fields).unknown_draft);
  }
}

}  // namespace ringdrop::proto
