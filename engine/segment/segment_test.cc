// Segments against the rows they were made of.
#include "segment/segment.h"

#include <gtest/gtest.h>

#include <thread>

#include "quipu/event.h"
#include "segment/footer_codec.h"
#include "segment/identity_cursor.h"
#include "segment/segment_testing.h"

namespace quipu {
namespace {

class SegmentTest : public ::testing::Test {
 protected:
  SegmentTest() : seed_(TestSeed()), random_(seed_), vfs_(&memory_) {
    RecordProperty("seed", std::to_string(seed_));
    EXPECT_TRUE(vfs_.MakeFolder("/s").ok());
    EXPECT_TRUE(vfs_.SyncFolder("/").ok());
  }

  std::shared_ptr<SegmentReader> Write(const RowBatch& rows, std::size_t piece = 0) {
    Result<SegmentMeta> meta = WriteSegment(&vfs_, names_, rows, piece);
    EXPECT_TRUE(meta) << meta.error().ToString();
    if (!meta) return nullptr;
    meta_ = *meta;
    vfs_.OnPublish({PathOf(meta_)});
    Result<std::shared_ptr<SegmentReader>> reader =
        SegmentReader::Open(&vfs_, PathOf(meta_), &meta_, &cache_);
    EXPECT_TRUE(reader) << reader.error().ToString();
    return reader ? *reader : nullptr;
  }

  std::string FileBytes() {
    Result<std::string> bytes = ReadWholeFile(vfs_, PathOf(meta_), 1u << 30);
    EXPECT_TRUE(bytes);
    return *bytes;
  }

  std::uint64_t seed_;
  Random random_;
  MemoryVfs memory_;
  OrderCheckingVfs vfs_;
  NumberNames names_;
  PageCache cache_{64u << 20};
  SegmentMeta meta_;
};

void ExpectSameRows(const RowBatch& expected, std::size_t first, const RowBatch& found) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_TRUE(SameRow(expected, first + i, found, i)) << "row " << first + i;
  }
}

void ExpectVectorsMatch(const SegmentReader& reader, const RowBatch& rows) {
  for (std::uint32_t v = 0; v < reader.vectors(); ++v) {
    SCOPED_TRACE("vector " + std::to_string(v));
    const std::size_t first = std::size_t{v} * kVectorRows, n = reader.VectorRowCount(v);
    std::vector<TimeUs> times;
    QUIPU_ASSERT_OK(reader.ReadTimes(v, &times));
    ASSERT_TRUE(std::equal(times.begin(), times.end(),
                           rows.times.begin() + static_cast<std::ptrdiff_t>(first)));
    const Result<TimeBounds> bounds = reader.TimeBoundsOf(v);
    ASSERT_TRUE(bounds);
    EXPECT_EQ(bounds->min, *std::min_element(times.begin(), times.end()));
    EXPECT_EQ(bounds->max, *std::max_element(times.begin(), times.end()));
    for (const DecimalColumn& column : rows.measures) {
      MeasureVector vector;
      QUIPU_ASSERT_OK(reader.ReadMeasure(column.id, v, &vector));
      ASSERT_EQ(vector.present.size(), n);
      std::uint32_t present = 0;
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(vector.present[i] != 0, column.IsPresent(first + i));
        if (vector.present[i] != 0) {
          ASSERT_EQ(Decimal(vector.Mantissa(i), vector.scale), column.Value(first + i));
        } else {
          ASSERT_TRUE(vector.Mantissa(i) == 0);
        }
        present += vector.present[i];
      }
      EXPECT_EQ(vector.present_count, present);
      EXPECT_EQ(vector.all_present, present == n);
    }
    for (const CodedColumn& column : rows.dimensions) {
      DimensionVector vector;
      QUIPU_ASSERT_OK(reader.ReadDimension(column.id, v, &vector));
      ASSERT_EQ(vector.codes.size(), n);
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(vector.codes[i] != 0, column.IsPresent(first + i));
        if (vector.codes[i] != 0) {
          ASSERT_EQ((*vector.dictionary)[vector.codes[i] - 1], column.Text(first + i));
        }
      }
    }
  }
}

