#include "segment/summary.h"

#include <algorithm>

#include "base/check.h"
#include "codec/int_codec.h"
#include "codec/text_codec.h"
#include "segment/summary_columns.h"

namespace quipu {
namespace {

using Column = std::vector<std::int64_t>;

/// A block of an int list holds at most 1,024 values and takes at least an encoding byte and one more.
constexpr std::uint64_t kBlockBytesMin = 2;
constexpr std::int64_t kOrdinalMax = 0xFFFFFFFF;

Status Damaged(const std::string& what) { return Status::Corruption("summaries: " + what); }

TimeUs UnitOf(CellLevel level) { return level == CellLevel::kHour ? kHourUs : kDayUs; }

/// How many cells one group can have.
std::int64_t UnitsOf(CellLevel level, MonthIndex month) {
  if (level == CellLevel::kMonth) return 1;
  return (MonthStart(month + 1) - MonthStart(month)) / UnitOf(level);
}

}  // namespace

// Reads the payload front to back into a table; every number is checked before anything is sized by it.
struct SummaryTable::Decoder {
  Bytes in;
  SummaryTable* table;
  std::uint64_t entries = 0;
  std::uint64_t sketch_bytes = 0;  // sum of all lengths so far = offset of the next sketch

  Status Number(std::string_view what, std::uint64_t max, std::uint64_t* out);
  Status Small(std::string_view what, int min, int max, int* out);
  Status List(std::string_view what, std::uint64_t n, std::int64_t min, std::int64_t max,
              Column* out);
  Status Words(std::string_view what, std::size_t n, int words, int power,
               std::vector<WideWords>* out);
  Status SketchRefs(std::string_view what, std::size_t n, std::vector<SketchRef>* out);
  Status Groups(std::uint64_t groups, std::uint64_t cells);
  Status Cells(std::uint64_t cells);
  Status Measure();
  Status MeasureNumbers(std::uint64_t n, MeasureColumn* measure);
  Status MeasureSketches(MeasureColumn* measure);
  Status Sketches();
  Status Run();
};

Status SummaryTable::Decoder::Number(std::string_view what, std::uint64_t max, std::uint64_t* out) {
  ByteReader reader(in);
  *out = reader.Varint();
  QUIPU_TRY(reader.status("summaries: " + std::string(what)));
  in = in.last(reader.remaining());
  return *out <= max ? Status()
                     : Damaged(std::string(what) + " is impossible: " + std::to_string(*out));
}

Status SummaryTable::Decoder::Small(std::string_view what, int min, int max, int* out) {
  if (in.empty()) return Damaged(std::string(what) + ": ends too early");
  *out = in[0];
  in = in.subspan(1);
  return *out >= min && *out <= max
             ? Status()
             : Damaged(std::string(what) + " is impossible: " + std::to_string(*out));
}

Status SummaryTable::Decoder::List(std::string_view what, std::uint64_t n, std::int64_t min,
                                   std::int64_t max, Column* out) {
  const std::uint64_t blocks = (n + kVectorValuesMax - 1) / kVectorValuesMax;
  if (blocks > in.size() / kBlockBytesMin) {
    return Damaged(std::string(what) + ": " + std::to_string(n) + " values are impossible in " +
                   std::to_string(in.size()) + " bytes");
  }
  out->resize(n);
  const Status status = DecodeIntList(&in, *out);
  if (!status.ok()) return status.WithContext("summaries: " + std::string(what));
  for (const std::int64_t v : *out) {
    if (v < min || v > max)
      return Damaged(std::string(what) + ": " + std::to_string(v) + " is out of range");
  }
  return {};
}

Status SummaryTable::Decoder::Groups(std::uint64_t groups, std::uint64_t cells) {
  Column customers, services, levels, counts;
  QUIPU_TRY(List("customers", groups, 0, kOrdinalMax, &customers));
  QUIPU_TRY(List("services", groups, 0, kOrdinalMax, &services));
  QUIPU_TRY(List("levels", groups, 0, static_cast<std::int64_t>(CellLevel::kMonth), &levels));
  QUIPU_TRY(List("cells of groups", groups, 1, UnitsOf(CellLevel::kHour, table->month_), &counts));
  std::uint64_t first = 0;
  table->groups_.reserve(groups);
  for (std::size_t i = 0; i < groups; ++i) {
    const GroupKey key{static_cast<CustomerOrdinal>(customers[i]),
                       static_cast<ServiceOrdinal>(services[i]), static_cast<CellLevel>(levels[i])};
    if (i > 0 && !(table->groups_.back().first < key))
      return Damaged("group " + std::to_string(i) + " out of order");
    const std::uint64_t last = first + static_cast<std::uint64_t>(counts[i]);
    if (counts[i] > UnitsOf(key.level, table->month_) || last > cells) {
      return Damaged("group " + std::to_string(i) + " has too many cells");
    }
    table->groups_.emplace_back(
        key, Range{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last)});
    first = last;
  }
  return first == cells ? Status() : Damaged("the groups do not add up to the cells");
}

