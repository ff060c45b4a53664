// Gather: rows of many batches into one, a column at a time, and of each column the rows of one source at a time (see GatherPlan).
#include <algorithm>
#include <map>
#include <optional>

#include "batch/decimal_align.h"
#include "batch/gather_plan.h"
#include "batch/row_batch.h"

namespace quipu {
namespace {

using Batches = std::span<const RowBatch* const>;

template <class T>
std::vector<T> GatherValues(Batches batches, const GatherPlan& plan,
                            std::vector<T> RowBatch::*field) {
  std::vector<T> out(plan.rows());
  T* const to = out.data();
  for (const GatherPlan::Part& part : plan.parts()) {
    const T* const from = (batches[part.batch]->*field).data();
    plan.ForEachRow(part, [=](std::uint32_t row, std::uint32_t place) { to[place] = from[row]; });
  }
  return out;
}

// Empty if no gathered row has a text.
StringList GatherIdTexts(Batches batches, const GatherPlan& plan, std::span<const RowRef> rows) {
  const auto has_texts = [&](const GatherPlan::Part& part) {
    return batches[part.batch]->id_texts.size() != 0;
  };
  if (std::none_of(plan.parts().begin(), plan.parts().end(), has_texts)) return {};
  std::size_t text_bytes = 0;
  for (const RowRef& ref : rows) text_bytes += batches[ref.batch]->TextOf(ref.row).size();
  StringList out;
  if (text_bytes == 0) return out;  // no text is empty
  out.Reserve(rows.size(), text_bytes);
  for (const RowRef& ref : rows) out.Add(batches[ref.batch]->TextOf(ref.row));
  return out;
}

// Empty if no gathered row has them.
std::vector<std::int64_t> GatherIdMillis(Batches batches, const GatherPlan& plan) {
  std::vector<std::int64_t> out;
  for (const GatherPlan::Part& part : plan.parts()) {
    const RowBatch& from = *batches[part.batch];
    if (from.id_millis.empty()) continue;
    plan.ForEachRow(part, [&](std::uint32_t row, std::uint32_t place) {
      if (from.id_millis[row] == 0) return;
      if (out.empty()) out.resize(plan.rows(), 0);
      out[place] = from.id_millis[row];
    });
  }
  return out;
}

// The source of a column in each batch, null where the batch does not have it.
template <class Column>
using Sources = std::vector<const Column*>;

// Columns that at least one gathered-from batch has, by id.
template <class Column>
std::map<ColumnId, Sources<Column>> FindSources(Batches batches, const GatherPlan& plan,
                                                std::vector<Column> RowBatch::*field) {
  std::map<ColumnId, Sources<Column>> sources;
  for (const GatherPlan::Part& part : plan.parts()) {
    for (const Column& column : batches[part.batch]->*field) {
      Sources<Column>& list = sources[column.id];
      list.resize(batches.size(), nullptr);
      list[part.batch] = &column;
    }
  }
  return sources;
}

CodedColumn GatherCoded(ColumnId id, const Sources<CodedColumn>& sources, const GatherPlan& plan) {
  constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
  CodedColumn out;
  out.id = id;
  out.codes.resize(plan.rows());
  // With only one source its strings cannot meet an equal one.
  const bool is_only = std::count(sources.begin(), sources.end(), nullptr) + 1 ==
                       static_cast<std::ptrdiff_t>(sources.size());
  DictionaryIndex index;
  std::vector<std::uint32_t> new_codes;  // of one source; given out on first sight
  for (const GatherPlan::Part& part : plan.parts()) {
    const CodedColumn* const source = sources[part.batch];
    if (source == nullptr) continue;  // already 0 = absent
    new_codes.assign(source->dictionary.size() + 1, kUnknown);
    new_codes[0] = 0;
    const auto add = [&](std::uint32_t code) {
      const std::string_view text = source->dictionary[code - 1];
      if (!is_only) return index.FindOrAdd(text, &out.dictionary);
      out.dictionary.Add(text);
      return static_cast<std::uint32_t>(out.dictionary.size());
    };
    const std::uint32_t* const from = source->codes.data();
    std::uint32_t* const known = new_codes.data();
    std::uint32_t* const to = out.codes.data();
    plan.ForEachRow(part, [=, &add](std::uint32_t row, std::uint32_t place) {
      const std::uint32_t code = from[row];
      if (known[code] == kUnknown) known[code] = add(code);
      to[place] = known[code];
    });
  }
  return out;
}

struct Presence {
  std::vector<std::uint8_t> present;  // as in DecimalColumn
  bool any = false;
  int scale = 0;  // the largest of the sources that give a value
};

Presence GatherPresence(const Sources<DecimalColumn>& sources, const GatherPlan& plan) {
  Presence out;
  const auto parts = plan.parts();
  const bool everywhere = std::all_of(parts.begin(), parts.end(), [&](const auto& part) {
    return sources[part.batch] != nullptr && sources[part.batch]->present.empty();
  });
  if (!everywhere) out.present.resize(plan.rows());
  std::uint8_t* const to = out.present.data();
  for (const GatherPlan::Part& part : parts) {
    const DecimalColumn* const source = sources[part.batch];
    if (source == nullptr) continue;
    std::uint8_t any = 0;
    if (!source->present.empty()) {
      const std::uint8_t* const from = source->present.data();
      plan.ForEachRow(part, [=, &any](std::uint32_t row, std::uint32_t place) {
        any |= from[row];
        to[place] = from[row];
      });
    } else {
      any = 1;
      if (!everywhere)
        plan.ForEachRow(part, [=](std::uint32_t, std::uint32_t place) { to[place] = 1; });
    }
    if (any == 0) continue;
    out.any = true;
    out.scale = std::max(out.scale, source->scale);
  }
  if (std::find(out.present.begin(), out.present.end(), std::uint8_t{0}) == out.present.end())
    out.present = {};
  return out;
}

// The mantissas of a part at the new scale; false if one does not fit. An absent row's is 0 and stays 0.
bool AlignPart(const DecimalColumn& source, const GatherPlan& plan, const GatherPlan::Part& part,
               int more_digits, std::int64_t* to) {
  if (source.is_wide()) {
    bool fits = true;
    plan.ForEachRow(part, [&](std::uint32_t row, std::uint32_t place) {
      const Int128 aligned = AlignMantissa(source.wide[row], more_digits);
      fits = fits && FitsInt64(aligned);
      to[place] = static_cast<std::int64_t>(aligned);
    });
    return fits;
  }
  const std::int64_t* const from = source.narrow.data();
  if (more_digits == 0) {
    plan.ForEachRow(part, [=](std::uint32_t row, std::uint32_t place) { to[place] = from[row]; });
    return true;
  }
  const std::int64_t factor = ScaleFactor(more_digits);
  bool overflow = false;
  plan.ForEachRow(part, [=, &overflow](std::uint32_t row, std::uint32_t place) {
    overflow |= __builtin_mul_overflow(from[row], factor, &to[place]);
  });
  return !overflow;
}

// All mantissas in 64 bits, or nothing.
std::optional<std::vector<std::int64_t>> GatherNarrow(const Sources<DecimalColumn>& sources,
                                                      const GatherPlan& plan, int scale) {
  std::vector<std::int64_t> out(plan.rows(), 0);
  for (const GatherPlan::Part& part : plan.parts()) {
    const DecimalColumn* const source = sources[part.batch];
    if (source == nullptr) continue;
    // A source of larger scale gives only absent rows: zeros, whatever the factor.
    const int more_digits = std::max(0, scale - source->scale);
    if (!AlignPart(*source, plan, part, more_digits, out.data())) return std::nullopt;
  }
  return out;
}

std::vector<Int128> GatherWide(const Sources<DecimalColumn>& sources, const GatherPlan& plan,
                               int scale) {
  std::vector<Int128> out(plan.rows(), 0);
  for (const GatherPlan::Part& part : plan.parts()) {
    const DecimalColumn* const source = sources[part.batch];
    if (source == nullptr) continue;
    const int more_digits = std::max(0, scale - source->scale);
    plan.ForEachRow(part, [&](std::uint32_t row, std::uint32_t place) {
      out[place] = AlignMantissa(source->Mantissa(row), more_digits);
    });
  }
  return out;
}

std::optional<DecimalColumn> GatherDecimal(ColumnId id, const Sources<DecimalColumn>& sources,
                                           const GatherPlan& plan) {
  Presence presence = GatherPresence(sources, plan);
  if (!presence.any && id != kQuantityColumn) return std::nullopt;
  DecimalColumn out;
  out.id = id;
  out.scale = presence.scale;
  out.present = std::move(presence.present);
  if (auto narrow = GatherNarrow(sources, plan, out.scale)) {
    out.narrow = *std::move(narrow);
  } else {
    out.wide = GatherWide(sources, plan, out.scale);
  }
  return out;
}

}  // namespace

RowBatch Gather(Batches batches, std::span<const RowRef> rows) {
  const GatherPlan plan(batches, rows);
  RowBatch out;
  out.customers = GatherValues(batches, plan, &RowBatch::customers);
  out.services = GatherValues(batches, plan, &RowBatch::services);
  out.times = GatherValues(batches, plan, &RowBatch::times);
  const bool has_keys = std::none_of(
      plan.parts().begin(), plan.parts().end(),
      [&](const GatherPlan::Part& part) { return batches[part.batch]->identities.empty(); });
  if (has_keys) {
    out.identities = GatherValues(batches, plan, &RowBatch::identities);
    out.id_forms = GatherValues(batches, plan, &RowBatch::id_forms);
  }
  out.id_texts = GatherIdTexts(batches, plan, rows);
  out.id_millis = GatherIdMillis(batches, plan);

  Sources<CodedColumn> event_sources(batches.size(), nullptr);
  for (const GatherPlan::Part& part : plan.parts())
    event_sources[part.batch] = &batches[part.batch]->sources;
  out.sources = GatherCoded(0, event_sources, plan);

  auto measure_sources = FindSources(batches, plan, &RowBatch::measures);
  measure_sources[kQuantityColumn].resize(batches.size(), nullptr);
  for (const auto& [id, sources] : measure_sources) {
    if (auto column = GatherDecimal(id, sources, plan)) out.measures.push_back(*std::move(column));
  }
  for (const auto& [id, sources] : FindSources(batches, plan, &RowBatch::dimensions)) {
    CodedColumn column = GatherCoded(id, sources, plan);
    if (column.dictionary.size() != 0) out.dimensions.push_back(std::move(column));
  }
  return out;
}

}  // namespace quipu