TEST_F(SegmentTest, GivesBackWhatWasWritten) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  for (const std::size_t size : {1u, 2u, 1023u, 1024u, 1025u, 7000u, 66'600u}) {
    SCOPED_TRACE(size);
    cache_.Forget(12);
    RandomRowsOptions options;
    options.rows = size;
    options.dimensions = size < 10'000 ? 12 : 4;
    const RowBatch rows = RandomRows(random_, names_, options);
    const auto reader = Write(rows);
    ASSERT_NE(reader, nullptr);
    ASSERT_EQ(reader->rows(), size);
    EXPECT_EQ(reader->meta().totals, TotalsOf(rows));
    EXPECT_EQ(meta_.file_name, "0000000012-2026-03.seg");
    const Result<RowBatch> all = reader->ReadRows(0, reader->rows());
    ASSERT_TRUE(all) << all.error().ToString();
    ASSERT_EQ(all->size(), size);
    ExpectSameRows(rows, 0, *all);
    ExpectVectorsMatch(*reader, rows);
    SegmentVerifyReport report;
    QUIPU_ASSERT_OK(reader->Verify(&report));
    EXPECT_EQ(report.rows, size);
    EXPECT_GT(report.cells, 0u);
    EXPECT_TRUE(report.problems.empty());
    vfs_.OnRetire({PathOf(meta_)});
    ASSERT_TRUE(vfs_.Unlink(PathOf(meta_)).ok());
  }
}

TEST_F(SegmentTest, ReadsAnyRangeAndAnyList) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  const RowBatch rows = RandomRows(
      random_, names_, {.rows = 67'000, .customers = 500, .measures = 3, .dimensions = 3});
  const auto reader = Write(rows);
  ASSERT_NE(reader, nullptr);
  for (int i = 0; i < 20; ++i) {
    const auto first = static_cast<std::uint32_t>(random_.Below(rows.size()));
    const auto count = static_cast<std::uint32_t>(
        1 + random_.Below(std::min<std::size_t>(3000, rows.size() - first)));
    const Result<RowBatch> range = reader->ReadRows(first, count);
    ASSERT_TRUE(range) << range.error().ToString();
    ASSERT_EQ(range->size(), count);
    ExpectSameRows(rows, first, *range);

    std::set<std::uint32_t> picked;
    for (std::uint64_t n = random_.Below(20); picked.size() <= n;) {
      picked.insert(static_cast<std::uint32_t>(random_.Below(rows.size())));
    }
    const std::vector<std::uint32_t> list(picked.begin(), picked.end());
    const Result<RowBatch> some = reader->ReadRows(list);
    ASSERT_TRUE(some) << some.error().ToString();
    ASSERT_EQ(some->size(), list.size());
    for (std::size_t r = 0; r < list.size(); ++r) ASSERT_TRUE(SameRow(rows, list[r], *some, r));
  }
  EXPECT_TRUE(reader->ReadRows(std::span<const std::uint32_t>{})->empty());
}

TEST_F(SegmentTest, TheFileDoesNotDependOnHowTheRowsArrived) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  const RowBatch rows = RandomRows(
      random_, names_, {.rows = 66'000, .customers = 40, .measures = 2, .dimensions = 2});
  std::string first;
  for (const std::size_t piece :
       {std::size_t{0}, std::size_t{65'536}, 1 + random_.Below(700), 1 + random_.Below(50'000)}) {
    SCOPED_TRACE(piece);
    ASSERT_NE(Write(rows, piece), nullptr);
    const std::string bytes = FileBytes();
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first);
    vfs_.OnRetire({PathOf(meta_)});
    ASSERT_TRUE(vfs_.Unlink(PathOf(meta_)).ok());
  }
}

TEST_F(SegmentTest, AColumnThatIsMissingIsAbsentNotZero) {
  const RowBatch rows = RandomRows(random_, names_, {.rows = 1500, .measures = 0, .dimensions = 0});
  const auto reader = Write(rows);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->measures().size(), 1u);
  EXPECT_TRUE(reader->dimensions().empty());
  EXPECT_FALSE(reader->HasMeasure(kCostColumn));
  EXPECT_FALSE(reader->HasDimension(0));
  MeasureVector measure;
  QUIPU_ASSERT_OK(reader->ReadMeasure(77, 1, &measure));
  EXPECT_EQ(measure.present, std::vector<std::uint8_t>(1500 - 1024, 0));
  EXPECT_EQ(measure.present_count, 0u);
  DimensionVector dimension;
  QUIPU_ASSERT_OK(reader->ReadDimension(77, 0, &dimension));
  EXPECT_EQ(dimension.codes, std::vector<std::uint32_t>(1024, 0));
}

