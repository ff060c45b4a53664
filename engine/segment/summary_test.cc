#include "segment/summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "base/test_seed.h"
#include "segment/summary_columns.h"

namespace quipu {
namespace {

const MonthIndex kMonth = 12 * 56 + 2;  // March 2026
constexpr std::uint32_t kManyCustomers = 700;

class NumberedNames : public Names {
 public:
  NumberedNames() {
    for (std::uint32_t i = 0; i < 2 * kManyCustomers; ++i)
      texts_.push_back("customer-" + std::to_string(i));
  }
  std::string_view Customer(CustomerOrdinal ordinal) const override { return texts_[ordinal]; }
  std::string_view Service(ServiceOrdinal) const override { return "service"; }
  std::string_view Dimension(ColumnId) const override { return "dimension"; }
  std::string_view Measure(ColumnId) const override { return "measure"; }

 private:
  std::vector<std::string> texts_;
};
const NumberedNames kNames;

struct Row {
  CustomerOrdinal customer;
  ServiceOrdinal service;
  TimeUs time;
  std::map<ColumnId, Decimal> measures;
};

/// One whale, one customer with a busy hour, one just below the threshold, many small ones.
class RowMaker {
 public:
  explicit RowMaker(std::uint64_t seed) : random_(seed) {}

  std::vector<Row> Make() {
    AddMany(5000 + random_() % 2000, 1, 0, 0, 31 * kDayUs);
    AddMany(4500, 1, 3, 2 * kDayUs, kHourUs);
    AddMany(kSketchRowsMin - 1, 4, 3, 5 * kDayUs, kHourUs);
    AddMany(kSketchRowsMin, 5, 3, 5 * kDayUs, kHourUs);
    AddMany(kCellRowsMin - 1, 6, 0, 30 * kDayUs, kDayUs);
    AddMany(kCellRowsMin, 7, 0, 30 * kDayUs, kDayUs);
    for (std::uint32_t c = 10; c < kManyCustomers; ++c) {
      AddMany(1 + random_() % 8, c, static_cast<ServiceOrdinal>(random_() % 4), 0, 31 * kDayUs);
    }
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
      return std::tie(a.customer, a.service, a.time) < std::tie(b.customer, b.service, b.time);
    });
    return std::move(rows_);
  }

 private:
  void AddMany(std::uint64_t n, CustomerOrdinal customer, ServiceOrdinal service, TimeUs from,
               TimeUs length) {
    for (std::uint64_t i = 0; i < n; ++i) {
      Row row{customer,
              service,
              MonthStart(kMonth) + from + static_cast<TimeUs>(random_() % length),
              {}};
      row.measures[kQuantityColumn] = Decimal(1);
      if (random_() % 3 != 0)
        row.measures[kCostColumn] =
            Decimal(static_cast<std::int64_t>(random_() % 20001) - 10000, 4);
      if (random_() % 2 == 0)
        row.measures[7] = Decimal(static_cast<std::int64_t>(random_() % 1000) * 25, 0);
      if (service == 3) row.measures[9] = Wide();
      rows_.push_back(std::move(row));
    }
  }
  // Up to +-10^20 with 18 digits after the point.
  Decimal Wide() {
    const Int128 v =
        (static_cast<Int128>(random_() >> 1) << 63) | static_cast<Int128>(random_() >> 1);
    const auto bounded = v % static_cast<Int128>(PowerOf10(38));
    return Decimal(random_() % 2 == 0 ? bounded : -bounded, 18);
  }

  std::mt19937_64 random_;
  std::vector<Row> rows_;
};

RowBatch BatchOf(const std::vector<Row>& rows, std::size_t first, std::size_t last) {
  RowBatchBuilder builder;
  for (std::size_t i = first; i < last; ++i) {
    builder.BeginRow(rows[i].customer, rows[i].service, rows[i].time,
                     Identity{{i, i}, 0, IdForm::kHex32}, "", "");
    for (const auto& [id, value] : rows[i].measures) builder.AddMeasure(id, value);
  }
  return builder.Finish();
}

