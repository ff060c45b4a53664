#include "segment/summary_columns.h"

#include <algorithm>

#include "base/check.h"
#include "codec/int_codec.h"
#include "codec/text_codec.h"

namespace quipu {
namespace {

using Column = std::vector<std::int64_t>;

template <class Items, class Field>
void AppendColumn(const Items& items, Field field, std::string* out) {
  Column column;
  column.reserve(items.size());
  for (const auto& item : items) column.push_back(static_cast<std::int64_t>(field(item)));
  EncodeIntList(column, out);
}

template <class Numbers>
void AppendColumn(const Numbers& numbers, std::string* out) {
  AppendColumn(
      numbers, [](auto n) { return n; }, out);
}

void AppendWords(const std::vector<WideWords>& values, int words, std::string* out) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(words); ++i) {
    AppendColumn(
        values, [i](const WideWords& v) { return v[i]; }, out);
  }
}

// The largest n such that 10^n divides every number of the column.
int CommonPower(const std::vector<WideWords>& numbers) {
  int n = kSumScale;
  for (const WideWords& v : numbers) {
    while (!IsMultipleOfPower(v, n)) --n;
  }
  return n;
}

int MostWords(const std::vector<WideWords>& numbers) {
  int words = 1;
  for (const WideWords& v : numbers) words = std::max(words, WordsNeeded(v));
  return words;
}

void AppendMeasure(const SummaryColumns::Measure& measure, const std::vector<std::uint64_t>& rows,
                   std::string* out) {
  std::vector<WideWords> sums, minima, maxima;
  for (const MeasureStats& stats : measure.stats) {
    sums.push_back(ToWords(stats.sum));
    minima.push_back(ToWords(stats.min));
    maxima.push_back(ToWords(stats.max));
  }
  const int power = std::min({CommonPower(sums), CommonPower(minima), CommonPower(maxima)});
  for (std::vector<WideWords>* numbers : {&sums, &minima, &maxima}) {
    for (WideWords& v : *numbers) v = DividedByPower(v, power);
  }
  const int sum_words = MostWords(sums);
  const int bound_words = std::max(MostWords(minima), MostWords(maxima));
  Column absent;
  for (std::size_t i = 0; i < measure.cells.size(); ++i) {
    absent.push_back(static_cast<std::int64_t>(rows[measure.cells[i]] - measure.stats[i].count));
  }
  ByteWriter w(out);
  w.Varint(measure.id);
  w.Varint(measure.cells.size());
  w.U8(static_cast<std::uint8_t>(kSumScale - power));
  w.U8(static_cast<std::uint8_t>(sum_words));
  w.U8(static_cast<std::uint8_t>(bound_words));
  AppendColumn(measure.cells, out);
  EncodeIntList(absent, out);
  AppendWords(sums, sum_words, out);
  AppendWords(minima, bound_words, out);
  AppendWords(maxima, bound_words, out);
  AppendColumn(measure.sketch_bytes, out);
}

void AppendSketches(const std::string& sketches, std::string* out) {
  ByteWriter w(out);
  w.Varint(sketches.size());
  std::string compressed;
  CompressZstd(AsBytes(sketches), &compressed);
  const bool smaller = compressed.size() < sketches.size();
  w.U8(smaller ? kSketchesZstd : kSketchesPlain);
  out->append(smaller ? compressed : sketches);
}

}  // namespace

std::string SummaryColumns::Encode() {
  std::sort(measures.begin(), measures.end(),
            [](const Measure& a, const Measure& b) { return a.id < b.id; });
  std::uint64_t entries = 0;
  for (const Measure& measure : measures) entries += measure.cells.size();
  QUIPU_CHECK(rows.size() <= kSummaryCellsMax && entries <= kSummaryEntriesMax);
  std::string out;
  ByteWriter w(&out);
  w.Varint(groups.size());
  w.Varint(rows.size());
  w.Varint(measures.size());
  AppendColumn(
      groups, [](const Group& g) { return g.customer; }, &out);
  AppendColumn(
      groups, [](const Group& g) { return g.service; }, &out);
  AppendColumn(
      groups, [](const Group& g) { return g.level; }, &out);
  AppendColumn(
      groups, [](const Group& g) { return g.cells; }, &out);
  AppendColumn(units, &out);
  AppendColumn(rows, &out);
  AppendColumn(flags, &out);
  AppendColumn(distinct_bytes, &out);
  std::string sketches = std::move(distinct_sketches);
  for (Measure& measure : measures) {
    AppendMeasure(measure, rows, &out);
    sketches += measure.sketches;
    measure.sketches = {};
  }
  QUIPU_CHECK(sketches.size() <= kSummarySketchBytesMax);
  AppendSketches(sketches, &out);
  return out;
}

}  // namespace quipu