std::vector<std::uint32_t> RowsFound(const SegmentReader& reader, const Hash128& key, IdForm form) {
  const IdentityProbe probe{key, form};
  std::vector<IdentitySuspect> found;
  EXPECT_TRUE(reader.FindIdentities({&probe, 1}, &found).ok());
  std::vector<std::uint32_t> rows;
  for (const IdentitySuspect& s : found) rows.push_back(s.row);
  std::sort(rows.begin(), rows.end());
  return rows;
}

TEST_F(SegmentTest, FindsEveryIdentity) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  const RowBatch rows = RandomRows(random_, names_, {.rows = 20'000});
  const auto reader = Write(rows);
  ASSERT_NE(reader, nullptr);
  std::vector<IdentityProbe> probes;
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    probes.push_back({rows.identities[row], rows.id_forms[row]});
    probes.push_back({{random_.Next(), rows.identities[row].low}, rows.id_forms[row]});
  }
  std::vector<IdentitySuspect> found;
  QUIPU_ASSERT_OK(reader->FindIdentities(probes, &found));
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.probe < b.probe; });
  ASSERT_EQ(found.size(), rows.size());
  for (std::uint32_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].probe, 2 * i);
    ASSERT_EQ(found[i].row, i);
  }
  const IdForm other = rows.id_forms[7] == IdForm::kHex16 ? IdForm::kUuid : IdForm::kHex16;
  EXPECT_TRUE(RowsFound(*reader, rows.identities[7], other).empty());
  EXPECT_TRUE(RowsFound(*reader, {0, 0}, IdForm::kText).empty());
  EXPECT_TRUE(RowsFound(*reader, {~0ull, ~0ull}, IdForm::kUuid).empty());
}

