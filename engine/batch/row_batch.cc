#include "batch/row_batch.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

template <class Column>
const Column* FindById(const std::vector<Column>& columns, ColumnId id) {
  const auto at = std::lower_bound(columns.begin(), columns.end(), id,
                                   [](const Column& c, ColumnId wanted) { return c.id < wanted; });
  return at != columns.end() && at->id == id ? &*at : nullptr;
}

template <class T>
std::size_t HeapBytes(const std::vector<T>& v) {
  return v.capacity() * sizeof(T);
}

std::size_t HeapBytes(const CodedColumn& c) { return c.dictionary.bytes() + HeapBytes(c.codes); }
std::size_t HeapBytes(const DecimalColumn& c) {
  return HeapBytes(c.present) + HeapBytes(c.narrow) + HeapBytes(c.wide);
}

bool SameValue(const DecimalColumn& a, std::size_t row_a, const DecimalColumn& b,
               std::size_t row_b) {
  if (a.scale == b.scale) return a.Mantissa(row_a) == b.Mantissa(row_b);
  return a.Value(row_a) == b.Value(row_b);
}

bool SameValue(const CodedColumn& a, std::size_t row_a, const CodedColumn& b, std::size_t row_b) {
  return a.Text(row_a) == b.Text(row_b);
}

// The first column at or after `i` that has a value in the row.
template <class Column>
std::size_t SkipAbsent(const std::vector<Column>& columns, std::size_t i, std::size_t row) {
  while (i < columns.size() && !columns[i].IsPresent(row)) ++i;
  return i;
}

// Both lists are sorted by id, so the present values of two equal rows meet pairwise.
template <class Column>
bool SameValues(const std::vector<Column>& a, std::size_t row_a, const std::vector<Column>& b,
                std::size_t row_b) {
  std::size_t i = SkipAbsent(a, 0, row_a);
  std::size_t k = SkipAbsent(b, 0, row_b);
  while (i < a.size() && k < b.size()) {
    if (a[i].id != b[k].id || !SameValue(a[i], row_a, b[k], row_b)) return false;
    i = SkipAbsent(a, i + 1, row_a);
    k = SkipAbsent(b, k + 1, row_b);
  }
  return i == a.size() && k == b.size();
}

}  // namespace

void StringList::AddRange(const StringList& from, std::size_t first, std::size_t count) {
  const std::uint32_t begin = from.offsets_[first];
  const std::uint32_t end = from.offsets_[first + count];
  QUIPU_CHECK(end - begin <= kTextMax - text_.size());
  const auto shift = static_cast<std::uint32_t>(text_.size()) - begin;  // modulo 2^32
  text_.append(from.text_, begin, end - begin);
  for (std::size_t i = first + 1; i <= first + count; ++i)
    offsets_.push_back(from.offsets_[i] + shift);
}

void RowBatch::AddIdentity(const Identity& identity, std::string_view id) {
  const std::size_t rows_before = identities.size();
  identities.push_back(identity.key);
  id_forms.push_back(identity.form);
  const bool is_text = identity.form == IdForm::kText;
  if (is_text || id_texts.size() != 0) {
    while (id_texts.size() < rows_before) id_texts.Add({});
    id_texts.Add(is_text ? id : std::string_view());
  }
  if (identity.millis != 0 || !id_millis.empty()) {
    id_millis.resize(rows_before, 0);
    id_millis.push_back(identity.millis);
  }
}

const DecimalColumn* RowBatch::FindMeasure(ColumnId id) const { return FindById(measures, id); }
const CodedColumn* RowBatch::FindDimension(ColumnId id) const { return FindById(dimensions, id); }

std::size_t RowBatch::bytes() const {
  std::size_t total = sizeof *this + HeapBytes(customers) + HeapBytes(services) + HeapBytes(times) +
                      HeapBytes(identities) + HeapBytes(id_forms) + id_texts.bytes() +
                      HeapBytes(id_millis) + HeapBytes(sources) + HeapBytes(measures) +
                      HeapBytes(dimensions);
  for (const DecimalColumn& c : measures) total += HeapBytes(c);
  for (const CodedColumn& c : dimensions) total += HeapBytes(c);
  return total;
}

std::string RowBatch::IdText(std::size_t row, std::string_view customer) const {
  if (id_forms[row] == IdForm::kText) return std::string(TextOf(row));
  std::string text;
  SpellId(IdentityScope(customer, sources.Text(row)), IdentityOf(row), &text);
  return text;
}

bool SameIdentity(const RowBatch& a, std::size_t row_a, const RowBatch& b, std::size_t row_b) {
  return a.IdentityOf(row_a) == b.IdentityOf(row_b) && a.customers[row_a] == b.customers[row_b] &&
         a.TextOf(row_a) == b.TextOf(row_b) && a.sources.Text(row_a) == b.sources.Text(row_b);
}

bool SameContent(const RowBatch& a, std::size_t row_a, const RowBatch& b, std::size_t row_b) {
  return a.times[row_a] == b.times[row_b] && a.services[row_a] == b.services[row_b] &&
         SameValues(a.measures, row_a, b.measures, row_b) &&
         SameValues(a.dimensions, row_a, b.dimensions, row_b);
}

}  // namespace quipu