/// `cuts` ascending, ends with rows.size().
std::string PayloadOf(const std::vector<Row>& rows, const std::vector<std::size_t>& cuts,
                      std::uint64_t hour_bytes = kSummaryBuilderBytesMax) {
  SummaryBounds bounds;
  bounds.hour_bytes = hour_bytes;
  SummaryBuilder builder(kMonth, &kNames, bounds);
  std::size_t first = 0;
  for (const std::size_t last : cuts) {
    EXPECT_TRUE(builder.Add(BatchOf(rows, first, last)).ok());
    first = last;
  }
  return *builder.Finish();
}

struct NaiveCell {
  std::uint64_t rows = 0;
  std::map<ColumnId, MeasureStats> stats;
  std::map<ColumnId, QuantileSketch> sketches;
  std::set<CustomerOrdinal> customers;
};
using NaiveKey = std::tuple<CustomerOrdinal, ServiceOrdinal, CellLevel, TimeUs>;

TimeUs StartOf(TimeUs time, CellLevel level) {
  if (level == CellLevel::kMonth) return MonthStart(MonthOf(time));
  return FloorTo(time, level == CellLevel::kHour ? kHourUs : kDayUs);
}

constexpr CellLevel kLevels[] = {CellLevel::kHour, CellLevel::kDay, CellLevel::kMonth};

std::map<NaiveKey, NaiveCell> NaiveCells(const std::vector<Row>& rows) {
  std::map<NaiveKey, NaiveCell> cells;
  for (const Row& row : rows) {
    for (const CellLevel level : kLevels) {
      for (const CustomerOrdinal scope : {row.customer, kAllCustomers}) {
        NaiveCell& cell = cells[{scope, row.service, level, StartOf(row.time, level)}];
        ++cell.rows;
        cell.customers.insert(row.customer);
        for (const auto& [id, value] : row.measures) {
          cell.stats[id].Add(value.mantissa(), value.scale());
          cell.sketches[id].Add(value.mantissa(), value.scale());
        }
      }
    }
  }
  std::erase_if(cells, [](const auto& c) {
    return std::get<0>(c.first) != kAllCustomers && c.second.rows < kCellRowsMin;
  });
  return cells;
}

std::optional<std::uint32_t> FindCell(const SummaryTable& table, const NaiveKey& key) {
  const auto range = table.Find(std::get<0>(key), std::get<1>(key), std::get<2>(key));
  for (std::uint32_t cell = range.first; cell < range.last; ++cell) {
    if (table.start(cell) == std::get<3>(key)) return cell;
  }
  return std::nullopt;
}

bool HasQuantiles(const NaiveKey& key, std::uint64_t rows, bool hours_have_sketches = true) {
  if (std::get<0>(key) != kAllCustomers) return rows >= kSketchRowsMin;
  return std::get<2>(key) != CellLevel::kHour || (hours_have_sketches && rows >= kSketchRowsMin);
}

void ExpectSame(const SummaryTable& table, std::uint32_t cell, const NaiveKey& key,
                const NaiveCell& naive, bool has_quantiles) {
  const bool all = std::get<0>(key) == kAllCustomers;
  const CellLevel level = std::get<2>(key);
  const bool has_distinct = all && level != CellLevel::kHour;
  ASSERT_EQ(table.rows(cell), naive.rows);
  ASSERT_EQ(StartOf(table.end(cell) - 1, level), table.start(cell));
  ASSERT_NE(StartOf(table.end(cell), level), table.start(cell));
  for (const ColumnId id : {0u, 1u, 2u, 7u, 9u, 11u}) {
    const auto stats = naive.stats.find(id);
    ASSERT_EQ(table.Measure(cell, id), stats == naive.stats.end() ? MeasureStats{} : stats->second)
        << "measure " << id;
    ASSERT_EQ(table.HasQuantiles(cell, id), has_quantiles);
    QuantileSketch sketch;
    ASSERT_EQ(table.MergeQuantiles(cell, id, &sketch).ok(), has_quantiles);
    if (!has_quantiles) continue;
    const auto expected = naive.sketches.find(id);
    ASSERT_TRUE(sketch == (expected == naive.sketches.end() ? QuantileSketch() : expected->second))
        << "measure " << id;
  }
  ASSERT_EQ(table.HasDistinctCustomers(cell), has_distinct);
  DistinctSketch distinct, expected;
  ASSERT_EQ(table.MergeDistinctCustomers(cell, &distinct).ok(), has_distinct);
  if (!has_distinct) return;
  for (const CustomerOrdinal c : naive.customers) expected.Add(Hash64(kNames.Customer(c)));
  ASSERT_TRUE(distinct == expected);
}