Status SummaryTable::Decoder::Cells(std::uint64_t cells) {
  Column units, rows, flags;
  QUIPU_TRY(List("units", cells, 0, UnitsOf(CellLevel::kHour, table->month_) - 1, &units));
  QUIPU_TRY(List("rows", cells, 1, kOrdinalMax + 1, &rows));
  QUIPU_TRY(List("flags", cells, 0, kCellHasQuantiles | kCellHasDistinct, &flags));
  const TimeUs month_start = MonthStart(table->month_);
  table->starts_.reserve(cells);
  table->levels_.reserve(cells);
  for (const auto& [key, range] : table->groups_) {
    const std::int64_t units_max = UnitsOf(key.level, table->month_);
    for (std::uint32_t cell = range.first; cell < range.last; ++cell) {
      const bool ascending = cell == range.first || units[cell] > units[cell - 1];
      if (!ascending || units[cell] >= units_max) {
        return Damaged("cell " + std::to_string(cell) +
                       " starts out of order or outside the month");
      }
      table->starts_.push_back(month_start + units[cell] * UnitOf(key.level));
      table->levels_.push_back(key.level);
      if ((flags[cell] & kCellHasDistinct) == 0) continue;
      if (key.customer != kAllCustomers)
        return Damaged("a distinct sketch in cell " + std::to_string(cell));
      table->distinct_cells_.push_back(cell);
    }
  }
  table->rows_.assign(rows.begin(), rows.end());
  table->flags_.reserve(cells);
  for (const std::int64_t f : flags) table->flags_.push_back(static_cast<std::uint8_t>(f));
  return {};
}

Status SummaryTable::Decoder::SketchRefs(std::string_view what, std::size_t n,
                                         std::vector<SketchRef>* out) {
  Column lengths;
  QUIPU_TRY(List(what, n, 1, static_cast<std::int64_t>(kSummarySketchBytesMax), &lengths));
  out->reserve(n);
  for (const std::int64_t length : lengths) {
    out->push_back({static_cast<std::uint32_t>(sketch_bytes), static_cast<std::uint32_t>(length)});
    sketch_bytes += static_cast<std::uint64_t>(length);
    if (sketch_bytes > kSummarySketchBytesMax)
      return Damaged(std::string(what) + " exceed the bound");
  }
  return {};
}

Status SummaryTable::Decoder::Words(std::string_view what, std::size_t n, int words, int power,
                                    std::vector<WideWords>* out) {
  out->resize(n);
  Column column;
  for (int w = 0; w < words; ++w) {
    QUIPU_TRY(List(what, n, INT64_MIN, INT64_MAX, &column));
    for (std::size_t i = 0; i < n; ++i) {
      WideWords& v = (*out)[i];
      v[static_cast<std::size_t>(w)] = static_cast<std::uint64_t>(column[i]);
      if (w + 1 < words) continue;
      for (std::size_t rest = static_cast<std::size_t>(words); rest < 3; ++rest)
        v[rest] = column[i] < 0 ? ~0ull : 0;
    }
  }
  for (WideWords& v : *out) {
    if (!MultiplyByPower(v, power, &v))
      return Damaged(std::string(what) + ": a number is too large");
  }
  return {};
}

