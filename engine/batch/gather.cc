// Gather: rows of many batches into one. Row references are first folded into runs of neighbouring rows, so that a sorted merge
// of long stretches, or one batch in order, copies by the block; each column is then filled in one pass of its own.
#include <algorithm>
#include <map>
#include <optional>

#include "base/check.h"
#include "batch/decimal_align.h"
#include "batch/row_batch.h"

namespace quipu {
namespace {

using Batches = std::span<const RowBatch* const>;

struct Run {
  std::uint32_t batch, row, count;
};
using Runs = std::vector<Run>;

Runs FoldIntoRuns(Batches batches, std::span<const RowRef> rows) {
  Runs runs;
  for (const RowRef& ref : rows) {
    QUIPU_CHECK(ref.batch < batches.size() && ref.row < batches[ref.batch]->size());
    if (!runs.empty() && runs.back().batch == ref.batch &&
        runs.back().row + runs.back().count == ref.row) {
      ++runs.back().count;
    } else {
      runs.push_back({ref.batch, ref.row, 1});
    }
  }
  return runs;
}

template <class T>
std::vector<T> GatherValues(Batches batches, const Runs& runs, std::size_t rows,
                            std::vector<T> RowBatch::*field) {
  std::vector<T> out(rows);
  T* to = out.data();
  for (const Run& run : runs) {
    const T* from = (batches[run.batch]->*field).data() + run.row;
    if (run.count == 1) {
      *to++ = *from;
    } else {
      to = std::copy(from, from + run.count, to);
    }
  }
  return out;
}

// Empty if no gathered row has a text.
StringList GatherIdTexts(Batches batches, const Runs& runs, std::size_t rows) {
  std::size_t text_bytes = 0;
  for (const Run& run : runs) {
    if (batches[run.batch]->id_texts.size() == 0) continue;
    const std::vector<std::uint32_t>& offsets = batches[run.batch]->id_texts.offsets();
    text_bytes += offsets[run.row + run.count] - offsets[run.row];
  }
  StringList out;
  if (text_bytes == 0) return out;  // no text is empty
  out.Reserve(rows, text_bytes);
  for (const Run& run : runs) {
    const StringList& from = batches[run.batch]->id_texts;
    if (from.size() != 0) {
      out.AddRange(from, run.row, run.count);
    } else {
      for (std::uint32_t i = 0; i < run.count; ++i) out.Add({});
    }
  }
  return out;
}

// Empty if no gathered row has them.
std::vector<std::int64_t> GatherIdMillis(Batches batches, const Runs& runs, std::size_t rows) {
  std::vector<std::int64_t> out;
  std::size_t at = 0;
  for (const Run& run : runs) {
    const RowBatch& from = *batches[run.batch];
    for (std::uint32_t i = run.row; !from.id_millis.empty() && i < run.row + run.count; ++i) {
      if (!HasMillis(from.id_forms[i])) continue;
      if (out.empty()) out.resize(rows, 0);
      out[at + i - run.row] = from.id_millis[i];
    }
    at += run.count;
  }
  return out;
}

// The source of a column in each batch, null where the batch does not have it.
template <class Column>
using Sources = std::vector<const Column*>;

// Columns that at least one gathered-from batch has, by id.
template <class Column>
std::map<ColumnId, Sources<Column>> FindSources(Batches batches, const std::vector<bool>& used,
                                                std::vector<Column> RowBatch::*field) {
  std::map<ColumnId, Sources<Column>> sources;
  for (std::size_t b = 0; b < batches.size(); ++b) {
    if (!used[b]) continue;
    for (const Column& column : batches[b]->*field) {
      Sources<Column>& list = sources[column.id];
      list.resize(batches.size(), nullptr);
      list[b] = &column;
    }
  }
  return sources;
}

// New codes for the old ones of one source, given out on first sight.
class CodeRemap {
 public:
  explicit CodeRemap(const CodedColumn* from) : from_(from) {
    if (from != nullptr) {
      codes_.assign(from->dictionary.size() + 1, kUnknown);
      codes_[0] = 0;
    }
  }
  // With no index the source is the only one: its strings cannot meet an equal one.
  std::uint32_t operator()(std::uint32_t code, DictionaryIndex* index, StringList* dictionary) {
    std::uint32_t& known = codes_[code];
    if (known != kUnknown) return known;
    const std::string_view text = from_->dictionary[code - 1];
    if (index != nullptr) {
      known = index->FindOrAdd(text, dictionary);
    } else {
      dictionary->Add(text);
      known = static_cast<std::uint32_t>(dictionary->size());
    }
    return known;
  }

