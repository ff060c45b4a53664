// Cells by dimension against a map that is filled row by row, on random rows; their bytes; damage.
#include "segment/dimension_cells.h"

#include <map>
#include <optional>
#include <tuple>

#include "segment/dimension_cell_builder.h"
#include "segment/segment_testing.h"

namespace quipu {
namespace {

using Values = std::vector<std::optional<std::string>>;  // of a combination; nothing = absent
using CellName = std::tuple<ServiceOrdinal, CellLevel, TimeUs, Values>;

struct TrueCell {
  std::uint64_t rows = 0;
  std::map<ColumnId, MeasureStats> stats;
  std::map<ColumnId, QuantileSketch> quantiles;
};

TimeUs StartOf(CellLevel level, TimeUs time) {
  if (level == CellLevel::kMonth) return MonthStart(kTestMonth);
  return FloorTo(time, level == CellLevel::kHour ? kHourUs : kDayUs);
}

/// What the cells of a service must be.
std::map<CellName, TrueCell> Truth(const RowBatch& rows, const DimensionSet& set,
                                   ServiceOrdinal service) {
  std::map<CellName, TrueCell> cells;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.services[i] != service) continue;
    Values values;
    for (const ColumnId id : set.dimensions) {
      const CodedColumn* const column = rows.FindDimension(id);
      if (column == nullptr || !column->IsPresent(i)) {
        values.emplace_back();
      } else {
        values.emplace_back(column->Text(i));
      }
    }
    for (const CellLevel level : {CellLevel::kHour, CellLevel::kDay, CellLevel::kMonth}) {
      TrueCell& cell = cells[{service, level, StartOf(level, rows.times[i]), values}];
      ++cell.rows;
      for (const DecimalColumn& column : rows.measures) {
        const bool wanted =
            std::find(set.measures.begin(), set.measures.end(), column.id) != set.measures.end();
        if (!wanted || !column.IsPresent(i)) continue;
        cell.stats[column.id].Add(column.Mantissa(i), column.scale);
        cell.quantiles[column.id].Add(column.Mantissa(i), column.scale);
      }
    }
  }
  return cells;
}

Values ValuesOf(const DimensionCells& cells, const DimensionSet& set, std::uint32_t combination) {
  Values values;
  for (std::size_t d = 0; d < set.dimensions.size(); ++d) {
    const std::uint32_t code = cells.code(combination, d);
    if (code == 0) {
      values.emplace_back();
    } else {
      values.emplace_back(cells.values(d)[code - 1]);
    }
  }
  return values;
}

void ExpectSame(const RowBatch& rows, const DimensionSet& set, const DimensionCells& cells,
                ServiceOrdinal service) {
  const DimensionCells::Levels* const levels = cells.LevelsOf(service);
  ASSERT_NE(levels, nullptr);
  std::map<CellName, TrueCell> truth = Truth(rows, set, service);
  if (!levels->hours) {
    std::erase_if(truth, [](const auto& c) { return std::get<1>(c.first) == CellLevel::kHour; });
  }
  std::size_t seen = 0;
  const SummaryTable& table = cells.table();
  for (const auto& [key, range] : table.groups()) {
    if (key.service != service) continue;
    for (std::uint32_t c = range.first; c < range.last; ++c) {
      const auto found =
          truth.find({service, key.level, table.start(c), ValuesOf(cells, set, key.customer)});
      ASSERT_NE(found, truth.end());
      ++seen;
      ASSERT_EQ(table.rows(c), found->second.rows);
      const bool has_quantiles = key.level == CellLevel::kDay     ? levels->day_quantiles
                                 : key.level == CellLevel::kMonth ? levels->month_quantiles
                                                                  : false;
      for (const ColumnId id : set.measures) {
        ASSERT_EQ(table.Measure(c, id), found->second.stats[id]);
        if (!has_quantiles) continue;
        QuantileSketch sketch;
        QUIPU_ASSERT_OK(table.MergeQuantiles(c, id, &sketch));
        ASSERT_TRUE(sketch == found->second.quantiles[id]);
      }
    }
  }
  EXPECT_EQ(seen, truth.size());
}

class DimensionCellsTest : public testing::Test {
 protected:
  DimensionCellsTest() { EXPECT_TRUE(vfs_.MakeFolder("/s").ok()); }

