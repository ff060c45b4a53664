// RemoveRows: a few rows out of a batch, in place. What stays between two of them moves as a whole; dictionaries are left as they are.
#include <algorithm>

#include "base/check.h"
#include "batch/decimal_align.h"
#include "batch/row_batch.h"

namespace quipu {
namespace {

using Removed = std::span<const std::uint32_t>;

/// Calls `move(from, count)` for each run of rows that stay, behind the first removed one.
template <class Move>
void ForEachRunBehind(Removed removed, std::size_t rows, const Move& move) {
  for (std::size_t r = 0; r < removed.size(); ++r) {
    const std::size_t from = removed[r] + std::size_t{1};
    const std::size_t end = r + 1 < removed.size() ? removed[r + 1] : rows;
    if (from < end) move(from, end - from);
  }
}

template <class T>
void Remove(Removed removed, std::vector<T>* values) {
  if (values->empty()) return;
  T* to = values->data() + removed.front();
  ForEachRunBehind(removed, values->size(), [&](std::size_t from, std::size_t count) {
    to = std::copy_n(values->data() + from, count, to);
  });
  values->resize(values->size() - removed.size());
}

void Remove(Removed removed, StringList* list) {
  if (list->size() == 0) return;
  StringList left;
  left.Reserve(list->size() - removed.size(), list->text().size());
  left.AddRange(*list, 0, removed.front());
  ForEachRunBehind(removed, list->size(),
                   [&](std::size_t from, std::size_t count) { left.AddRange(*list, from, count); });
  *list = std::move(left);
}

/// If every value that is left fits 64 bits.
void MakeNarrow(DecimalColumn* column) {
  if (!std::all_of(column->wide.begin(), column->wide.end(), FitsInt64)) return;
  for (const Int128 mantissa : column->wide)
    column->narrow.push_back(static_cast<std::int64_t>(mantissa));
  column->wide = {};
}

}  // namespace

void RemoveRows(Removed removed, RowBatch* rows) {
  if (removed.empty()) return;
  QUIPU_CHECK(removed.back() < rows->size());
  Remove(removed, &rows->customers);
  Remove(removed, &rows->services);
  Remove(removed, &rows->times);
  Remove(removed, &rows->identities);
  Remove(removed, &rows->id_forms);
  Remove(removed, &rows->id_texts);
  Remove(removed, &rows->id_millis);
  Remove(removed, &rows->sources.codes);
  for (DecimalColumn& column : rows->measures) {
    Remove(removed, &column.present);
    Remove(removed, &column.narrow);
    Remove(removed, &column.wide);
  }
  for (CodedColumn& column : rows->dimensions) Remove(removed, &column.codes);
  // What no row uses any more is left out, as ever.
  const auto is_zero = [](const auto& value) { return value == 0; };
  if (rows->id_texts.text().empty()) rows->id_texts = {};
  if (std::all_of(rows->id_millis.begin(), rows->id_millis.end(), is_zero)) rows->id_millis = {};
  for (DecimalColumn& column : rows->measures) MakeNarrow(&column);
  for (DecimalColumn& column : rows->measures) {
    if (std::none_of(column.present.begin(), column.present.end(), is_zero)) column.present = {};
  }
  std::erase_if(rows->measures, [&](const DecimalColumn& column) {
    return column.id != kQuantityColumn && !column.present.empty() &&
           std::all_of(column.present.begin(), column.present.end(), is_zero);
  });
  std::erase_if(rows->dimensions, [&](const CodedColumn& column) {
    return std::all_of(column.codes.begin(), column.codes.end(), is_zero);
  });
}

}  // namespace quipu