TEST_F(SegmentTest, FindsAnIdentityBeforeTheIndexIsInMemory) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  RowBatch rows = RandomRows(random_, names_, {.rows = 20'000});
  // Equal high halves from before the end of one prefix page to behind the beginning of the next but one.
  for (std::size_t i = 0; i < 9000; ++i) rows.identities[i].high = 1ull << 63;
  ASSERT_NE(Write(rows), nullptr);
  std::shared_ptr<SegmentReader> alone;
  for (int i = 0; i < 300; ++i) {
    // Five pages: the first five questions of a reader are answered from them, the others from memory.
    if (i % 4 == 0) alone = *SegmentReader::Open(&vfs_, PathOf(meta_), &meta_, nullptr);
    const auto row =
        static_cast<std::uint32_t>(random_.Below(random_.Below(2) == 0 ? 9000 : 20'000));
    const Hash128 key = rows.identities[row];
    // Mostly the row alone; short ids may differ in the upper half only, which is one now.
    std::vector<std::uint32_t> same;
    for (std::uint32_t r = 0; r < rows.size(); ++r) {
      if (rows.identities[r] == key && rows.id_forms[r] == rows.id_forms[row]) same.push_back(r);
    }
    ASSERT_EQ(RowsFound(*alone, key, rows.id_forms[row]), same) << i;
    ASSERT_TRUE(RowsFound(*alone, {key.high, ~key.low}, rows.id_forms[row]).empty());
  }
}

TEST_F(SegmentTest, GivesBackTheIdentitiesOfAnyRows) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  const RowBatch rows = RandomRows(random_, names_, {.rows = 30'000});
  const auto reader = Write(rows);
  ASSERT_NE(reader, nullptr);
  for (const std::uint64_t one_in : {1, 3, 40, 5000}) {
    std::vector<std::uint32_t> wanted;
    for (std::uint32_t row = 0; row < rows.size(); ++row) {
      if (random_.Below(one_in) == 0) wanted.push_back(row);
    }
    std::vector<Hash128> keys;
    std::vector<IdForm> forms;
    QUIPU_ASSERT_OK(reader->ReadIdentities(wanted, &keys, &forms));
    ASSERT_EQ(keys.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(keys[i], rows.identities[wanted[i]]);
      ASSERT_EQ(forms[i], rows.id_forms[wanted[i]]);
    }
  }
}

TEST_F(SegmentTest, IdentitiesMayBeMergedOrDropped) {
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed_));
  const RowBatch rows = RandomRows(random_, names_, {.rows = 9000});
  const std::shared_ptr<const SegmentReader> whole = Write(rows);
  ASSERT_NE(whole, nullptr);
  // Every third row goes; the others move up.
  std::vector<std::uint32_t> new_rows(rows.size(), kRowDropped);
  std::vector<RowRef> kept;
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    if (row % 3 == 0) continue;
    new_rows[row] = static_cast<std::uint32_t>(kept.size());
    kept.push_back({0, row});
  }
  const RowBatch* const source = &rows;
  const RowBatch expected = Gather({&source, 1}, kept);
  RowBatch keyless = expected;
  keyless.identities.clear();
  keyless.id_forms.clear();
  for (const bool drop : {false, true}) {
    const auto writer = *SegmentWriter::Create(&vfs_, "/s", TestSpec(drop ? 91 : 90), &names_);
    if (drop) {
      writer->DropIdentities(TotalsOf(expected).identities);
    } else {
      writer->SetIdentities([&](IdentityIndexWriter* index) {
        const IdentityInput input{whole, 0, new_rows};
        return MergeIdentities({&input, 1}, index);
      });
    }
    for (std::size_t first = 0; first < keyless.size(); first += 2500) {
      QUIPU_ASSERT_OK(writer->Append(
          SliceOf(keyless, first, std::min<std::size_t>(2500, keyless.size() - first))));
    }
    const Result<SegmentMeta> meta = writer->Finish();
    ASSERT_TRUE(meta) << meta.error().ToString();
    EXPECT_EQ(meta->totals, TotalsOf(expected));
    const auto reader = *SegmentReader::Open(&vfs_, PathOf(*meta), &*meta, nullptr);
    SegmentVerifyReport report;
    const Status sound = reader->Verify(&report);
    ASSERT_TRUE(sound.ok()) << sound.ToString();
    EXPECT_EQ(reader->has_ids(), !drop);
    const RowBatch back = *reader->ReadRows(0, reader->rows());
    ASSERT_EQ(back.size(), expected.size());
    for (std::size_t i = 0; i < back.size(); ++i) {
      ASSERT_TRUE(SameContent(back, i, expected, i));
      ASSERT_EQ(SameIdentity(back, i, expected, i), !drop);
      if (drop) {
        ASSERT_EQ(back.IdText(i, "x"), "");
      }
    }
  }
}

// Real keys never collide like this; the index must not care.
TEST_F(SegmentTest, FindsEqualKeysAcrossPages) {
  RowBatchBuilder builder;
  constexpr std::uint32_t kRows = 3 * kIdentityPrefixEntries, kFirst = kIdentityPrefixEntries / 2;
  std::vector<std::uint32_t> expected;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const bool common = row >= kFirst && row < kFirst + 2 * kIdentityPrefixEntries;
    if (common) expected.push_back(row);
    const std::uint64_t high = common ? kFirst : row < kFirst ? row : row + kRows;
    builder.BeginRow(1, 0, MonthStart(kTestMonth) + row, {{high, 9}, 0, IdForm::kText},
                     std::to_string(row), "");
    builder.AddMeasure(kQuantityColumn, Decimal(1));
  }
  const auto reader = Write(builder.Finish());
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(RowsFound(*reader, {kFirst, 9}, IdForm::kText), expected);
  EXPECT_EQ(RowsFound(*reader, {kFirst - 1, 9}, IdForm::kText),
            std::vector<std::uint32_t>{kFirst - 1});
  EXPECT_TRUE(RowsFound(*reader, {kFirst + 1, 9}, IdForm::kText).empty());
  // And because these are no keys of their texts, verification must see it.
  SegmentVerifyReport report;
  EXPECT_EQ(reader->Verify(&report).code(), StatusCode::kCorruption);
}

