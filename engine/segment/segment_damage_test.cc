// Segments that are damaged, cut, mixed up, from the future or on a failing disk: refused with a reason, never a crash, never wrong rows.
#include <gtest/gtest.h>

#include "segment/footer_codec.h"
#include "segment/segment.h"
#include "segment/segment_frame.h"
#include "segment/segment_testing.h"

namespace quipu {
namespace {

constexpr char kPath[] = "/s/damaged.seg";

class SegmentDamageTest : public ::testing::Test {
 protected:
  SegmentDamageTest() : seed_(TestSeed()), random_(seed_) {
    RecordProperty("seed", std::to_string(seed_));
    EXPECT_TRUE(memory_.MakeFolder("/s").ok());
    rows_ =
        RandomRows(random_, names_, {.rows = 60, .customers = 4, .measures = 4, .dimensions = 3});
    meta_ = *WriteSegment(&memory_, names_, rows_);
    bytes_ = *ReadWholeFile(memory_, PathOf(meta_), 1u << 20);
    const SegmentTrailer trailer =
        *DecodeSegmentTrailer(AsBytes(bytes_).last(kSegmentTrailerBytes), bytes_.size(), "x");
    footer_ref_ = trailer.footer;
    footer_ = *DecodeFooter(AsBytes(bytes_).subspan(footer_ref_.offset + kPageHeaderBytes,
                                                    footer_ref_.bytes - kPageHeaderBytes),
                            footer_ref_.offset);
    pages_ = PagesOf(footer_);
  }

  // Opens, verifies and reads such a file. The first failure; rows that come back must be the right ones.
  Status TryAll(const std::string& bytes, bool with_meta = true) {
    MemoryVfs vfs;
    EXPECT_TRUE(vfs.MakeFolder("/s").ok());
    PutFile(&vfs, kPath, bytes);
    PageCache cache(1u << 20);
    Result<std::shared_ptr<SegmentReader>> reader =
        SegmentReader::Open(&vfs, kPath, with_meta ? &meta_ : nullptr, &cache);
    if (!reader) return reader.error();
    const Result<RowBatch> rows = (*reader)->ReadRows(0, (*reader)->rows());
    if (rows) {
      for (std::size_t i = 0; i < rows->size(); ++i)
        EXPECT_TRUE(SameRow(rows_, i, *rows, i)) << "wrong row " << i;
    } else {
      EXPECT_EQ(rows.error().code(), StatusCode::kCorruption);
      EXPECT_NE(rows.error().message().find(kPath), std::string::npos) << rows.error().ToString();
    }
    SegmentVerifyReport report;
    const Status verified = (*reader)->Verify(&report);
    EXPECT_EQ(report.problems.empty(), verified.ok());
    return verified;
  }

  // The file with another payload of the same size in a page, its checksum made right.
  std::string Reseal(const PlacedPage& page, const std::function<void(std::string*)>& change,
                     std::uint16_t key_id = 0) const {
    std::string bytes = bytes_;
    std::string payload =
        bytes.substr(page.ref.offset + kPageHeaderBytes, page.ref.bytes - kPageHeaderBytes);
    const std::size_t size = payload.size();
    change(&payload);
    EXPECT_EQ(payload.size(), size);
    std::string sealed;
    AppendPage(page.place, AsBytes(payload), &sealed);
    std::memcpy(sealed.data() + 14, &key_id, sizeof key_id);
    const std::uint64_t checksum = Hash64(AsBytes(sealed).subspan(8), PlaceSeed(page.place));
    std::memcpy(sealed.data(), &checksum, sizeof checksum);
    return bytes.replace(page.ref.offset, page.ref.bytes, sealed);
  }

  PlacedPage PageOf(PageKind kind) const {
    for (const PlacedPage& page : pages_) {
      if (page.place.kind == kind) return page;
    }
    ADD_FAILURE() << "no such page";
    return {};
  }

