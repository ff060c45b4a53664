// Sheet: values by series and window, as they come out of plain questions, for those that compare rows with each other.
//
// A series is a group without its window: one text a group-by field. Its number is the same in all sheets of a question, so a value can be
// looked up in any of them: this window's in one, that of a month ago in another.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "query/value.h"
#include "quipu/result_set.h"

namespace quipu {

/// Each text with a + in front, so that an absent one ("") sorts before an empty one and is told from it.
using SeriesTexts = std::vector<std::string>;

class SeriesList {
 public:
  std::uint32_t IdOf(const SeriesTexts& texts);
  [[nodiscard]] const SeriesTexts& texts(std::uint32_t id) const { return *texts_[id]; }
  [[nodiscard]] std::size_t size() const { return texts_.size(); }
  /// The place of each series in the order of answers: by the first field, then the second, ...; absent first.
  [[nodiscard]] std::vector<std::uint32_t> Ranks() const;

 private:
  std::map<SeriesTexts, std::uint32_t> ids_;
  std::vector<const SeriesTexts*> texts_;  // keys of the map: they stay
};

/// To which series texts belong. With others: what is not kept belongs to one series.
using SeriesOf = std::function<std::uint32_t(const SeriesTexts&)>;

class Sheet {
 public:
  struct Row {
    std::uint32_t series = 0;
    TimeUs window = 0;  ///< 0 in a question without windows.
  };
  /// `empty` has a value for each column: what a row shows where nothing was set.
  explicit Sheet(std::vector<Value> empty) : empty_(std::move(empty)) {}

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] const Row& row(std::size_t i) const { return rows_[i]; }
  [[nodiscard]] const Value& value(std::size_t row, std::size_t column) const {
    return values_[row * empty_.size() + column];
  }
  /// The row with that key, a new one if need be. At most 2^32 - 1.
  std::size_t Add(std::uint32_t series, TimeUs window);
  void Set(std::size_t row, std::size_t column, const Value& v) {
    values_[row * empty_.size() + column] = v;
  }
  /// Null if there is no such row.
  [[nodiscard]] const Value* Find(std::uint32_t series, TimeUs window, std::size_t column) const;

 private:
  /// Where the key's row is named in slots_, or would be.
  [[nodiscard]] std::size_t SlotOf(std::uint32_t series, TimeUs window) const;
  void Grow();

  std::vector<Value> empty_;
  std::vector<Row> rows_;
  std::vector<Value> values_;  // by row, then column
  std::vector<std::uint32_t>
      slots_;  // 1 + row, 0 = free; a power of two, at most half of them taken
};

/// Adds an answer's rows: columns `window_start` (if any), `fields` group-by columns, then values, which go to `columns` of the sheet.
void AddToSheet(const ResultSet& answer, bool has_windows, std::size_t fields,
                const std::vector<std::size_t>& columns, const SeriesOf& series_of, Sheet* sheet);

}  // namespace quipu
