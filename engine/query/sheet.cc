#include "query/sheet.h"

namespace quipu {

std::uint32_t SeriesList::IdOf(const SeriesTexts& texts) {
  const auto [it, is_new] = ids_.try_emplace(texts, static_cast<std::uint32_t>(texts_.size()));
  if (is_new) texts_.push_back(&it->first);
  return it->second;
}

std::vector<std::uint32_t> SeriesList::Ranks() const {
  std::vector<std::uint32_t> ranks(size());
  std::uint32_t rank = 0;
  for (const auto& [texts, id] : ids_) ranks[id] = rank++;
  return ranks;
}

std::size_t Sheet::Add(std::uint32_t series, TimeUs window) {
  const auto [it, is_new] = places_.try_emplace({series, window}, rows_.size());
  if (is_new) {
    rows_.push_back({series, window});
    values_.insert(values_.end(), empty_.begin(), empty_.end());
  }
  return it->second;
}

const Value* Sheet::Find(std::uint32_t series, TimeUs window, std::size_t column) const {
  const auto it = places_.find({series, window});
  return it == places_.end() ? nullptr : &value(it->second, column);
}

void AddToSheet(const ResultSet& answer, bool has_windows, std::size_t fields,
                const std::vector<std::size_t>& columns, const SeriesOf& series_of, Sheet* sheet) {
  const std::size_t keys = (has_windows ? 1 : 0) + fields;
  SeriesTexts texts(fields);
  for (std::size_t r = 0; r < answer.rows(); ++r) {
    for (std::size_t f = 0; f < fields; ++f) {
      const ResultColumn& column = answer.columns[keys - fields + f];
      texts[f] = column.IsPresent(r) ? "+" + column.strings[r] : std::string();
    }
    const std::size_t row =
        sheet->Add(series_of(texts), has_windows ? answer.columns[0].times[r] : 0);
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const ResultColumn& column = answer.columns[keys + c];
      Value v;
      v.type = column.type;
      v.present = column.IsPresent(r);
      v.approximate = !column.exact;
      if (v.present && column.type == ColumnType::kInteger) v.integer = column.integers[r];
      if (v.present && column.type == ColumnType::kDecimal) v.decimal = column.decimals[r];
      sheet->Set(row, columns[c], v);
    }
  }
}

}  // namespace quipu