  std::uint64_t seed_;
  Random random_;
  MemoryVfs memory_;
  NumberNames names_;
  RowBatch rows_;
  SegmentMeta meta_;
  std::string bytes_;
  PageRef footer_ref_;
  SegmentFooter footer_;
  std::vector<PlacedPage> pages_;
};

TEST_F(SegmentDamageTest, ASoundFileIsSound) { QUIPU_ASSERT_OK(TryAll(bytes_)); }

TEST_F(SegmentDamageTest, EveryFlippedBitIsNoticed) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  for (std::size_t byte = random_.Below(5); byte < bytes_.size(); byte += 5) {
    std::string damaged = bytes_;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << random_.Below(8)));
    const Status status = TryAll(damaged, byte % 2 == 0);
    ASSERT_EQ(status.code(), StatusCode::kCorruption)
        << "byte " << byte << " of " << bytes_.size() << ": " << status.ToString();
    ASSERT_NE(status.message().find(kPath), std::string::npos) << status.ToString();
  }
}

TEST_F(SegmentDamageTest, EveryCutIsNoticed) {
  for (std::size_t size = 0; size < bytes_.size(); size += 1 + random_.Below(40)) {
    ASSERT_EQ(TryAll(bytes_.substr(0, size), false).code(), StatusCode::kCorruption) << size;
    // A tail of zeros, as a file system may leave it after a power cut.
    std::string zeros = bytes_.substr(0, size);
    zeros.resize(bytes_.size(), '\0');
    ASSERT_EQ(TryAll(zeros, false).code(), StatusCode::kCorruption) << size;
  }
  EXPECT_EQ(TryAll(bytes_ + "x", false).code(), StatusCode::kCorruption);
  EXPECT_EQ(TryAll(bytes_ + bytes_, false).code(), StatusCode::kCorruption);
}

TEST_F(SegmentDamageTest, PagesInTheWrongPlaceAreNoticed) {
  // The same rows under another segment id and another store: every page is intact and of the right size.
  for (const bool other_store : {false, true}) {
    SegmentSpec spec = TestSpec(other_store ? 12 : 13);
    if (other_store) ++spec.store_id.low;
    MemoryVfs vfs;
    ASSERT_TRUE(vfs.MakeFolder("/s").ok());
    const Result<SegmentMeta> other = WriteSegment(&vfs, names_, rows_, 0, spec);
    ASSERT_TRUE(other);
    const std::string other_bytes = *ReadWholeFile(vfs, PathOf(*other), 1u << 20);
    ASSERT_EQ(other_bytes.size(), bytes_.size());
    for (const PlacedPage& page : pages_) {
      std::string mixed = bytes_;
      mixed.replace(page.ref.offset, page.ref.bytes, other_bytes, page.ref.offset, page.ref.bytes);
      ASSERT_EQ(TryAll(mixed).code(), StatusCode::kCorruption) << PageKindName(page.place.kind);
    }
    EXPECT_EQ(TryAll(other_bytes).code(), StatusCode::kCorruption) << "a whole other file";
  }
}

TEST_F(SegmentDamageTest, SwappedPagesAreNoticed) {
  RowBatchBuilder
      builder;  // measures (the cost, stored as a price, is not asked) and dimensions that are equal
  for (std::uint32_t row = 0; row < 50; ++row) {
    const std::string id = std::to_string(row);
    builder.BeginRow(1, 0, MonthStart(kTestMonth) + row, MakeIdentity(names_.Customer(1), "", id),
                     id, "");
    for (ColumnId m = 0; m < 4; ++m) builder.AddMeasure(m, Decimal(row));
    for (ColumnId d = 0; d < 2; ++d) builder.AddDimension(d, id);
  }
  const RowBatch rows = builder.Finish();
  MemoryVfs vfs;
  ASSERT_TRUE(vfs.MakeFolder("/s").ok());
  const SegmentMeta meta = *WriteSegment(&vfs, names_, rows);
  const std::string bytes = *ReadWholeFile(vfs, PathOf(meta), 1u << 20);
  const PageRef ref =
      DecodeSegmentTrailer(AsBytes(bytes).last(kSegmentTrailerBytes), bytes.size(), "x")->footer;
  const SegmentFooter footer = *DecodeFooter(
      AsBytes(bytes).subspan(ref.offset + kPageHeaderBytes, ref.bytes - kPageHeaderBytes),
      ref.offset);
  const RowGroupFooter& group = footer.row_groups[0];
  const auto swapped = [&](const PageRef& a, const PageRef& b) {
    EXPECT_EQ(a.bytes, b.bytes);
    std::string out = bytes;
    out.replace(a.offset, a.bytes, bytes, b.offset, b.bytes);
    return out.replace(b.offset, b.bytes, bytes, a.offset, a.bytes);
  };
  rows_ = rows;
  meta_ = meta;
  EXPECT_EQ(TryAll(swapped(group.measures[2], group.measures[3])).code(), StatusCode::kCorruption);
  EXPECT_EQ(TryAll(swapped(group.codes[0], group.codes[1])).code(), StatusCode::kCorruption);
  EXPECT_EQ(TryAll(swapped(group.dictionaries[0], group.dictionaries[1])).code(),
            StatusCode::kCorruption);
}