TEST_F(SegmentTest, RefusesWhatIsNotInOrderOrNotOfTheMonth) {
  const RowBatch rows = RandomRows(random_, names_, {.rows = 100});
  const auto start = [&](std::uint64_t id) {
    return *SegmentWriter::Create(&vfs_, "/s", TestSpec(id), &names_);
  };
  {
    const auto writer = start(1);
    QUIPU_ASSERT_OK(writer->Append(SliceOf(rows, 50, 50)));
    EXPECT_EQ(writer->Append(SliceOf(rows, 0, 50)).code(), StatusCode::kInternal);
    EXPECT_EQ(writer->Finish().error().code(), StatusCode::kInternal);
  }
  {
    const auto writer = start(2);
    QUIPU_ASSERT_OK(writer->Append(SliceOf(rows, 0, 50)));
    EXPECT_EQ(writer->Append(SliceOf(rows, 30, 50)).code(), StatusCode::kInternal)
        << "the same rows twice";
  }
  {
    SegmentSpec spec = TestSpec(3);
    spec.month = kTestMonth + 1;
    const auto writer = *SegmentWriter::Create(&vfs_, "/s", spec, &names_);
    const Status wrong = writer->Append(rows);
    EXPECT_EQ(wrong.code(), StatusCode::kInternal);
    EXPECT_NE(wrong.message().find("2026-04"), std::string::npos) << wrong.message();
  }
  EXPECT_EQ(start(4)->Finish().error().code(), StatusCode::kInternal) << "no rows";
  EXPECT_TRUE(vfs_.List("/s")->empty()) << "abandoned writers leave nothing";
}