Status SummaryTable::Decoder::MeasureNumbers(std::uint64_t n, MeasureColumn* measure) {
  int scale = 0, sum_words = 0, bound_words = 0;
  QUIPU_TRY(Small("scale", 0, kSumScale, &scale));
  QUIPU_TRY(Small("words of sums", 1, 3, &sum_words));
  QUIPU_TRY(Small("words of bounds", 1, 2, &bound_words));
  Column cells, absent;
  QUIPU_TRY(
      List("cells of a measure", n, 0, static_cast<std::int64_t>(table->cells()) - 1, &cells));
  QUIPU_TRY(List("absent rows", n, 0, kOrdinalMax, &absent));
  std::vector<WideWords> sums, minima, maxima;
  QUIPU_TRY(Words("sums", n, sum_words, kSumScale - scale, &sums));
  QUIPU_TRY(Words("minima", n, bound_words, kSumScale - scale, &minima));
  QUIPU_TRY(Words("maxima", n, bound_words, kSumScale - scale, &maxima));
  const auto limit = static_cast<Int128>(PowerOf10(38));
  measure->cells.reserve(n);
  measure->stats.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0 && cells[i] <= cells[i - 1]) return Damaged("cells of a measure are out of order");
    const auto cell = static_cast<std::uint32_t>(cells[i]);
    const std::uint64_t rows = table->rows_[cell];
    MeasureStats stats;
    stats.count = rows - static_cast<std::uint64_t>(absent[i]);
    stats.sum = ExactSum::FromWords(sums[i][0], sums[i][1], sums[i][2]);
    const bool fits = ToInt128(minima[i], &stats.min) && ToInt128(maxima[i], &stats.max);
    const bool in_order = fits && -limit < stats.min && stats.min <= stats.max && stats.max < limit;
    if (!in_order || static_cast<std::uint64_t>(absent[i]) >= rows) {
      return Damaged("impossible statistics in cell " + std::to_string(cell));
    }
    measure->cells.push_back(cell);
    measure->stats.push_back(stats);
  }
  return {};
}

Status SummaryTable::Decoder::MeasureSketches(MeasureColumn* measure) {
  const auto has_quantiles = [this](std::uint32_t cell) {
    return (table->flags_[cell] & kCellHasQuantiles) != 0;
  };
  const auto n = std::count_if(measure->cells.begin(), measure->cells.end(), has_quantiles);
  std::vector<SketchRef> refs;
  QUIPU_TRY(SketchRefs("lengths of quantile sketches", static_cast<std::size_t>(n), &refs));
  measure->sketches.resize(measure->cells.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < measure->cells.size(); ++i) {
    if (has_quantiles(measure->cells[i])) measure->sketches[i] = refs[next++];
  }
  return {};
}

Status SummaryTable::Decoder::Measure() {
  std::uint64_t id = 0, n = 0;
  QUIPU_TRY(Number("measure id", kOrdinalMax, &id));
  QUIPU_TRY(Number("number of cells of a measure", table->cells(), &n));
  entries += n;
  const bool ascending = table->measures_.empty() || table->measures_.back().id < id;
  if (!ascending || n == 0 || entries > kSummaryEntriesMax) {
    return Damaged("measure " + std::to_string(id) + " is out of order, empty or too large");
  }
  MeasureColumn& measure = table->measures_.emplace_back();
  measure.id = static_cast<ColumnId>(id);
  Status status = MeasureNumbers(n, &measure);
  if (status.ok()) status = MeasureSketches(&measure);
  return status.ok() ? status : status.WithContext("measure " + std::to_string(id));
}

Status SummaryTable::Decoder::Sketches() {
  std::uint64_t size = 0;
  int form = 0;
  QUIPU_TRY(Number("bytes of sketches", kSummarySketchBytesMax, &size));
  QUIPU_TRY(Small("form of sketches", kSketchesPlain, kSketchesZstd, &form));
  if (size != sketch_bytes)
    return Damaged("the lengths of the sketches do not add up to their bytes");
  if (form == kSketchesPlain) {
    if (in.size() != size) return Damaged("the sketches do not end with the payload");
    table->sketches_.assign(AsText(in));
    return {};
  }
  QUIPU_TRY_ASSIGN(table->sketches_, DecompressZstd(in, size));
  return {};
}

Status SummaryTable::Decoder::Run() {
  std::uint64_t groups = 0, cells = 0, measures = 0;
  QUIPU_TRY(Number("number of groups", kSummaryCellsMax, &groups));
  QUIPU_TRY(Number("number of cells", kSummaryCellsMax, &cells));
  QUIPU_TRY(Number("number of measures", in.size(), &measures));
  QUIPU_TRY(Groups(groups, cells));
  QUIPU_TRY(Cells(cells));
  QUIPU_TRY(SketchRefs("lengths of distinct sketches", table->distinct_cells_.size(),
                       &table->distinct_sketches_));
  for (std::uint64_t i = 0; i < measures; ++i) QUIPU_TRY(Measure());
  return Sketches();
}

Result<std::shared_ptr<const SummaryTable>> SummaryTable::Decode(Bytes payload, MonthIndex month) {
  auto table = std::make_shared<SummaryTable>();
  table->month_ = month;
  Decoder decoder{payload, table.get()};
  QUIPU_TRY(decoder.Run());
  return std::shared_ptr<const SummaryTable>(std::move(table));
}

