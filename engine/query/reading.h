// Reading: the aggregates of a question over one stretch of time, as a sheet. A question with derived aggregates has several (question.h).
#pragma once

#include <memory>
#include <vector>

#include "query/sheet.h"
#include "query/source.h"

namespace quipu {

class Reading {
 public:
  /// `spec` says scope, range, windows and groups; of its aggregates those in `chosen` are read, without what is derived from them.
  Reading(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
          const std::vector<std::size_t>& chosen);

  Status Run(QueryStats* stats);
  /// Every group and window. Series get their numbers from `list`.
  Result<Sheet> MakeSheet(SeriesList* list, QueryStats* stats);
  /// The same, but the series that are not kept are put together as `others`.
  Result<Sheet> MakeSheetWithOthers(SeriesList* list, const std::vector<bool>& kept,
                                    std::uint32_t others, QueryStats* stats);
  /// Where the aggregate is in the sheet.
  [[nodiscard]] std::size_t ColumnOf(std::size_t aggregate) const { return column_of_[aggregate]; }
  /// The range, cut to where the view has events.
  [[nodiscard]] const BoundQuery& bound() const { return plain_->bound(); }
  [[nodiscard]] double relative_error() const { return relative_error_; }

 private:
  [[nodiscard]] bool HasWindows() const { return spec_.window.unit != WindowUnit::kNone; }
  [[nodiscard]] Sheet EmptySheet() const;
  Status AddReplays(const SeriesOf& series_of, Sheet* sheet, QueryStats* stats) const;

  const View& view_;
  const Catalogue& catalogue_;
  QuerySpec spec_;                          // all its aggregates, nothing derived
  std::vector<std::size_t> column_of_;      // by the question's aggregate
  std::vector<std::size_t> plain_columns_;  // of the source's aggregates
  std::unique_ptr<Source> plain_;
  double relative_error_ = 0;
};

}  // namespace quipu