TEST_F(SegmentDamageTest, ANewerVersionIsUnsupportedAndNamed) {
  const std::uint16_t newer = kSegmentFormatVersion + 1;
  std::string header = bytes_;
  std::memcpy(header.data() + 8, &newer, sizeof newer);
  const std::uint64_t header_sum = Hash64(AsBytes(header).first(56));
  std::memcpy(header.data() + 56, &header_sum, sizeof header_sum);
  std::string trailer = bytes_;
  const std::size_t at = trailer.size() - kSegmentTrailerBytes;
  std::memcpy(trailer.data() + at + 12, &newer, sizeof newer);
  const std::uint64_t trailer_sum = Hash64(AsBytes(trailer).subspan(at, 24));
  std::memcpy(trailer.data() + at + 24, &trailer_sum, sizeof trailer_sum);
  for (const std::string& bytes : {header, trailer}) {
    const Status status = TryAll(bytes);
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    EXPECT_NE(status.message().find("version 2"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("version 1"), std::string::npos) << status.message();
  }
}

TEST_F(SegmentDamageTest, AnEncryptedPageIsUnsupported) {
  const std::string bytes = Reseal(
      PageOf(PageKind::kSummaries), [](std::string*) {}, /*key_id=*/3);
  const Status status = TryAll(bytes);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported) << status.ToString();
}

// Some content is said only once: a time that moves inside its hour, a value of a dimension that another one takes the place of,
// bits of an id that is its own key. Only the checksum guards it.
bool NothingElseKnowsIt(PageKind kind) {
  return kind == PageKind::kTimes || kind == PageKind::kDimension || kind == PageKind::kDictionary;
}

// Here other bytes can stand for the same events: in a zstd frame, or with another ordinal for a
// customer of the same name (the names page goes by rank, and only the catalogue knows ordinals). Of ids the keys are known twice, as
// their sum; how they are spelled is not, nor do the padding bits of the index count. The few high parts of a patched block may be packed
// wider than the largest needs, in as many bytes (seed 831304790027480926: 38 bits for one number of 34).
bool SaysTheSameOtherwise(PageKind kind) {
  return kind == PageKind::kIds || kind == PageKind::kNames || kind == PageKind::kDirectory ||
         kind == PageKind::kMeasure || kind == PageKind::kIdentityPrefix ||
         kind == PageKind::kIdentityKeys || kind == PageKind::kIdentityRows;
}

// Pages whose checksums are right and whose content lies: what an attacker, or a bug of ours, would write.
TEST_F(SegmentDamageTest, VerifySeesThroughEveryPageThatLies) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  for (const PlacedPage& page : pages_) {
    const std::size_t payload = page.ref.bytes - kPageHeaderBytes;
    for (std::size_t byte = random_.Below(3); byte < payload; byte += 3) {
      MemoryVfs vfs;
      ASSERT_TRUE(vfs.MakeFolder("/s").ok());
      const int bit = static_cast<int>(random_.Below(8));
      PutFile(&vfs, kPath, Reseal(page, [&](std::string* p) {
        (*p)[byte] = static_cast<char>((*p)[byte] ^ (1 << bit));
      }));
      const auto reader = SegmentReader::Open(&vfs, kPath, &meta_, nullptr);
      ASSERT_TRUE(reader) << reader.error().ToString();
      SegmentVerifyReport report;
      const Status status = (*reader)->Verify(&report);
      const std::string where = std::string(PageKindName(page.place.kind)) + " byte " +
                                std::to_string(byte) + " bit " + std::to_string(bit);
      if (status.ok() && NothingElseKnowsIt(page.place.kind)) continue;
      if (status.ok() && SaysTheSameOtherwise(page.place.kind)) {
        const Result<RowBatch> rows = (*reader)->ReadRows(0, (*reader)->rows());
        ASSERT_TRUE(rows);
        ASSERT_TRUE(rows->identities == rows_.identities) << where;
        for (std::size_t i = 0; i < rows->size(); ++i) {
          ASSERT_TRUE(SameContent(rows_, i, *rows, i)) << where;
        }
        continue;
      }
      ASSERT_EQ(status.code(), StatusCode::kCorruption) << where << ": " << status.ToString();
      ASSERT_NE(status.message().find(kPath), std::string::npos)
          << where << ": " << status.ToString();
    }
  }
}