SummaryTable::Range SummaryTable::Find(CustomerOrdinal customer, ServiceOrdinal service,
                                       CellLevel level) const {
  const GroupKey key{customer, service, level};
  const auto found =
      std::lower_bound(groups_.begin(), groups_.end(), key,
                       [](const auto& group, const GroupKey& k) { return group.first < k; });
  return found != groups_.end() && found->first == key ? found->second : Range{};
}

TimeUs SummaryTable::end(std::uint32_t cell) const {
  if (levels_[cell] == CellLevel::kMonth) return MonthStart(month_ + 1);
  return starts_[cell] + UnitOf(levels_[cell]);
}

SummaryTable::Entry SummaryTable::FindEntry(std::uint32_t cell, ColumnId measure) const {
  const auto column =
      std::lower_bound(measures_.begin(), measures_.end(), measure,
                       [](const MeasureColumn& m, ColumnId id) { return m.id < id; });
  if (column == measures_.end() || column->id != measure) return {};
  // A measure that is in every cell, as quantity is, has them in order.
  if (cell < column->cells.size() && column->cells[cell] == cell) return {&*column, cell};
  const auto found = std::lower_bound(column->cells.begin(), column->cells.end(), cell);
  if (found == column->cells.end() || *found != cell) return {};
  return {&*column, static_cast<std::size_t>(found - column->cells.begin())};
}

std::vector<ColumnId> SummaryTable::measures() const {
  std::vector<ColumnId> ids;
  for (const MeasureColumn& column : measures_) ids.push_back(column.id);
  return ids;
}

const MeasureStats& SummaryTable::Measure(std::uint32_t cell, ColumnId measure) const {
  static const MeasureStats kAbsent;
  const Entry entry = FindEntry(cell, measure);
  return entry.column == nullptr ? kAbsent : entry.column->stats[entry.index];
}

bool SummaryTable::HasQuantiles(std::uint32_t cell, ColumnId /*measure*/) const {
  return (flags_[cell] & kCellHasQuantiles) != 0;
}

Status SummaryTable::MergeQuantiles(std::uint32_t cell, ColumnId measure,
                                    QuantileSketch* into) const {
  if (!HasQuantiles(cell, measure))
    return Status::Internal("summaries: asked a cell without sketches for quantiles");
  const Entry entry = FindEntry(cell, measure);
  if (entry.column == nullptr) return {};
  const SketchRef ref = entry.column->sketches[entry.index];
  ByteReader reader(AsBytes(sketches_).subspan(ref.offset, ref.bytes));
  const std::uint64_t before = into->count();
  const Status status = into->MergeEncoded(reader);
  if (!status.ok()) return status.WithContext("summaries: cell " + std::to_string(cell));
  if (reader.remaining() != 0 || into->count() - before != entry.column->stats[entry.index].count) {
    return Damaged("cell " + std::to_string(cell) +
                   ": the sketch does not belong to its statistics");
  }
  return {};
}

bool SummaryTable::HasDistinctCustomers(std::uint32_t cell) const {
  return (flags_[cell] & kCellHasDistinct) != 0;
}

Status SummaryTable::MergeDistinctCustomers(std::uint32_t cell, DistinctSketch* into) const {
  const auto found = std::lower_bound(distinct_cells_.begin(), distinct_cells_.end(), cell);
  if (found == distinct_cells_.end() || *found != cell) {
    return Status::Internal("summaries: asked a cell without a distinct sketch for it");
  }
  const SketchRef ref =
      distinct_sketches_[static_cast<std::size_t>(found - distinct_cells_.begin())];
  ByteReader reader(AsBytes(sketches_).subspan(ref.offset, ref.bytes));
  Result<DistinctSketch> sketch = DistinctSketch::Decode(reader);
  if (!sketch) return sketch.error().WithContext("summaries: cell " + std::to_string(cell));
  if (reader.remaining() != 0)
    return Damaged("cell " + std::to_string(cell) + ": bytes after the distinct sketch");
  into->Merge(*sketch);
  return {};
}

std::size_t SummaryTable::bytes() const {
  std::size_t n = sizeof *this + sketches_.capacity();
  n += groups_.size() * sizeof(groups_[0]);
  n +=
      cells() * (sizeof(TimeUs) + sizeof(std::uint64_t) + sizeof(std::uint8_t) + sizeof(CellLevel));
  n += distinct_cells_.size() * (sizeof(std::uint32_t) + sizeof(SketchRef));
  for (const MeasureColumn& m : measures_) {
    n += sizeof m +
         m.cells.size() * (sizeof(std::uint32_t) + sizeof(MeasureStats) + sizeof(SketchRef));
  }
  return n;
}

}  // namespace quipu