  std::shared_ptr<SegmentReader> Write(const RowBatch& rows, const std::vector<DimensionSet>& sets,
                                       std::size_t piece, std::uint64_t id = 12) {
    auto writer = *SegmentWriter::Create(&vfs_, "/s", TestSpec(id), &names_);
    writer->SetDimensionSets(sets);
    for (std::size_t first = 0; first < rows.size(); first += piece) {
      const Status appended =
          writer->Append(SliceOf(rows, first, std::min(piece, rows.size() - first)));
      EXPECT_TRUE(appended.ok()) << appended.ToString();
    }
    const auto meta = writer->Finish();
    EXPECT_TRUE(meta.has_value()) << meta.error().ToString();
    const auto reader = SegmentReader::Open(&vfs_, PathOf(*meta), &*meta, nullptr);
    EXPECT_TRUE(reader.has_value()) << reader.error().ToString();
    return *reader;
  }

  void ExpectSound(const SegmentReader& reader) {
    SegmentVerifyReport report;
    QUIPU_ASSERT_OK(reader.Verify(&report));
    EXPECT_EQ(report.problems, std::vector<std::string>());
  }

  static DimensionSet Set(std::vector<ColumnId> dimensions, std::vector<ColumnId> measures,
                          std::uint32_t rows_min = 1, std::uint32_t sketch_rows_min = 1) {
    DimensionSet set;
    set.dimensions = std::move(dimensions);
    set.measures = std::move(measures);
    set.rows_min = rows_min;
    set.sketch_rows_min = sketch_rows_min;
    return set;
  }

  NumberNames names_;
  MemoryVfs vfs_;
};

TEST_F(DimensionCellsTest, AreWhatTheRowsSay) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 6; ++round) {
    const RowBatch rows = RandomRows(random, names_, {.rows = 3000, .wide = round % 2 == 0});
    // Dimension 0 has 3 values, 6 has one, 4 is absent in half of the rows and has many.
    std::vector<DimensionSet> sets = {Set({0, 6}, {0, 1}), Set({0}, {0, 1, 2, 3}), Set({6}, {})};
    sets[2].service = 1;
    if (round >= 3) sets[0].rows_min = sets[1].rows_min = 5;  // no hours, perhaps no days
    const auto reader =
        Write(rows, sets, 1 + random.Below(3000), 100 + static_cast<std::uint64_t>(round));
    ExpectSound(*reader);
    ASSERT_EQ(reader->dimension_sets().size(), sets.size());
    for (std::size_t s = 0; s < sets.size(); ++s) {
      const auto& info = reader->dimension_sets()[s];
      EXPECT_EQ(info.set, sets[s]);
      if (info.covered.empty()) continue;
      const auto cells = reader->dimension_cells(s);
      ASSERT_TRUE(cells.has_value()) << cells.error().ToString();
      for (const ServiceOrdinal service : info.covered) ExpectSame(rows, sets[s], **cells, service);
    }
    ASSERT_FALSE(reader->dimension_sets()[2].covered.empty());
    EXPECT_EQ(reader->dimension_sets()[2].covered, std::vector<ServiceOrdinal>{1});
  }
}

TEST_F(DimensionCellsTest, TheSameHoweverTheRowsCame) {
  Random random(TestSeed());
  const RowBatch rows = RandomRows(random, names_, {.rows = 5000});
  const std::vector<DimensionSet> sets = {Set({0, 4}, {0, 1, 2}), Set({2}, {0})};
  const auto once = Write(rows, sets, 5000, 1);
  const auto pieces = Write(rows, sets, 37, 2);
  for (std::size_t s = 0; s < sets.size(); ++s) {
    EXPECT_EQ(once->dimension_sets()[s].bytes, pieces->dimension_sets()[s].bytes);
    EXPECT_EQ(once->dimension_sets()[s].covered, pieces->dimension_sets()[s].covered);
  }
  ExpectSound(*pieces);
}