TEST_F(SegmentTest, AFileIsVerifiedByTheThresholdsThatItWasWrittenBy) {
  const RowBatch rows = RandomRows(random_, names_, {.rows = 20'000, .dimensions = 0});
  std::uint64_t id = 0, before = 0;
  // The last are those of files whose footer does not say.
  constexpr std::pair<std::uint32_t, std::uint32_t> kThresholds[] = {
      {1, 2}, {64, 128}, {1024, 4096}};
  for (const auto& [cell_rows, sketch_rows] : kThresholds) {
    SummaryBounds bounds;
    bounds.cell_rows_min = cell_rows;
    bounds.sketch_rows_min = sketch_rows;
    const auto writer = *SegmentWriter::Create(&vfs_, "/s", TestSpec(++id), &names_, bounds);
    QUIPU_ASSERT_OK(writer->Append(rows));
    const Result<SegmentMeta> meta = writer->Finish();
    ASSERT_TRUE(meta);
    const auto reader = SegmentReader::Open(&vfs_, PathOf(*meta), &*meta, nullptr);
    ASSERT_TRUE(reader);
    SegmentVerifyReport report;
    QUIPU_ASSERT_OK((*reader)->Verify(&report));
    if (id > 1) {
      EXPECT_LT(report.cells, before);
    }
    before = report.cells;
  }
}

TEST_F(SegmentTest, TooManyCellsEndTheWritingWithAMessage) {
  const RowBatch rows = RandomRows(random_, names_, {.rows = 3000});
  const auto code_with = [&](std::uint64_t entries, std::uint64_t id) {
    SummaryBounds bounds;
    bounds.entries = entries;
    const auto writer = *SegmentWriter::Create(&vfs_, "/s", TestSpec(id), &names_, bounds);
    EXPECT_TRUE(writer->Append(rows).ok());
    const Result<SegmentMeta> meta = writer->Finish();
    const bool named =
        std::string(meta.error().message()).find("services x measures") != std::string::npos;
    EXPECT_EQ(named, !meta);
    return meta.error().code();
  };
  EXPECT_EQ(code_with(500, 1), StatusCode::kExhausted);
  EXPECT_TRUE(vfs_.List("/s")->empty());
  EXPECT_EQ(code_with(1 << 20, 2), StatusCode::kOk);
}

class LongCustomerNames final : public Names {
 public:
  [[nodiscard]] std::string_view Customer(CustomerOrdinal) const override { return long_; }
  [[nodiscard]] std::string_view Service(ServiceOrdinal) const override { return "s"; }
  [[nodiscard]] std::string_view Dimension(ColumnId) const override { return "d"; }
  [[nodiscard]] std::string_view Measure(ColumnId) const override { return "m"; }

 private:
  const std::string long_ = std::string(kNameBytesMax + 1, 'n');
};

TEST_F(SegmentTest, DoesNotWriteStringsThatItsReaderRefuses) {
  const LongCustomerNames names;
  const Result<SegmentMeta> meta =
      WriteSegment(&vfs_, names, RandomRows(random_, names_, {.rows = 100}));
  ASSERT_FALSE(meta);
  EXPECT_EQ(meta.error().code(), StatusCode::kExhausted);
  EXPECT_NE(meta.error().message().find("customers"), std::string::npos) << meta.error().ToString();
  for (const bool id : {false, true}) {
    RowBatchBuilder builder;
    builder.BeginRow(1, 0, MonthStart(kTestMonth), {{1, 1}, 0, IdForm::kText},
                     std::string(id ? kNameBytesMax + 1 : 1, 'i'), "");
    builder.AddMeasure(kQuantityColumn, Decimal(1));
    builder.AddDimension(2, std::string(id ? 1 : kDimensionBytesMax + 1, 'd'));
    EXPECT_EQ(WriteSegment(&vfs_, names_, builder.Finish()).error().code(), StatusCode::kExhausted);
  }
  EXPECT_TRUE(vfs_.List("/s")->empty());
}

TEST(SegmentFooterTest, TooManyServicesAreRefused) {
  SegmentFooter footer;
  for (std::uint32_t i = 0; i < 1u << 20; ++i) footer.services.push_back({i, "s"});
  EXPECT_EQ(EncodeFooter(footer).error().code(), StatusCode::kExhausted);
}

TEST_F(SegmentTest, ComparesItselfWithTheManifest) {
  ASSERT_NE(Write(RandomRows(random_, names_, {.rows = 100})), nullptr);
  const auto code_with = [&](auto change) {
    SegmentMeta other = meta_;
    change(&other);
    return SegmentReader::Open(&vfs_, PathOf(meta_), &other, nullptr).error().code();
  };
  EXPECT_EQ(code_with([](SegmentMeta*) {}), StatusCode::kOk);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->spec.store_id.low; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->spec.segment_id; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->spec.month; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->spec.seq_last; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->file_bytes; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->footer_checksum; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->time_max; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->customers; }), StatusCode::kCorruption);
  EXPECT_EQ(code_with([](SegmentMeta* m) { ++m->totals.rows; }), StatusCode::kCorruption);
}

TEST_F(SegmentTest, IsReadByManyThreadsThroughASmallCache) {
  const RowBatch rows = RandomRows(random_, names_, {.rows = 20'000});
  ASSERT_NE(Write(rows), nullptr);
  PageCache small(100'000);
  const auto reader = *SegmentReader::Open(&vfs_, PathOf(meta_), nullptr, &small);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(seed_ + t);
      for (int i = 0; i < 30; ++i) {
        const auto row = static_cast<std::uint32_t>(random.Below(rows.size()));
        const std::vector<std::uint32_t> list = {row};
        const Result<RowBatch> one = reader->ReadRows(list);
        if (!one || !SameRow(rows, row, *one, 0)) ++wrong;
        if (RowsFound(*reader, rows.identities[row], rows.id_forms[row]) != list) ++wrong;
        if (!reader->summaries()) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace quipu