TEST_F(SegmentDamageTest, AFooterThatLiesDoesNoHarm) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  const PagePlace place{meta_.spec.store_id, meta_.spec.segment_id, PageKind::kFooter, 0, 0,
                        footer_ref_.offset};
  for (std::size_t byte = 0; byte < footer_ref_.bytes - kPageHeaderBytes; ++byte) {
    const std::string bytes = Reseal({place, footer_ref_}, [&](std::string* p) {
      (*p)[byte] = static_cast<char>(random_.Below(256));
    });
    MemoryVfs vfs;
    ASSERT_TRUE(vfs.MakeFolder("/s").ok());
    PutFile(&vfs, kPath, bytes);
    const auto reader = SegmentReader::Open(&vfs, kPath, nullptr, nullptr);
    if (!reader) continue;
    SegmentVerifyReport report;
    (void)(*reader)->Verify(&report);
    if (!report.problems.empty()) continue;
    const Result<RowBatch> rows = (*reader)->ReadRows(0, (*reader)->rows());
    ASSERT_TRUE(rows);
    for (std::size_t i = 0; i < rows->size(); ++i)
      ASSERT_TRUE(SameIdentity(rows_, i, *rows, i)) << byte;
  }
}

TEST_F(SegmentDamageTest, EveryFailedWriteIsReportedAndLeavesNoSegment) {
  for (const auto fault :
       {FaultVfs::Fault::kError, FaultVfs::Fault::kNoSpace, FaultVfs::Fault::kTornWrite}) {
    for (std::uint64_t n = 1;; ++n) {
      ASSERT_LT(n, 100u);
      MemoryVfs memory;
      ASSERT_TRUE(memory.MakeFolder("/s").ok());
      ASSERT_TRUE(memory.SyncFolder("/").ok());
      FaultVfs faulty(&memory);
      OrderCheckingVfs vfs(&faulty);
      faulty.FailNth(n, fault);
      const Result<SegmentMeta> meta = WriteSegment(&vfs, names_, rows_);
      if (!faulty.fired()) {
        ASSERT_TRUE(meta) << meta.error().ToString();
        break;
      }
      ASSERT_FALSE(meta);
      EXPECT_EQ(meta.error().code(), StatusCode::kIoError) << meta.error().ToString();
      faulty.Heal();
      EXPECT_TRUE(vfs.List("/s")->empty()) << "call " << n << " failed and left a file";
      const Result<SegmentMeta> again = WriteSegment(&vfs, names_, rows_, 0, TestSpec(99));
      ASSERT_TRUE(again) << again.error().ToString();
      vfs.OnPublish({PathOf(*again)});
      memory.PowerCut(random_, 0);
      EXPECT_TRUE(SegmentReader::Open(&vfs, PathOf(*again), &*again, nullptr))
          << "published, so it is durable";
    }
  }
}

TEST_F(SegmentDamageTest, AFailedReadIsReportedAndTheNextOneWorks) {
  FaultVfs faulty(&memory_);
  for (std::uint64_t n = 1;; ++n) {
    ASSERT_LT(n, 200u);
    faulty.FailNth(n, FaultVfs::Fault::kError, /*persistent=*/false, /*reads=*/true);
    Result<std::shared_ptr<SegmentReader>> reader =
        SegmentReader::Open(&faulty, PathOf(meta_), &meta_, nullptr);
    if (!reader) {
      EXPECT_EQ(reader.error().code(), StatusCode::kIoError) << reader.error().ToString();
      continue;
    }
    SegmentVerifyReport report;
    const Status first = (*reader)->Verify(&report);
    if (!faulty.fired()) {
      QUIPU_ASSERT_OK(first);
      break;
    }
    EXPECT_EQ(first.code(), StatusCode::kIoError) << first.ToString();
    EXPECT_TRUE(report.problems.empty()) << "a failing disk is not a damaged file";
    SegmentVerifyReport second;
    QUIPU_ASSERT_OK((*reader)->Verify(&second));
  }
}

}  // namespace
}  // namespace quipu
