// A cursor against the reader's own vectors, at random places.
#include "segment/vector_cursor.h"

#include <gtest/gtest.h>

#include "segment/segment_testing.h"

namespace quipu {
namespace {

TEST(VectorCursorTest, AgreesWithTheReader) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  NumberNames names;
  MemoryVfs vfs;
  ASSERT_TRUE(vfs.MakeFolder("/s").ok());
  // Two row groups, the second one short; dimension 8 and measure 9 are in neither.
  const RowBatch rows = RandomRows(random, names, {.rows = kRowGroupRows + 5000});
  const Result<SegmentMeta> meta = WriteSegment(&vfs, names, rows);
  ASSERT_TRUE(meta) << meta.error().ToString();
  PageCache cache(1 << 20);
  const auto opened = SegmentReader::Open(&vfs, PathOf(*meta), &*meta, &cache);
  ASSERT_TRUE(opened) << opened.error().ToString();
  const SegmentReader& reader = **opened;
  const std::vector<ColumnId> measures = {0, 1, 2, 3, 4, 9}, dimensions = {0, 2, 4, 6, 8, 99};
  VectorCursor cursor(reader, measures, dimensions);
  for (int i = 0; i < 300; ++i) {
    const auto v = static_cast<std::uint32_t>(random.Below(reader.vectors()));
    cursor.Seek(v);
    ASSERT_EQ(cursor.rows(), reader.VectorRowCount(v));
    const auto bounds = cursor.Bounds();
    ASSERT_TRUE(bounds);
    EXPECT_EQ(bounds->min, reader.TimeBoundsOf(v)->min);
    EXPECT_EQ(bounds->max, reader.TimeBoundsOf(v)->max);
    const std::size_t m = random.Below(measures.size());
    MeasureVector expected;
    QUIPU_ASSERT_OK(reader.ReadMeasure(measures[m], v, &expected));
    const auto measure = cursor.Measure(m);
    ASSERT_TRUE(measure);
    EXPECT_EQ((*measure)->scale, expected.scale);
    EXPECT_EQ((*measure)->present, expected.present);
    EXPECT_EQ((*measure)->narrow, expected.narrow);
    EXPECT_TRUE((*measure)->wide == expected.wide);
    const auto stats = cursor.Stats(m);
    ASSERT_TRUE(stats);
    EXPECT_EQ(**stats, StatsOf(expected));
    EXPECT_TRUE((*stats)->min == (*measure)->min && (*stats)->max == (*measure)->max);
    const std::size_t d = random.Below(dimensions.size());
    DimensionVector coded;
    QUIPU_ASSERT_OK(reader.ReadDimension(dimensions[d], v, &coded));
    const auto codes = cursor.Codes(d);
    ASSERT_TRUE(codes);
    const auto zone = cursor.BoundsOfCodes(d);
    ASSERT_TRUE(zone);
    EXPECT_EQ(*zone, BoundsOf(coded.codes));
    if (*codes == nullptr) {
      EXPECT_EQ(BoundsOf(coded.codes).max, 0u);
    } else {
      EXPECT_TRUE(std::equal(coded.codes.begin(), coded.codes.end(), *codes));
      EXPECT_EQ(**cursor.Dictionary(d), coded.dictionary);
    }
    if (random.Below(2) == 0) continue;
    std::vector<TimeUs> times;
    QUIPU_ASSERT_OK(reader.ReadTimes(v, &times));
    const auto read = cursor.Times();
    ASSERT_TRUE(read);
    EXPECT_TRUE(std::equal(times.begin(), times.end(), *read));
  }
}

TEST(VectorCursorTest, RowGroupsOfTheSameStringsShareADictionary) {
  NumberNames names;
  MemoryVfs vfs;
  ASSERT_TRUE(vfs.MakeFolder("/s").ok());
  RowBatchBuilder builder;
  for (std::uint32_t i = 0; i < 2 * kRowGroupRows; ++i) {
    const std::string id = std::to_string(i);
    builder.BeginRow(1, 1, MonthStart(kTestMonth) + i, MakeIdentity(names.Customer(1), "", id), id,
                     "");
    builder.AddMeasure(kQuantityColumn, 1);
    builder.AddDimension(0, i % 2 == 0 ? "even" : "odd");
    builder.AddDimension(1, i < kRowGroupRows ? "first" : "second");
  }
  const Result<SegmentMeta> meta = WriteSegment(&vfs, names, builder.Finish());
  ASSERT_TRUE(meta) << meta.error().ToString();
  const auto opened = SegmentReader::Open(&vfs, PathOf(*meta), &*meta, nullptr);
  ASSERT_TRUE(opened) << opened.error().ToString();
  const std::vector<ColumnId> dimensions = {0, 1};
  VectorCursor cursor(**opened, {}, dimensions);
  cursor.Seek(0);
  const DictionaryPtr same = **cursor.Dictionary(0), other = **cursor.Dictionary(1);
  cursor.Seek(kRowGroupRows / kVectorRows);
  EXPECT_EQ(**cursor.Dictionary(0), same);
  EXPECT_NE(**cursor.Dictionary(1), other);
}

}  // namespace
}  // namespace quipu
