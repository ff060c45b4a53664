#include "store/hot_index.h"

#include <algorithm>
#include <bit>

#include "sketch/value_codes.h"

namespace quipu {
namespace {

template <class T>
std::vector<T> Arrange(const std::vector<T>& values, const std::vector<std::uint32_t>& rows) {
  std::vector<T> arranged;
  if (values.empty()) return arranged;  // narrow or wide, or present everywhere
  arranged.resize(rows.size());
  std::transform(rows.begin(), rows.end(), arranged.begin(),
                 [&](std::uint32_t row) { return values[row]; });
  return arranged;
}

}  // namespace

HotIndex::HotIndex(const RowBatch& batch)
    : sums_(std::make_unique<Lazy<RunSums>[]>(batch.measures.size())),
      run_codes_(std::make_unique<Lazy<RunCodes>[]>(batch.measures.size())),
      batch_(batch),
      rows_(SegmentOrder(batch)),
      measures_(std::make_unique<Lazy<DecimalColumn>[]>(batch.measures.size())),
      codes_(std::make_unique<Lazy<std::vector<std::uint32_t>>[]>(batch.dimensions.size())) {
  MakeRuns();
  MakeTable();
  for (const DecimalColumn& column : batch.measures) measure_ids_.push_back(column.id);
}

void HotIndex::MakeRuns() {
  for (std::uint32_t place = 0; place < rows_.size(); ++place) {
    const std::uint32_t row = rows_[place];
    const CustomerOrdinal customer = batch_.customers[row];
    const ServiceOrdinal service = batch_.services[row];
    const TimeUs time = batch_.times[row];
    if (runs_.empty() || runs_.back().customer != customer || runs_.back().service != service)
      runs_.push_back({customer, service, place, time, time});
    runs_.back().max = time;
  }
  runs_.push_back({0, 0, static_cast<std::uint32_t>(rows_.size()), 0, 0});
}

void HotIndex::MakeTable() {
  const std::size_t runs = runs_.size() - 1;
  std::size_t customers = 1;
  for (std::size_t r = 1; r < runs; ++r) customers += runs_[r].customer != runs_[r - 1].customer;
  table_.resize(std::bit_ceil(2 * customers), 0);
  table_shift_ = 64 - std::countr_zero(table_.size());
  for (std::size_t r = 0; r < runs; ++r) {
    if (r > 0 && runs_[r].customer == runs_[r - 1].customer) continue;
    std::size_t at = PlaceOf(runs_[r].customer);
    while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
    table_[at] = static_cast<std::uint32_t>(r + 1);
  }
}

std::span<const HotIndex::Run> HotIndex::RunsOf(CustomerOrdinal customer) const {
  for (std::size_t at = PlaceOf(customer); table_[at] != 0; at = (at + 1) & (table_.size() - 1)) {
    const std::size_t first = table_[at] - 1;
    if (runs_[first].customer != customer) continue;
    std::size_t end = first + 1;
    while (end < runs_.size() - 1 && runs_[end].customer == customer) ++end;
    return {runs_.data() + first, end - first};
  }
  return {};
}

const std::vector<TimeUs>& HotIndex::times() const {
  const auto loaded =
      times_.Get([this]() -> Result<std::vector<TimeUs>> { return Arrange(batch_.times, rows_); });
  return **loaded;
}

const DecimalColumn& HotIndex::Measure(std::size_t column) const {
  const auto loaded = measures_[column].Get([&]() -> Result<DecimalColumn> {
    const DecimalColumn& in = batch_.measures[column];
    return DecimalColumn{in.id, in.scale, Arrange(in.present, rows_), Arrange(in.narrow, rows_),
                         Arrange(in.wide, rows_)};
  });
  return **loaded;
}

const std::vector<std::uint32_t>& HotIndex::Codes(std::size_t column) const {
  const auto loaded = codes_[column].Get([&]() -> Result<std::vector<std::uint32_t>> {
    return Arrange(batch_.dimensions[column].codes, rows_);
  });
  return **loaded;
}

void HotIndex::PrepareLike(const HotIndex& other) const {
  for (std::size_t theirs = 0; theirs < other.measure_ids_.size(); ++theirs) {
    const std::size_t column = FindMeasure(other.measure_ids_[theirs]);
    if (column == kNoColumn) continue;
    if (other.sums_[theirs].peek() != nullptr) (void)Sums(column);
    if (other.measures_[theirs].peek() != nullptr) (void)Measure(column);
    if (other.run_codes_[theirs].peek() != nullptr) (void)CodesOfRuns(column);
  }
}

std::size_t HotIndex::FindMeasure(ColumnId id) const {
  for (std::size_t column = 0; column < measure_ids_.size(); ++column) {
    if (measure_ids_[column] == id) return column;
  }
  return kNoColumn;
}

const HotIndex::RunSums& HotIndex::Sums(std::size_t column) const {
  const auto loaded =
      sums_[column].Get([&]() -> Result<RunSums> { return SumUp(batch_.measures[column]); });
  return **loaded;
}

const HotIndex::RunCodes& HotIndex::CodesOfRuns(std::size_t column) const {
  const auto loaded =
      run_codes_[column].Get([&]() -> Result<RunCodes> { return CodeRuns(Measure(column)); });
  return **loaded;
}

HotIndex::RunCodes HotIndex::CodeRuns(const DecimalColumn& arranged) const {
  const auto values_of = [&](std::size_t first, std::size_t end) {
    DecimalSpan values{arranged.scale, nullptr, nullptr, nullptr, end - first};
    if (!arranged.present.empty()) values.present = arranged.present.data() + first;
    if (arranged.is_wide()) {
      values.wide = arranged.wide.data() + first;
    } else {
      values.narrow = arranged.narrow.data() + first;
    }
    return values;
  };
  RunCodes coded;
  coded.codes.resize(size());
  CodeValues(values_of(0, size()), coded.codes.data());
  std::vector<std::int64_t> room;
  coded.bounds.reserve(runs_.size() - 1);
  for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
    coded.bounds.push_back(BoundsOf(values_of(runs_[r].first, runs_[r + 1].first), &room));
  return coded;
}

HotIndex::RunSums HotIndex::SumUp(const DecimalColumn& column) const {
  RunSums of_runs{column.scale, {}};
  if (column.is_wide()) return of_runs;
  std::vector<Sum> sums(runs_.size() - 1);
  for (std::size_t r = 0; r < sums.size(); ++r) {
    Sum& to = sums[r];
    for (std::uint32_t place = runs_[r].first; place < runs_[r + 1].first; ++place) {
      const std::uint32_t row = rows_[place];
      if (!column.IsPresent(row)) continue;
      if (__builtin_add_overflow(to.sum, column.narrow[row], &to.sum)) return of_runs;
      ++to.count;
    }
  }
  of_runs.sums = std::move(sums);
  return of_runs;
}

}  // namespace quipu