TEST(Summary, AgreesWithRowsCountedOneByOne) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  for (std::uint64_t round = 0; round < 2; ++round) {
    const std::vector<Row> rows = RowMaker(seed + round).Make();
    const std::string payload = PayloadOf(rows, {rows.size() / 3, rows.size()});
    const auto table = SummaryTable::Decode(AsBytes(payload), kMonth);
    ASSERT_TRUE(table) << table.error().ToString();
    const std::map<NaiveKey, NaiveCell> cells = NaiveCells(rows);
    ASSERT_EQ((*table)->cells(), cells.size());
    for (const auto& [key, naive] : cells) {
      const auto cell = FindCell(**table, key);
      ASSERT_TRUE(cell.has_value());
      ASSERT_NO_FATAL_FAILURE(ExpectSame(**table, *cell, key, naive, HasQuantiles(key, naive.rows)))
          << "customer " << std::get<0>(key) << " service " << std::get<1>(key) << " level "
          << static_cast<int>(std::get<2>(key)) << " start " << FormatTime(std::get<3>(key));
    }
  }
}

TEST(Summary, AtItsMemoryBoundOnlyHoursLoseQuantiles) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const std::vector<Row> rows = RowMaker(seed).Make();
  for (const std::uint64_t bytes_max : {0, 400'000}) {
    const std::string payload = PayloadOf(rows, {rows.size() / 2, rows.size()}, bytes_max);
    const auto table = SummaryTable::Decode(AsBytes(payload), kMonth);
    ASSERT_TRUE(table) << table.error().ToString();
    for (const auto& [key, naive] : NaiveCells(rows)) {
      const auto cell = FindCell(**table, key);
      ASSERT_TRUE(cell.has_value());
      ASSERT_NO_FATAL_FAILURE(
          ExpectSame(**table, *cell, key, naive, HasQuantiles(key, naive.rows, false)))
          << bytes_max;
    }
  }
}

// Where values are kept by day or month, or not at all, what is finer has no quantiles; all else stays.
TEST(Summary, EachFurtherMemoryBoundTakesQuantilesFromTheNextLevel) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const std::vector<Row> rows = RowMaker(seed).Make();
  const auto naive = NaiveCells(rows);
  for (const int levels_without : {1, 2, 3}) {
    for (const std::size_t step : {std::size_t{700}, rows.size()}) {
      SummaryBounds bounds;
      bounds.hour_bytes = 0;
      if (levels_without > 1) bounds.day_bytes = 100'000;
      if (levels_without > 2) bounds.month_bytes = 10'000;
      SummaryBuilder builder(kMonth, &kNames, bounds);
      for (std::size_t first = 0; first < rows.size(); first += step)
        ASSERT_TRUE(builder.Add(BatchOf(rows, first, std::min(first + step, rows.size()))).ok());
      const auto table = SummaryTable::Decode(AsBytes(*builder.Finish()), kMonth);
      ASSERT_TRUE(table) << table.error().ToString();
      for (const auto& [key, cell_of_rows] : naive) {
        const auto cell = FindCell(**table, key);
        ASSERT_TRUE(cell.has_value());
        const bool all = std::get<0>(key) == kAllCustomers;
        const bool has_quantiles = all ? static_cast<int>(std::get<2>(key)) >= levels_without
                                       : cell_of_rows.rows >= kSketchRowsMin;
        ASSERT_NO_FATAL_FAILURE(ExpectSame(**table, *cell, key, cell_of_rows, has_quantiles));
      }
    }
  }
}

