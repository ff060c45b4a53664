#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "batch/decimal_align.h"
#include "batch/row_batch.h"

namespace quipu {
namespace {

// The entry of `id` in a list sorted by id, made if it is not there yet.
template <class Pending>
Pending& FindOrInsert(std::vector<Pending>* list, ColumnId id) {
  auto at = std::lower_bound(list->begin(), list->end(), id,
                             [](const Pending& p, ColumnId wanted) { return p.id < wanted; });
  if (at == list->end() || at->id != id) {
    at = list->insert(at, Pending{});
    at->id = id;
  }
  return *at;
}

}  // namespace

void RowBatchBuilder::BeginRow(CustomerOrdinal customer, ServiceOrdinal service, TimeUs time,
                               const Identity& identity, std::string_view id,
                               std::string_view source) {
  QUIPU_CHECK(size() < std::numeric_limits<std::uint32_t>::max());
  batch_.customers.push_back(customer);
  batch_.services.push_back(service);
  batch_.times.push_back(time);
  batch_.AddIdentity(identity, id);
  sources_.column.codes.push_back(sources_.index.FindOrAdd(source, &sources_.column.dictionary));
}

void RowBatchBuilder::AddMeasure(ColumnId id, const Decimal& value) {
  QUIPU_CHECK(size() > 0);
  const auto row = static_cast<std::uint32_t>(size() - 1);
  PendingMeasure& pending = FindOrInsert(&measures_, id);
  QUIPU_CHECK(pending.rows.empty() || pending.rows.back() != row);
  pending.rows.push_back(row);
  pending.values.push_back(value);
  pending.scale_max = std::max(pending.scale_max, value.scale());
}

void RowBatchBuilder::AddDimension(ColumnId id, std::string_view value) {
  QUIPU_CHECK(size() > 0);
  const std::size_t row = size() - 1;
  PendingDimension& pending = FindOrInsert(&dimensions_, id);
  std::vector<std::uint32_t>& codes = pending.column.codes;
  QUIPU_CHECK(codes.size() <= row);
  codes.resize(row, 0);
  codes.push_back(pending.index.FindOrAdd(value, &pending.column.dictionary));
}

DecimalColumn RowBatchBuilder::FinishMeasure(const PendingMeasure& pending, std::size_t rows) {
  DecimalColumn column;
  column.id = pending.id;
  column.scale = pending.scale_max;
  std::vector<Int128> aligned(pending.values.size());
  bool narrow = true;
  for (std::size_t i = 0; i < aligned.size(); ++i) {
    const Decimal& d = pending.values[i];
    aligned[i] = AlignMantissa(d.mantissa(), column.scale - d.scale());
    narrow = narrow && FitsInt64(aligned[i]);
  }
  if (narrow) {
    column.narrow.assign(rows, 0);
    for (std::size_t i = 0; i < aligned.size(); ++i)
      column.narrow[pending.rows[i]] = static_cast<std::int64_t>(aligned[i]);
  } else {
    column.wide.assign(rows, 0);
    for (std::size_t i = 0; i < aligned.size(); ++i) column.wide[pending.rows[i]] = aligned[i];
  }
  if (pending.rows.size() != rows) {
    column.present.assign(rows, 0);
    for (const std::uint32_t row : pending.rows) column.present[row] = 1;
  }
  return column;
}

RowBatch RowBatchBuilder::Finish() {
  const std::size_t rows = size();
  FindOrInsert(&measures_, kQuantityColumn);
  RowBatch batch = std::move(batch_);
  batch.sources = std::move(sources_.column);
  batch.measures.reserve(measures_.size());
  for (const PendingMeasure& pending : measures_)
    batch.measures.push_back(FinishMeasure(pending, rows));
  batch.dimensions.reserve(dimensions_.size());
  for (PendingDimension& pending : dimensions_) {
    pending.column.id = pending.id;
    pending.column.codes.resize(rows, 0);
    batch.dimensions.push_back(std::move(pending.column));
  }
  *this = RowBatchBuilder();
  return batch;
}

}  // namespace quipu