TEST_F(DimensionCellsTest, TooFineIsLeftOut) {
  Random random(TestSeed());
  const RowBatch rows = RandomRows(random, names_, {.rows = 4000});
  // Dimension 4 has 100,000 values: two rows a cell at most.
  const auto reader = Write(rows, {Set({4}, {0}, 16, 1), Set({6}, {0}, 2, 4096)}, 4000);
  ASSERT_EQ(reader->dimension_sets().size(), 2u);
  EXPECT_TRUE(reader->dimension_sets()[0].covered.empty());
  EXPECT_EQ(reader->dimension_sets()[0].bytes, 0u);
  EXPECT_EQ(reader->dimension_sets()[1].covered.size(), 3u);
  const auto cells = reader->dimension_cells(1);
  ASSERT_TRUE(cells.has_value());
  EXPECT_FALSE((*cells)->LevelsOf(0)->day_quantiles);
  ExpectSound(*reader);
}

TEST_F(DimensionCellsTest, WhatDoesNotConcernTheSegmentIsNotInIt) {
  Random random(TestSeed());
  const RowBatch rows = RandomRows(random, names_, {.rows = 500});
  DimensionSet other = Set({0}, {0});
  other.service = 77;
  // 100 is no dimension of a row: of the second set {6} is left, which the third one says, too.
  const auto reader = Write(rows, {other, Set({6, 100}, {0}), Set({6}, {0}), Set({100}, {0})}, 500);
  ASSERT_EQ(reader->dimension_sets().size(), 1u);
  EXPECT_EQ(reader->dimension_sets()[0].set, Set({6}, {0}));
}

TEST_F(DimensionCellsTest, MoreCellsThanTheBoundAreFolded) {
  // 28 combinations x 744 hours x 13 numbers are above the bound, days are not.
  RowBatchBuilder builder;
  for (int hour = 0; hour < 744; ++hour) {
    for (int value = 0; value < 28; ++value) {
      const std::string id = std::to_string(hour) + "-" + std::to_string(value);
      builder.BeginRow(1, 0, MonthStart(kTestMonth) + hour * kHourUs,
                       MakeIdentity(names_.Customer(1), "", id), id, "");
      for (ColumnId m = 0; m < 12; ++m) builder.AddMeasure(m, Decimal(hour + value));
      builder.AddDimension(0, "value-" + std::to_string(value));
    }
  }
  const RowBatch rows = builder.Finish();
  DimensionSet set = Set({0}, {}, 1, 1);
  set.all_measures = true;
  set.rows_min = 0;  // nothing but the bound decides
  const auto reader = Write(rows, {set}, 700);
  ASSERT_EQ(reader->dimension_sets().size(), 1u);
  const auto cells = reader->dimension_cells(0);
  ASSERT_TRUE(cells.has_value()) << cells.error().ToString();
  EXPECT_FALSE((*cells)->LevelsOf(0)->hours);
  ExpectSame(rows, reader->dimension_sets()[0].set, **cells, 0);
  ExpectSound(*reader);
}

/// A copy with other cells is the segment that would have been written with them.
TEST_F(DimensionCellsTest, ACopyHasTheSamePages) {
  Random random(TestSeed());
  const RowBatch rows = RandomRows(random, names_, {.rows = 3000});
  const auto plain = Write(rows, {}, 3000, 1);
  const std::vector<DimensionSet> sets = {Set({0, 6}, {0, 1}), Set({100}, {0})};
  const auto made_with = Write(rows, sets, 3000, 5);
  std::uint64_t written = 0;
  const auto count = [&](std::uint64_t bytes) {
    written += bytes;
    return Status();
  };
  ASSERT_TRUE(vfs_.MakeFolder("/t").ok());
  const auto meta = plain->CopyWithDimensionCells(&vfs_, "/t", 5, sets, 0, count);
  ASSERT_TRUE(meta.has_value()) << meta.error().ToString();
  EXPECT_EQ(*ReadWholeFile(vfs_, "/t/" + meta->file_name, 1 << 30),
            *ReadWholeFile(vfs_, made_with->path(), 1 << 30));
  EXPECT_EQ(written, meta->file_bytes);
  // And back, without any.
  const auto reader = *SegmentReader::Open(&vfs_, "/t/" + meta->file_name, &*meta, nullptr);
  const auto back = reader->CopyWithDimensionCells(&vfs_, "/t", 1, {}, 0, nullptr);
  ASSERT_TRUE(back.has_value()) << back.error().ToString();
  EXPECT_EQ(*ReadWholeFile(vfs_, "/t/" + back->file_name, 1 << 30),
            *ReadWholeFile(vfs_, plain->path(), 1 << 30));
}

