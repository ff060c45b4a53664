#include "query/sheet.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

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

std::size_t Sheet::SlotOf(std::uint32_t series, TimeUs window) const {
  std::uint64_t h =
      (static_cast<std::uint64_t>(window) ^ (std::uint64_t{series} << 40)) * 0x9E3779B97F4A7C15ull;
  h ^= h >> 29;
  for (std::size_t slot = h & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot] == 0) return slot;
    const Row& row = rows_[slots_[slot] - 1u];
    if (row.series == series && row.window == window) return slot;
  }
}

void Sheet::Grow() {
  constexpr std::size_t kSlotsMin = 64;
  slots_.assign(std::max(kSlotsMin, 2 * slots_.size()), 0);
  for (std::uint32_t r = 0; r < rows_.size(); ++r)
    slots_[SlotOf(rows_[r].series, rows_[r].window)] = r + 1;
}

std::size_t Sheet::Add(std::uint32_t series, TimeUs window) {
  if (2 * (rows_.size() + 1) > slots_.size()) Grow();
  std::uint32_t& slot = slots_[SlotOf(series, window)];
  if (slot == 0) {
    QUIPU_CHECK(rows_.size() < std::numeric_limits<std::uint32_t>::max());
    rows_.push_back({series, window});
    values_.insert(values_.end(), empty_.begin(), empty_.end());
    slot = static_cast<std::uint32_t>(rows_.size());
  }
  return slot - 1u;
}

const Value* Sheet::Find(std::uint32_t series, TimeUs window, std::size_t column) const {
  if (slots_.empty()) return nullptr;
  const std::uint32_t slot = slots_[SlotOf(series, window)];
  return slot == 0 ? nullptr : &value(slot - 1u, column);
}

namespace {

/// The series of an answer's rows. These come by window, and in each window by series: so a row mostly has the series of the row that stands behind its
/// predecessor's in the window before, and no text need be made to find that out.
class SeriesReader {
 public:
  SeriesReader(const ResultSet& answer, bool has_windows, std::size_t fields,
               const SeriesOf& series_of)
      : answer_(answer),
        series_of_(series_of),
        first_field_(has_windows ? 1 : 0),
        has_windows_(has_windows),
        texts_(fields),
        series_(answer.rows()) {}

  /// Of row r; rows are asked for in order.
  std::uint32_t Of(std::size_t r) {
    if (has_windows_ && r > 0 && answer_.columns[0].times[r] != answer_.columns[0].times[r - 1]) {
      candidate_ = window_;
      window_ = r;
    }
    for (int tries = 0; tries < 2 && candidate_ < window_; ++tries, ++candidate_) {
      if (IsSame(candidate_, r)) return series_[r] = series_[candidate_++];
    }
    for (std::size_t f = 0; f < texts_.size(); ++f) {
      const ResultColumn& column = answer_.columns[first_field_ + f];
      texts_[f] = column.IsPresent(r) ? "+" + column.strings[r] : std::string();
    }
    return series_[r] = series_of_(texts_);
  }

 private:
  [[nodiscard]] bool IsSame(std::size_t a, std::size_t b) const {
    for (std::size_t f = 0; f < texts_.size(); ++f) {
      const ResultColumn& column = answer_.columns[first_field_ + f];
      if (column.IsPresent(a) != column.IsPresent(b) || column.strings[a] != column.strings[b])
        return false;
    }
    return true;
  }

  const ResultSet& answer_;
  const SeriesOf& series_of_;
  const std::size_t first_field_;
  const bool has_windows_;
  SeriesTexts texts_;
  std::vector<std::uint32_t> series_;  // by row
  std::size_t window_ = 0;             // first row of this window
  std::size_t candidate_ = 0;          // a row of the window before
};

}  // namespace

void AddToSheet(const ResultSet& answer, bool has_windows, std::size_t fields,
                const std::vector<std::size_t>& columns, const SeriesOf& series_of, Sheet* sheet) {
  const std::size_t keys = (has_windows ? 1 : 0) + fields;
  SeriesReader series(answer, has_windows, fields, series_of);
  for (std::size_t r = 0; r < answer.rows(); ++r) {
    const std::size_t row = sheet->Add(series.Of(r), has_windows ? answer.columns[0].times[r] : 0);
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
