#include "query/chunk.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace quipu {

RowFilter::RowFilter(const BoundQuery& query, const Catalogue& catalogue)
    : query_(&query),
      catalogue_(&catalogue),
      memos_(query.filters.size()),
      ordinal_memos_(query.filters.size()) {}

void RowFilter::ForgetDictionaries() {
  for (DictionaryMemo& memo : memos_) memo.Reset();
}

bool RowFilter::PassesOrdinal(const BoundFilter& filter, std::map<std::uint32_t, bool>* memo,
                              std::uint32_t ordinal) const {
  const auto [it, is_new] = memo->try_emplace(ordinal, false);
  if (is_new) {
    it->second = filter.MatchesText(filter.field.kind == FieldKind::kCustomer
                                        ? catalogue_->Customer(ordinal)
                                        : catalogue_->Service(ordinal));
  }
  return it->second;
}

void RowFilter::Apply(const Chunk& chunk, std::vector<std::uint32_t>* selected) {
  for (std::size_t f = 0; f < query_->filters.size() && !selected->empty(); ++f) {
    const BoundFilter& filter = query_->filters[f];
    switch (filter.field.kind) {
      case FieldKind::kCustomer:
        std::erase_if(*selected, [&](std::uint32_t i) {
          return !PassesOrdinal(filter, &ordinal_memos_[f], chunk.customers[i]);
        });
        break;
      case FieldKind::kService:
        std::erase_if(*selected, [&](std::uint32_t i) {
          return !PassesOrdinal(filter, &ordinal_memos_[f], chunk.services[i]);
        });
        break;
      case FieldKind::kDimension: {
        const Chunk::DimensionColumn& column = chunk.dimensions[filter.slot];
        DictionaryMemo& memo = memos_[f];
        memo.Use(column.dictionary);
        const auto matches = [&](std::string_view s) { return filter.MatchesText(s) ? 1u : 0u; };
        std::erase_if(*selected, [&](std::uint32_t i) {
          const std::uint32_t code = column.codes == nullptr ? 0 : column.codes[i];
          return code == 0 ? !filter.MatchesAbsent() : memo.Of(code - 1, matches) == 0;
        });
        break;
      }
      case FieldKind::kMeasure: {
        const Chunk::MeasureColumn& column = chunk.measures[filter.slot];
        std::erase_if(*selected, [&](std::uint32_t i) {
          if (!column.IsPresent(i)) return !filter.MatchesAbsent();
          return !filter.MatchesNumber(Decimal(column.Mantissa(i), column.scale));
        });
        break;
      }
    }
  }
}

Aggregator::Aggregator(const BoundQuery& query, const Catalogue& catalogue, Groups* groups)
    : query_(&query),
      catalogue_(&catalogue),
      groups_(groups),
      filter_(query, catalogue),
      group_memos_(query.group_by.size()),
      key_(1 + query.group_by.size()) {}

void Aggregator::ForgetDictionaries() {
  filter_.ForgetDictionaries();
  for (DictionaryMemo& memo : group_memos_) memo.Reset();
}

Status Aggregator::Add(const Chunk& chunk, std::vector<std::uint32_t>* selected) {
  filter_.Apply(chunk, selected);
  if (selected->empty()) return {};
  QUIPU_TRY(AssignGroups(chunk, *selected));
  for (const std::uint32_t g : group_of_) ++groups_->rows(g);
  for (std::size_t m = 0; m < query_->measures.size(); ++m) {
    if (query_->measures[m].aggregated()) AddMeasure(m, chunk, *selected);
  }
  for (std::size_t d = 0; d < query_->distincts.size(); ++d) AddDistinct(d, chunk, *selected);
  return groups_->CheckMemory(selected->size());
}

std::uint32_t Aggregator::KeyPart(std::size_t field, const Chunk& chunk, std::size_t row) {
  switch (query_->group_by[field].kind) {
    case FieldKind::kCustomer:
      return chunk.customers[row];
    case FieldKind::kService:
      return chunk.services[row];
    default:
      break;
  }
  const Chunk::DimensionColumn& column = chunk.dimensions[query_->group_slots[field]];
  const std::uint32_t code = column.codes == nullptr ? 0 : column.codes[row];
  if (code == 0) return 0;
  return group_memos_[field].Of(code - 1,
                                [&](std::string_view s) { return groups_->strings().Intern(s); });
}