TEST_F(DimensionCellsTest, AStoppedCopyLeavesNothing) {
  Random random(TestSeed());
  const auto plain = Write(RandomRows(random, names_, {.rows = 1000}), {}, 1000, 1);
  ASSERT_TRUE(vfs_.MakeFolder("/t").ok());
  const auto stopped = plain->CopyWithDimensionCells(
      &vfs_, "/t", 5, {Set({0}, {0})}, 0,
      [&](std::uint64_t bytes) { return bytes > 5000 ? Status::Cancelled("stop") : Status(); });
  EXPECT_EQ(stopped.error().code(), StatusCode::kCancelled);
  EXPECT_TRUE(vfs_.List("/t")->empty());
}

/// The bytes of formats/dimension_cells.md.
TEST_F(DimensionCellsTest, TheExampleOfTheSpecification) {
  RowBatchBuilder builder;
  const auto add = [&](int hour, const char* endpoint, const char* status) {
    const std::string id = std::to_string(builder.size());
    builder.BeginRow(3, 2, MonthStart(kTestMonth) + hour * kHourUs,
                     MakeIdentity(names_.Customer(3), "", id), id, "");
    builder.AddMeasure(kQuantityColumn, Decimal(1));
    builder.AddDimension(4, endpoint);
    if (status != nullptr) builder.AddDimension(7, status);
  };
  add(10, "/chat", "200");
  add(10, "/chat", "200");
  add(30, "/chat", "500");
  add(40, "/files", nullptr);
  DimensionSet set = Set({4, 7}, {0}, 1, 4096);
  set.rows_min = 0;
  DimensionCellBuilder cells(kTestMonth, set);
  const RowBatch rows = builder.Finish();
  cells.Add(rows);
  const std::vector<ServiceOrdinal> services = {2};
  const std::vector<ColumnId> dimensions = {4, 7}, measures = {0};
  const auto finished = cells.Finish(services, dimensions, measures);
  ASSERT_TRUE(finished.has_value()) << finished.error().ToString();
  std::string hex;
  for (const char c : finished->payload) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto b = static_cast<std::uint8_t>(c);
    hex += kDigits[b >> 4];
    hex += kDigits[b & 15];
    hex += ' ';
  }
  EXPECT_EQ(hex,
            "02 00 00 00 00 01 0a 02 2f 63 68 61 74 2f 66 69 6c 65 73 "
            "02 00 00 00 00 00 06 32 30 30 35 30 30 "
            "03 03 02 01 04 03 00 02 09 "
            "09 09 01 06 00 00 01 24 00 04 03 00 02 24 49 02 00 02 "
            "03 00 06 0a 00 78 01 80 06 00 02 04 03 01 06 00 00 "
            "00 09 00 01 01 01 00 02 00 00 02 04 03 01 06 00 02 00 02 00 00 ");
}

TEST_F(DimensionCellsTest, DamageIsRefused) {
  Random random(TestSeed());
  const RowBatch rows = RandomRows(random, names_, {.rows = 600});
  DimensionSet set = Set({0, 6}, {0, 1});
  set.rows_min = 0;
  DimensionCellBuilder builder(kTestMonth, set);
  builder.Add(rows);
  const std::vector<ServiceOrdinal> services = {0, 1, 2};
  const std::vector<ColumnId> dimensions = {0, 6}, measures = {0, 1};
  const auto finished = builder.Finish(services, dimensions, measures);
  ASSERT_TRUE(finished.has_value());
  ASSERT_FALSE(finished->covered.empty());
  const auto decode = [&](const std::string& payload) {
    return DimensionCells::Decode(AsBytes(payload), finished->set, finished->covered, kTestMonth);
  };
  ASSERT_TRUE(decode(finished->payload).has_value());
  for (std::size_t cut = 0; cut < finished->payload.size(); cut += 1 + cut / 16) {
    const auto cells = decode(finished->payload.substr(0, cut));
    ASSERT_FALSE(cells.has_value()) << cut;
    ASSERT_EQ(cells.error().code(), StatusCode::kCorruption);
  }
  for (int n = 0; n < 2000; ++n) {
    std::string changed = finished->payload;
    changed[random.Below(changed.size())] = static_cast<char>(random.Next());
    const auto cells = decode(changed);  // anything but a crash
    ASSERT_TRUE(cells.has_value() || cells.error().code() == StatusCode::kCorruption);
  }
}

}  // namespace
}  // namespace quipu
