#include "query/chunk.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "codec/kernels.h"
#include "sketch/exact_sum.h"

namespace quipu {
namespace {

// Of a filter's table: not computed yet.
constexpr std::uint8_t kUnknown = 2;
// Dictionaries up to this size are looked through at once; of larger ones an entry when a row has it.
constexpr std::size_t kLearntAtOnceMax = 4096;

/// Keeps the rows for which `passes(row)`, which is 0 or 1, and drops spans that become empty.
template <class Passes>
void Keep(Selection* selection, Passes&& passes) {
  const bool was_listed = selection->listed;
  if (!was_listed) {  // room for all
    std::size_t all = 0;
    for (const RowSpan& s : selection->spans) all += s.end - s.begin;
    selection->rows.resize(all);
  }
  std::uint32_t* const rows = selection->rows.data();
  std::uint32_t kept = 0;
  std::size_t spans = 0;
  for (const RowSpan& span : selection->spans) {
    const std::uint32_t begin = kept;
    for (std::uint32_t k = span.begin; k < span.end; ++k) {
      const std::uint32_t row = was_listed ? rows[k] : k;
      rows[kept] = row;
      kept += passes(row);
    }
    if (kept > begin) selection->spans[spans++] = {begin, kept, span.customer, span.service};
  }
  selection->spans.resize(spans);
  selection->rows.resize(kept);
  selection->listed = true;
}

Int128 SaturatedProduct(Int128 a, Int128 b) {
  Int128 product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  constexpr Int128 kMax = static_cast<Int128>(~Uint128{0} >> 1);
  return a < 0 ? -kMax : kMax;
}

}  // namespace

Chunk::MeasureColumn ColumnFrom(const DecimalColumn& column, std::size_t at) {
  return {true,
          column.scale,
          column.present.empty() ? nullptr : column.present.data() + at,
          column.is_wide() ? nullptr : column.narrow.data() + at,
          column.is_wide() ? column.wide.data() + at : nullptr,
          false};
}

Chunk::MeasureColumn ColumnFrom(const MeasureVector& vector) {
  if (vector.present_count == 0) return {};
  constexpr Int128 kSmall = std::numeric_limits<std::int64_t>::max() / kVectorRows;
  return {true,
          vector.scale,
          vector.all_present ? nullptr : vector.present.data(),
          vector.is_wide ? nullptr : vector.narrow.data(),
          vector.is_wide ? vector.wide.data() : nullptr,
          !vector.is_wide && vector.min >= -kSmall && vector.max <= kSmall};
}

void AddToSketch(const Chunk::MeasureColumn& column, std::uint32_t begin, std::uint32_t end,
                 const std::uint32_t* rows, std::vector<std::int64_t>* room,
                 QuantileSketch* sketch) {
  std::span<const std::int64_t> values;
  if (rows == nullptr && column.narrow != nullptr && column.present == nullptr) {
    values = {column.narrow + begin, end - begin};
  } else {
    room->clear();
    for (std::uint32_t k = begin; k < end; ++k) {
      const std::uint32_t row = rows == nullptr ? k : rows[k];
      if (!column.IsPresent(row)) continue;
      if (column.narrow == nullptr) {
        sketch->Add(column.wide[row], column.scale);
      } else {
        room->push_back(column.narrow[row]);
      }
    }
    values = *room;
  }
  if (values.empty()) return;
  const IntRange range = Kernels().range(values.data(), values.size());
  sketch->AddMany(values, range.min, range.max, column.scale);
}

std::uint32_t CountBefore(const TimeUs* times, std::uint32_t n, TimeUs t) {
  const TimeUs* base = times;
  while (n > 1) {
    const std::uint32_t half = n / 2;
    base += half & (0u - static_cast<std::uint32_t>(base[half - 1] < t ? 1 : 0));
    n -= half;
  }
  return static_cast<std::uint32_t>(base - times) + (n == 1 && *base < t ? 1 : 0);
}

void Selection::List() {
  if (listed) return;
  Keep(this, [](std::uint32_t) { return 1u; });
}

MantissaRange RangeOf(FilterOp op, const Decimal& number, int scale) {
  constexpr Int128 kMax = static_cast<Int128>(~Uint128{0} >> 1);
  // The number at `scale` lies in [floor, ceiling]; they differ if it has more digits.
  Int128 floor = 0, ceiling = 0;
  if (scale >= number.scale()) {
    floor = ceiling =
        SaturatedProduct(number.mantissa(), static_cast<Int128>(PowerOf10(scale - number.scale())));
  } else {
    const auto divisor = static_cast<Int128>(PowerOf10(number.scale() - scale));
    const Int128 rest = number.mantissa() % divisor;
    floor = number.mantissa() / divisor - (rest < 0 ? 1 : 0);
    ceiling = floor + (rest != 0 ? 1 : 0);
  }
  switch (op) {
    case FilterOp::kLess:
      return {-kMax, ceiling - 1};
    case FilterOp::kLessEqual:
      return {-kMax, floor};
    case FilterOp::kGreater:
      return {floor + 1, kMax};
    case FilterOp::kGreaterEqual:
      return {ceiling, kMax};
    default:
      return {ceiling, floor};
  }
}

RowFilter::RowFilter(const BoundQuery& query, const Catalogue& catalogue)
    : query_(&query), catalogue_(&catalogue), states_(query.filters.size()) {}

Status RowFilter::Apply(Chunk* chunk, Selection* selection) {
  for (std::size_t f = 0; f < states_.size() && !selection->spans.empty(); ++f) {
    const BoundFilter& filter = query_->filters[f];
    switch (filter.field.kind) {
      case FieldKind::kCustomer:
      case FieldKind::kService:
        FilterSpans(filter, &states_[f], selection);
        break;
      case FieldKind::kDimension:
        QUIPU_TRY(FilterCodes(filter, &states_[f], chunk, selection));
        break;
      case FieldKind::kMeasure:
        QUIPU_TRY(FilterValues(filter, chunk, selection));
        break;
    }
  }
  return {};
}

void RowFilter::FilterSpans(const BoundFilter& filter, State* state, Selection* selection) const {
  const bool by_customer = filter.field.kind == FieldKind::kCustomer;
  std::erase_if(selection->spans, [&](const RowSpan& span) {
    const std::uint32_t ordinal = by_customer ? span.customer : span.service;
    if (ordinal >= state->passes.size()) state->passes.resize(ordinal + 1, kUnknown);
    std::uint8_t& passes = state->passes[ordinal];
    if (passes == kUnknown) {
      passes = filter.MatchesText(by_customer ? catalogue_->Customer(ordinal)
                                              : catalogue_->Service(ordinal))
                   ? 1
                   : 0;
    }
    return passes == 0;
  });
}

// Which codes pass, as far as it is worth knowing before a row asks.
void RowFilter::Learn(const BoundFilter& filter, const DictionaryPtr& dictionary, State* state) {
  if (dictionary == state->dictionary && !state->passes.empty()) return;
  state->dictionary = dictionary;
  const std::size_t entries = dictionary == nullptr ? 0 : dictionary->size();
  state->passes.assign(entries + 1, kUnknown);
  state->passes[0] = filter.MatchesAbsent() ? 1 : 0;
  state->all_known = entries <= kLearntAtOnceMax;
  state->passing_first = 1;
  state->passing_last = static_cast<std::uint32_t>(entries) + 1;
  if (!state->all_known) return;
  state->passing_first = state->passing_last = 0;
  for (std::uint32_t code = 1; code <= entries; ++code) {
    const bool passes = filter.MatchesText((*dictionary)[code - 1]);
    state->passes[code] = passes ? 1 : 0;
    if (!passes) continue;
    if (state->passing_first == 0) state->passing_first = code;
    state->passing_last = code + 1;
  }
}

Status RowFilter::FilterCodes(const BoundFilter& filter, State* state, Chunk* chunk,
                              Selection* selection) {
  CodeBounds bounds;
  DictionaryPtr dictionary_of_zone;
  QUIPU_TRY_ASSIGN(const bool has_zone,
                   chunk->ZoneOfCodes(filter.slot, &bounds, &dictionary_of_zone));
  if (has_zone) {
    Learn(filter, dictionary_of_zone, state);
    if (state->all_known && !state->MayPass(bounds)) {
      selection->Clear();
      return {};
    }
  }
  QUIPU_TRY_ASSIGN(const Chunk::DimensionColumn* const column, chunk->Dimension(filter.slot));
  if (column->codes == nullptr) {
    if (!filter.MatchesAbsent()) selection->Clear();
    return {};
  }
  Learn(filter, column->dictionary, state);
  const std::uint32_t* const codes = column->codes;
  std::uint8_t* const passes = state->passes.data();
  if (state->all_known) {
    Keep(selection, [=](std::uint32_t row) -> std::uint32_t { return passes[codes[row]]; });
    return {};
  }
  const StringList& dictionary = *column->dictionary;
  Keep(selection, [&](std::uint32_t row) -> std::uint32_t {
    std::uint8_t& known = passes[codes[row]];
    if (known == kUnknown) known = filter.MatchesText(dictionary[codes[row] - 1]) ? 1 : 0;
    return known;
  });
  return {};
}

Status RowFilter::FilterValues(const BoundFilter& filter, Chunk* chunk, Selection* selection) {
  const bool is_range = filter.op != FilterOp::kIn && filter.op != FilterOp::kNotEqual &&
                        filter.op != FilterOp::kPrefix;
  if (is_range) {
    QUIPU_TRY_ASSIGN(const MeasureVectorStats* const stats, chunk->Stats(filter.slot));
    if (stats != nullptr) {
      const MantissaRange range = RangeOf(filter.op, filter.numbers[0], stats->scale);
      if (stats->present_count == 0 || stats->max < range.low || stats->min > range.high) {
        selection->Clear();
        return {};
      }
      if (stats->present_count == chunk->rows() && stats->min >= range.low &&
          stats->max <= range.high)
        return {};
    }
  }
  QUIPU_TRY_ASSIGN(const Chunk::MeasureColumn* const column, chunk->Measure(filter.slot));
  if (is_range && column->exists && column->narrow != nullptr) {
    const MantissaRange range = RangeOf(filter.op, filter.numbers[0], column->scale);
    constexpr Int128 kLow = std::numeric_limits<std::int64_t>::min();
    constexpr Int128 kHigh = std::numeric_limits<std::int64_t>::max();
    if (range.low > kHigh || range.high < kLow || range.low > range.high) {
      selection->Clear();
      return {};
    }
    const auto low = static_cast<std::int64_t>(std::max(range.low, kLow));
    const auto high = static_cast<std::int64_t>(std::min(range.high, kHigh));
    const std::int64_t* const values = column->narrow;
    const std::uint8_t* const present = column->present;
    Keep(selection, [=](std::uint32_t row) -> std::uint32_t {
      const bool inside = values[row] >= low && values[row] <= high;
      return (present == nullptr || present[row] != 0 ? 1u : 0u) & (inside ? 1u : 0u);
    });
    return {};
  }
  Keep(selection, [&](std::uint32_t row) -> std::uint32_t {
    if (!column->IsPresent(row)) return filter.MatchesAbsent() ? 1 : 0;
    return filter.MatchesNumber(Decimal(column->Mantissa(row), column->scale)) ? 1 : 0;
  });
  return {};
}

}  // namespace quipu