// The whole payload made from cells that were counted one by one: not only the same contents, the same bytes.
TEST(Summary, TheBytesAreThoseOfCellsCountedOneByOne) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const std::vector<Row> rows = RowMaker(seed).Make();
  SummaryColumns columns;
  std::map<ColumnId, SummaryColumns::Measure> measures;
  for (const auto& [key, naive] : NaiveCells(rows)) {
    const auto& [customer, service, level, start] = key;
    const bool is_new = columns.groups.empty() || columns.groups.back().customer != customer ||
                        columns.groups.back().service != service ||
                        columns.groups.back().level != level;
    if (is_new) columns.groups.push_back({customer, service, level, 0});
    ++columns.groups.back().cells;
    const auto index = static_cast<std::uint32_t>(columns.rows.size());
    const TimeUs unit = level == CellLevel::kHour ? kHourUs : kDayUs;
    columns.units.push_back(static_cast<std::uint32_t>((start - MonthStart(kMonth)) / unit));
    columns.rows.push_back(naive.rows);
    const bool summed = customer == kAllCustomers && level != CellLevel::kHour;
    const bool sketched = summed || naive.rows >= kSketchRowsMin;
    columns.flags.push_back(static_cast<std::uint8_t>((sketched ? kCellHasQuantiles : 0) |
                                                      (summed ? kCellHasDistinct : 0)));
    for (const auto& [id, stats] : naive.stats) {
      SummaryColumns::Measure& measure = measures[id];
      measure.id = id;
      measure.cells.push_back(index);
      measure.stats.push_back(stats);
      const std::size_t before = measure.sketches.size();
      if (sketched) naive.sketches.at(id).EncodeTo(&measure.sketches);
      if (sketched)
        measure.sketch_bytes.push_back(
            static_cast<std::uint32_t>(measure.sketches.size() - before));
    }
    if (!summed) continue;
    DistinctSketch distinct;
    for (const CustomerOrdinal c : naive.customers) distinct.Add(Hash64(kNames.Customer(c)));
    const std::size_t before = columns.distinct_sketches.size();
    distinct.EncodeTo(&columns.distinct_sketches);
    columns.distinct_bytes.push_back(
        static_cast<std::uint32_t>(columns.distinct_sketches.size() - before));
  }
  for (auto& [id, measure] : measures) columns.measures.push_back(std::move(measure));
  const std::string expected = columns.Encode();
  EXPECT_TRUE(PayloadOf(rows, {rows.size() / 2, rows.size()}) == expected);
}

TEST(Summary, DoesNotDependOnHowRowsArrive) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const std::vector<Row> rows = RowMaker(seed).Make();
  const std::string whole = PayloadOf(rows, {rows.size()});
  std::mt19937_64 random(seed);
  for (const std::size_t step : {7, 1024, 5000}) {
    std::vector<std::size_t> cuts;
    for (std::size_t at = random() % step; at < rows.size(); at += 1 + random() % step)
      cuts.push_back(at);
    cuts.push_back(rows.size());
    ASSERT_TRUE(PayloadOf(rows, cuts) == whole) << "step " << step;
  }
}

// The bound on hours is passed or not by what the rows are, to the byte.
TEST(Summary, TheMemoryBoundDoesNotDependOnHowRowsArrive) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const std::vector<Row> rows = RowMaker(seed).Make();
  const std::string with = PayloadOf(rows, {rows.size()});
  std::uint64_t low = 0, high = 64u << 20;  // without, with
  while (high - low > 1) {
    const std::uint64_t middle = (low + high) / 2;
    (PayloadOf(rows, {rows.size()}, middle) == with ? high : low) = middle;
  }
  const std::string without = PayloadOf(rows, {rows.size()}, low);
  ASSERT_NE(with, without);
  std::mt19937_64 random(seed);
  for (const std::size_t step : {11, 1024, 5000, 9000}) {
    std::vector<std::size_t> cuts;
    for (std::size_t at = random() % step; at < rows.size(); at += 1 + random() % step)
      cuts.push_back(at);
    cuts.push_back(rows.size());
    ASSERT_TRUE(PayloadOf(rows, cuts, high) == with) << "step " << step << " bound " << high;
    ASSERT_TRUE(PayloadOf(rows, cuts, low) == without) << "step " << step << " bound " << low;
  }
}