 private:
  static constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
  const CodedColumn* from_;
  std::vector<std::uint32_t> codes_;
};

CodedColumn GatherCoded(ColumnId id, const Sources<CodedColumn>& sources, const Runs& runs,
                        std::size_t rows) {
  CodedColumn out;
  out.id = id;
  out.codes.resize(rows);
  std::vector<CodeRemap> remaps;
  remaps.reserve(sources.size());
  for (const CodedColumn* source : sources) remaps.emplace_back(source);
  const auto source_count = sources.size() - static_cast<std::size_t>(std::count(
                                                 sources.begin(), sources.end(), nullptr));
  DictionaryIndex index;
  DictionaryIndex* const index_if_many = source_count > 1 ? &index : nullptr;
  std::uint32_t* to = out.codes.data();
  for (const Run& run : runs) {
    const CodedColumn* const source = sources[run.batch];
    if (source == nullptr) {
      to += run.count;  // already 0 = absent
      continue;
    }
    CodeRemap& remap = remaps[run.batch];
    const std::uint32_t* from = source->codes.data() + run.row;
    for (std::uint32_t i = 0; i < run.count; ++i)
      *to++ = remap(from[i], index_if_many, &out.dictionary);
  }
  return out;
}

struct Presence {
  std::vector<std::uint8_t> present;  // as in DecimalColumn
  bool any = false;
  int scale = 0;  // the largest of the sources that give a value
};

Presence GatherPresence(const Sources<DecimalColumn>& sources, const Runs& runs, std::size_t rows) {
  Presence out;
  out.present.resize(rows);
  std::uint8_t* to = out.present.data();
  for (const Run& run : runs) {
    const DecimalColumn* const source = sources[run.batch];
    std::uint8_t* const end = to + run.count;
    bool any = source != nullptr;
    if (source != nullptr && source->present.empty()) {
      std::fill(to, end, std::uint8_t{1});
    } else if (source != nullptr) {
      std::copy_n(source->present.data() + run.row, run.count, to);
      any = std::find(to, end, std::uint8_t{1}) != end;
    }
    if (any) {
      out.any = true;
      out.scale = std::max(out.scale, source->scale);
    }
    to = end;
  }
  if (std::find(out.present.begin(), out.present.end(), std::uint8_t{0}) == out.present.end())
    out.present = {};
  return out;
}

// The mantissas of a run at the new scale; false if one does not fit. An absent row's is 0 and stays 0.
bool AlignRun(const DecimalColumn& source, const Run& run, int more_digits, std::int64_t* to) {
  if (source.is_wide()) {
    for (std::uint32_t i = 0; i < run.count; ++i) {
      const Int128 aligned = AlignMantissa(source.wide[run.row + i], more_digits);
      if (!FitsInt64(aligned)) return false;
      to[i] = static_cast<std::int64_t>(aligned);
    }
    return true;
  }
  const std::int64_t* const from = source.narrow.data() + run.row;
  if (more_digits == 0) {
    std::copy_n(from, run.count, to);
    return true;
  }
  const std::int64_t factor = ScaleFactor(more_digits);
  bool overflow = false;
  for (std::uint32_t i = 0; i < run.count; ++i)
    overflow |= __builtin_mul_overflow(from[i], factor, &to[i]);
  return !overflow;
}

// All mantissas in 64 bits, or nothing.
std::optional<std::vector<std::int64_t>> GatherNarrow(const Sources<DecimalColumn>& sources,
                                                      const Runs& runs,
                                                      const std::vector<int>& more_digits,
                                                      std::size_t rows) {
  std::vector<std::int64_t> out(rows, 0);
  std::int64_t* to = out.data();
  for (const Run& run : runs) {
    const DecimalColumn* const source = sources[run.batch];
    if (source != nullptr && !AlignRun(*source, run, more_digits[run.batch], to))
      return std::nullopt;
    to += run.count;
  }
  return out;
}

std::vector<Int128> GatherWide(const Sources<DecimalColumn>& sources, const Runs& runs,
                               const std::vector<int>& more_digits, std::size_t rows) {
  std::vector<Int128> out(rows, 0);
  Int128* to = out.data();
  for (const Run& run : runs) {
    const DecimalColumn* const source = sources[run.batch];
    for (std::uint32_t i = 0; source != nullptr && i < run.count; ++i) {
      to[i] = AlignMantissa(source->Mantissa(run.row + i), more_digits[run.batch]);
    }
    to += run.count;
  }
  return out;
}

std::optional<DecimalColumn> GatherDecimal(ColumnId id, const Sources<DecimalColumn>& sources,
                                           const Runs& runs, std::size_t rows) {
  Presence presence = GatherPresence(sources, runs, rows);
  if (!presence.any && id != kQuantityColumn) return std::nullopt;
  DecimalColumn out;
  out.id = id;
  out.scale = presence.scale;
  out.present = std::move(presence.present);
  // A source of larger scale gives only absent rows: zeros, whatever the factor.
  std::vector<int> more_digits(sources.size(), 0);
  for (std::size_t b = 0; b < sources.size(); ++b) {
    if (sources[b] != nullptr) more_digits[b] = std::max(0, out.scale - sources[b]->scale);
  }
  if (auto narrow = GatherNarrow(sources, runs, more_digits, rows)) {
    out.narrow = *std::move(narrow);
  } else {
    out.wide = GatherWide(sources, runs, more_digits, rows);
  }
  return out;
}

}  // namespace

RowBatch Gather(Batches batches, std::span<const RowRef> rows) {
  const Runs runs = FoldIntoRuns(batches, rows);
  std::vector<bool> used(batches.size(), false);
  for (const Run& run : runs) used[run.batch] = true;

  RowBatch out;
  out.customers = GatherValues(batches, runs, rows.size(), &RowBatch::customers);
  out.services = GatherValues(batches, runs, rows.size(), &RowBatch::services);
  out.times = GatherValues(batches, runs, rows.size(), &RowBatch::times);
  out.identities = GatherValues(batches, runs, rows.size(), &RowBatch::identities);
  out.id_forms = GatherValues(batches, runs, rows.size(), &RowBatch::id_forms);
  out.id_texts = GatherIdTexts(batches, runs, rows.size());
  out.id_millis = GatherIdMillis(batches, runs, rows.size());

  Sources<CodedColumn> event_sources(batches.size(), nullptr);
  for (std::size_t b = 0; b < batches.size(); ++b) {
    if (used[b]) event_sources[b] = &batches[b]->sources;
  }
  out.sources = GatherCoded(0, event_sources, runs, rows.size());

  auto measure_sources = FindSources(batches, used, &RowBatch::measures);
  measure_sources[kQuantityColumn].resize(batches.size(), nullptr);
  for (const auto& [id, sources] : measure_sources) {
    if (auto column = GatherDecimal(id, sources, runs, rows.size()))
      out.measures.push_back(*std::move(column));
  }
  for (const auto& [id, sources] : FindSources(batches, used, &RowBatch::dimensions)) {
    CodedColumn column = GatherCoded(id, sources, runs, rows.size());
    if (column.dictionary.size() != 0) out.dimensions.push_back(std::move(column));
  }
  return out;
}

}  // namespace quipu
