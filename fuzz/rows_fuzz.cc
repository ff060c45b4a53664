// Rows of any values go into a commit and into a segment, and come back as they were; the segment verifies.
//
// Input: events, see fuzz/rows.h.
#include "base/vfs_testing.h"
#include "fuzz/rows.h"
#include "segment/segment.h"
#include "store/commit_blob.h"
#include "store/store_testing.h"

namespace {

using namespace quipu;
constexpr std::size_t kRowsMax = 2500;  // three vectors

void ThroughACommit(const RowBatch& rows, const Names& names) {
  const auto blob = EncodeCommit(7, rows);
  QUIPU_CHECK(blob.has_value());
  const auto decoded = DecodeCommit(*blob, names);
  QUIPU_CHECK(decoded.has_value() && decoded->seq == 7);
  QUIPU_CHECK(RowTexts(decoded->rows, names) == RowTexts(rows, names));
}

void ThroughASegment(const RowBatch& rows, const Names& names) {
  MemoryVfs vfs;
  QUIPU_CHECK(vfs.MakeFolder("/s").ok());
  SegmentSpec spec{{1, 2}, 3, fuzz::kMonth, 1, 9};
  spec.wrap_level = rows.size() % 2 == 0 ? 1 : 0;
  auto writer = SegmentWriter::Create(&vfs, "/s", spec, &names);
  QUIPU_CHECK(writer && (*writer)->Append(rows).ok());
  const auto meta = (*writer)->Finish();
  QUIPU_CHECK(meta.has_value() && meta->totals == TotalsOf(rows));
  const auto reader = SegmentReader::Open(&vfs, "/s/" + meta->file_name, &*meta, nullptr);
  QUIPU_CHECK(reader.has_value());
  const auto back = (*reader)->ReadRows(0, (*reader)->rows());
  QUIPU_CHECK(back && RowTexts(*back, names) == RowTexts(rows, names));
  SegmentVerifyReport report;
  QUIPU_CHECK((*reader)->Verify(&report).ok() && report.problems.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const RowBatch rows = fuzz::TakeRows(&in, kRowsMax);
  if (rows.empty()) return 0;
  const fuzz::FuzzNames names;
  ThroughACommit(rows, names);
  ThroughASegment(rows, names);
  return 0;
}