// Rows whose columns change their scale, width and presence from batch to batch, with both ends of 64 bits among them.
std::vector<Row> UnevenRows(std::uint64_t seed) {
  std::vector<Row> rows = RowMaker(seed).Make();
  std::mt19937_64 random(seed);
  constexpr std::int64_t kEnds[] = {INT64_MIN, INT64_MAX, INT64_MAX - 1, -1, 0};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t stretch = i / 3000 % 4;  // one of them has measure 11 only here and there
    if (stretch == 3 ? random() % 900 != 0 : random() % 5 == 0) continue;
    const int scale = static_cast<int>(stretch * 6);
    rows[i].measures[11] =
        Decimal(stretch == 1   ? Int128{42}
                : stretch == 0 ? Int128{static_cast<std::int64_t>(random() >> 34)}
                               : Int128{kEnds[random() % 5]},
                scale);
  }
  return rows;
}

// Values wait until they are many; when that was shows nowhere, and nothing waits forever.
TEST(Summary, WhenPendingValuesAreSortedIntoBinsShowsNowhere) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  const std::vector<Row> rows = UnevenRows(seed);
  const auto naive = NaiveCells(rows);
  for (const std::uint64_t hour_bytes : {kSummaryBuilderBytesMax, std::uint64_t{0}}) {
    std::string expected;
    for (const std::uint64_t pending_bytes :
         {kSummaryPendingBytesMax, std::uint64_t{200'000}, std::uint64_t{0}}) {
      for (const std::size_t step : {rows.size(), std::size_t{3000}, std::size_t{777}}) {
        SummaryBounds bounds;
        bounds.hour_bytes = hour_bytes;
        bounds.pending_bytes = pending_bytes;
        SummaryBuilder builder(kMonth, &kNames, bounds);
        for (std::size_t first = 0; first < rows.size(); first += step)
          ASSERT_TRUE(builder.Add(BatchOf(rows, first, std::min(first + step, rows.size()))).ok());
        const std::string payload = *builder.Finish();
        if (expected.empty()) expected = payload;
        ASSERT_TRUE(payload == expected) << hour_bytes << " " << pending_bytes << " " << step;
      }
    }
    const auto table = SummaryTable::Decode(AsBytes(expected), kMonth);
    ASSERT_TRUE(table) << table.error().ToString();
    for (const auto& [key, cell_of_rows] : naive) {
      const auto cell = FindCell(**table, key);
      ASSERT_TRUE(cell.has_value());
      ASSERT_NO_FATAL_FAILURE(ExpectSame(**table, *cell, key, cell_of_rows,
                                         HasQuantiles(key, cell_of_rows.rows, hour_bytes > 0)));
    }
  }
}

// 40 services, each with 5 measures that no other has, in every hour of a few days.
std::vector<Row> RowsOfManyMeasures() {
  std::vector<Row> rows;
  for (ServiceOrdinal service = 0; service < 40; ++service) {
    for (std::uint32_t hour = 0; hour < 60; ++hour) {
      Row row{20, service, MonthStart(kMonth) + hour * kHourUs, {{kQuantityColumn, Decimal(2)}}};
      for (ColumnId k = 0; k < 5; ++k)
        row.measures[2 + service * 5 + k] = Decimal(static_cast<std::int64_t>(hour * k), 1);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

TEST(Summary, EachServiceMayHaveItsOwnMeasures) {
  const std::vector<Row> rows = RowsOfManyMeasures();
  const std::string payload = PayloadOf(rows, {rows.size() / 3, rows.size()});
  const auto table = SummaryTable::Decode(AsBytes(payload), kMonth);
  ASSERT_TRUE(table) << table.error().ToString();
  for (const auto& [key, naive] : NaiveCells(rows)) {
    const auto cell = FindCell(**table, key);
    ASSERT_TRUE(cell.has_value());
    ASSERT_NO_FATAL_FAILURE(ExpectSame(**table, *cell, key, naive, HasQuantiles(key, naive.rows)));
    for (ColumnId id = 0; id < 2 + 40 * 5; ++id) {
      const auto stats = naive.stats.find(id);
      ASSERT_EQ((*table)->Measure(*cell, id),
                stats == naive.stats.end() ? MeasureStats{} : stats->second);
    }
  }
}

TEST(Summary, TooManyCellsOfAllCustomersAreAnErrorNotTheEnd) {
  const std::vector<Row> rows = RowsOfManyMeasures();
  constexpr std::uint64_t kCells = 40 * (60 + 3 + 1), kEntries = kCells * 6;
  const auto finish = [&](std::uint64_t cells, std::uint64_t entries, std::size_t step) {
    SummaryBounds bounds;
    bounds.cells = cells;
    bounds.entries = entries;
    SummaryBuilder builder(kMonth, &kNames, bounds);
    bool failed = false;
    for (std::size_t first = 0; first < rows.size(); first += step) {
      const Status added = builder.Add(BatchOf(rows, first, std::min(first + step, rows.size())));
      EXPECT_TRUE(added.ok() ? !failed : added.code() == StatusCode::kExhausted);
      failed = !added.ok();
    }
    const Result<std::string> payload = builder.Finish();
    EXPECT_FALSE(failed && payload) << "what was too much in between is too much at the end";
    return payload.error();
  };
  for (const std::size_t step : {std::size_t{1}, std::size_t{500}, rows.size()}) {
    SCOPED_TRACE(step);
    EXPECT_TRUE(finish(kCells, kEntries, step).ok());
    EXPECT_EQ(finish(kCells - 1, kEntries, step).code(), StatusCode::kExhausted);
    EXPECT_EQ(finish(kCells, kEntries - 1, step).code(), StatusCode::kExhausted);
    const Status few = finish(kCells, 10, step);
    EXPECT_EQ(few.code(), StatusCode::kExhausted);
    EXPECT_NE(few.message().find("services x measures"), std::string::npos) << few.ToString();
  }
}

TEST(Summary, TheBuilderIsEmptyAfterFinish) {
  SummaryBuilder builder(kMonth, &kNames);
  const std::string nothing = *builder.Finish();
  const auto table = SummaryTable::Decode(AsBytes(nothing), kMonth);
  ASSERT_TRUE(table) << table.error().ToString();
  EXPECT_EQ((*table)->cells(), 0u);
  EXPECT_EQ((*table)->Find(kAllCustomers, 0, CellLevel::kMonth).first,
            (*table)->Find(1, 0, CellLevel::kDay).last);
  const std::vector<Row> rows = {{3, 0, MonthStart(kMonth), {{kQuantityColumn, Decimal(1)}}}};
  ASSERT_TRUE(builder.Add(BatchOf(rows, 0, 1)).ok());
  EXPECT_NE(*builder.Finish(), nothing);
  EXPECT_EQ(*builder.Finish(), nothing);
}

// The worked example of formats/summaries.md, byte by byte.
TEST(Summary, TheExampleOfTheSpecification) {
  const TimeUs start = MonthStart(kMonth);
  const std::vector<Row> rows = {
      {3, 2, start + 10 * kHourUs, {{kQuantityColumn, Decimal(15, 1)}}},
      {3, 2, start + 10 * kHourUs + 1, {{kQuantityColumn, Decimal(2)}}},
      {4, 2, start + kDayUs, {{kQuantityColumn, Decimal(-1)}}},
  };
  const std::string payload = PayloadOf(rows, {rows.size()});
  std::string hex;
  for (const char c : payload) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  EXPECT_EQ(hex,
            "03050100feffffff1f0004010002030201030300050a83000003020211020200020603021602"
            "1201000501010101000200000313062dd0022305011319050501131e150308022139000001ac"
            "a0bee982a891e808000188dfcae7e58fcda2390002aca0bee982a891e808dcbe8cfee2e7bbba"
            "300001021e0500000101000103131905");
}

// A small payload with every part: cells of one customer, sketches of both kinds, two measures.
std::string SmallPayload(bool compressible) {
  std::vector<Row> rows;
  for (std::uint64_t i = 0; i < kSketchRowsMin; ++i) {
    Row row{1, 0, MonthStart(kMonth) + static_cast<TimeUs>(i), {}};
    row.measures[kQuantityColumn] = Decimal(compressible ? static_cast<std::int64_t>(i) : 1);
    if (i % 2 == 0) row.measures[4] = Decimal(-Int128{5}, 1);
    rows.push_back(row);
  }
  rows.push_back({2, 1, MonthStart(kMonth) + kDayUs, {{kQuantityColumn, Decimal(3)}}});
  return PayloadOf(rows, {rows.size()});
}

// Every number of a damaged table may be asked for; what is wrong shows as kCorruption.
void UseAll(const SummaryTable& table) {
  for (std::uint32_t cell = 0; cell < table.cells(); ++cell) {
    ASSERT_LT(table.start(cell), table.end(cell));
    ASSERT_LE(table.end(cell), MonthStart(kMonth + 1));
    for (const ColumnId id : {0u, 4u}) {
      ASSERT_LE(table.Measure(cell, id).count, table.rows(cell));
      QuantileSketch sketch;
      if (!table.HasQuantiles(cell, id)) continue;
      const Status status = table.MergeQuantiles(cell, id, &sketch);
      ASSERT_TRUE(status.ok() || status.code() == StatusCode::kCorruption) << status.ToString();
    }
    DistinctSketch distinct;
    if (!table.HasDistinctCustomers(cell)) continue;
    const Status status = table.MergeDistinctCustomers(cell, &distinct);
    ASSERT_TRUE(status.ok() || status.code() == StatusCode::kCorruption) << status.ToString();
  }
}

TEST(Summary, DamageIsRefusedOrHarmless) {
  for (const bool compressible : {false, true}) {
    const std::string payload = SmallPayload(compressible);
    for (std::size_t n = 0; n < payload.size(); ++n) {
      const auto table = SummaryTable::Decode(AsBytes(payload).first(n), kMonth);
      ASSERT_FALSE(table) << n;
      ASSERT_EQ(table.error().code(), StatusCode::kCorruption) << n;
    }
    ASSERT_FALSE(SummaryTable::Decode(AsBytes(payload + "x"), kMonth));
    std::size_t refused = 0;
    for (std::size_t i = 0; i < payload.size() * 9; ++i) {
      std::string damaged = payload;
      char& c = damaged[i / 9];
      c = static_cast<char>(i % 9 == 8 ? 0xFF : c ^ (1 << (i % 9)));
      const auto table = SummaryTable::Decode(AsBytes(damaged), kMonth);
      if (table) {
        ASSERT_NO_FATAL_FAILURE(UseAll(**table)) << i;
      } else {
        ASSERT_EQ(table.error().code(), StatusCode::kCorruption) << i;
        ++refused;
      }
    }
    EXPECT_GT(refused, 0u);
  }
}

TEST(Summary, ADayBeyondTheMonthIsRefused) {
  const std::vector<Row> rows = {
      {3, 0, MonthStart(kMonth) + 30 * kDayUs, {{kQuantityColumn, Decimal(1)}}}};
  const std::string payload = PayloadOf(rows, {1});
  EXPECT_TRUE(SummaryTable::Decode(AsBytes(payload), kMonth));
  EXPECT_FALSE(SummaryTable::Decode(AsBytes(payload), kMonth + 1)) << "April has 30 days";
}

TEST(Summary, HugeCountsAreRefusedBeforeTheyAreAllocated) {
  for (int field = 0; field < 3; ++field) {
    std::string payload;
    ByteWriter w(&payload);
    for (int i = 0; i < 3; ++i) w.Varint(i == field ? kSummaryCellsMax : 0);
    w.Raw("\0\0\0\0", 4);
    EXPECT_EQ(SummaryTable::Decode(AsBytes(payload), kMonth).error().code(),
              StatusCode::kCorruption);
  }
}

}  // namespace
}  // namespace quipu