/// Fills group_of_. Neighbouring rows mostly share their group: the table is asked only when the key changes.
Status Aggregator::AssignGroups(const Chunk& chunk, const std::vector<std::uint32_t>& selected) {
  for (std::size_t f = 0; f < query_->group_by.size(); ++f) {
    if (query_->group_by[f].kind == FieldKind::kDimension) {
      group_memos_[f].Use(chunk.dimensions[query_->group_slots[f]].dictionary);
    }
  }
  group_of_.resize(selected.size());
  last_key_.clear();
  for (std::size_t k = 0; k < selected.size(); ++k) {
    const std::uint32_t row = selected[k];
    const TimeUs t = chunk.times[row];
    if (t < window_start_ || t >= window_end_) {
      window_ = query_->WindowOf(t);
      window_start_ = query_->windows[window_];
      window_end_ = query_->WindowEnd(window_);
    }
    key_[0] = static_cast<std::uint32_t>(window_);
    for (std::size_t f = 0; f < query_->group_by.size(); ++f) key_[f + 1] = KeyPart(f, chunk, row);
    if (key_ == last_key_) {
      group_of_[k] = group_of_[k - 1];
      continue;
    }
    QUIPU_TRY_ASSIGN(group_of_[k], groups_->Find(key_));
    last_key_ = key_;
  }
  return {};
}

void Aggregator::AddMeasure(std::size_t slot, const Chunk& chunk,
                            const std::vector<std::uint32_t>& selected) {
  const MeasureNeed& need = query_->measures[slot];
  const Chunk::MeasureColumn& column = chunk.measures[slot];
  if (!column.exists) return;
  if (need.stats && column.narrow != nullptr) {
    AddNarrowStats(slot, column, selected);
    if (!need.quantiles && !need.ends) return;
  }
  for (std::size_t k = 0; k < selected.size(); ++k) {
    const std::uint32_t row = selected[k];
    if (!column.IsPresent(row)) continue;
    const std::uint32_t g = group_of_[k];
    const Int128 mantissa = column.Mantissa(row);
    if (need.stats && column.narrow == nullptr) groups_->stats(g, slot).Add(mantissa, column.scale);
    if (need.quantiles) groups_->quantiles(g, slot).Add(mantissa, column.scale);
    if (need.ends) {
      RowPlace place = chunk.place;
      place.row += row;
      groups_->AddEnd(g, slot, {chunk.times[row], place, AtSumScale(mantissa, column.scale), {}});
    }
  }
}

/// Neighbouring rows mostly share their group: their mantissas are summed as integers and reach the 192-bit sum once per stretch.
void Aggregator::AddNarrowStats(std::size_t slot, const Chunk::MeasureColumn& column,
                                const std::vector<std::uint32_t>& selected) {
  for (std::size_t k = 0; k < selected.size();) {
    const std::uint32_t g = group_of_[k];
    std::uint64_t n = 0;
    Int128 sum = 0;
    std::int64_t low = std::numeric_limits<std::int64_t>::max();
    std::int64_t high = std::numeric_limits<std::int64_t>::min();
    for (; k < selected.size() && group_of_[k] == g; ++k) {
      const std::uint32_t row = selected[k];
      if (column.present != nullptr && column.present[row] == 0) continue;
      const std::int64_t v = column.narrow[row];
      sum += v;
      low = std::min(low, v);
      high = std::max(high, v);
      ++n;
    }
    if (n > 0) groups_->stats(g, slot).AddMany(n, sum, low, high, column.scale);
  }
}

void Aggregator::AddDistinct(std::size_t slot, const Chunk& chunk,
                             const std::vector<std::uint32_t>& selected) {
  const Field& field = query_->distincts[slot];
  std::uint32_t last_value = 0xFFFFFFFF;
  std::uint32_t last_group = 0xFFFFFFFF;
  for (std::size_t k = 0; k < selected.size(); ++k) {
    const std::uint32_t row = selected[k];
    std::uint32_t value = 0;
    std::string_view text;
    if (field.kind == FieldKind::kDimension) {
      const Chunk::DimensionColumn& column = chunk.dimensions[query_->distinct_slots[slot]];
      value = column.codes == nullptr ? 0 : column.codes[row];
      if (value == 0) continue;  // absent is not a value
      text = (*column.dictionary)[value - 1];
    } else {
      value = field.kind == FieldKind::kCustomer ? chunk.customers[row] : chunk.services[row];
    }
    if (value == last_value && group_of_[k] == last_group) continue;
    last_value = value;
    last_group = group_of_[k];
    if (field.kind == FieldKind::kCustomer) text = catalogue_->Customer(value);
    if (field.kind == FieldKind::kService) text = catalogue_->Service(value);
    groups_->distinct(last_group, slot).Add(Hash64(text));
  }
}

}  // namespace quipu
