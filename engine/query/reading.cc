#include "query/reading.h"

#include "query/concurrency.h"
#include "query/question.h"
#include "query/time_weighted.h"

namespace quipu {
namespace {

bool IsReplay(const Aggregate& a) {
  return IsTimeWeighted(a.function) || IsConcurrency(a.function);
}

}  // namespace

Reading::Reading(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                 const std::vector<std::size_t>& chosen)
    : view_(view), catalogue_(catalogue), spec_(spec), column_of_(spec.select.size()) {
  spec_.select.clear();
  spec_.order_by.clear();
  spec_.limit = 0;
  spec_.fill = spec_.others = false;
  spec_.compare_from.reset();
  spec_.compare_to.reset();
  spec_.compare_as_of = {};  // the view is the state
  QuerySpec plain = spec_;
  for (const std::size_t a : chosen) {
    column_of_[a] = spec_.select.size();
    spec_.select.push_back(WithoutDerived(spec.select[a]));
    if (IsReplay(spec.select[a])) continue;
    plain_columns_.push_back(column_of_[a]);
    plain.select.push_back(spec_.select.back());
  }
  // Something must be asked for the range to be known.
  if (plain.select.empty()) plain.select.push_back(Aggregate{});
  plain_ = std::make_unique<Source>(view, catalogue, std::move(plain));
}

Status Reading::Run(QueryRun* run) {
  QUIPU_TRY(plain_->Bind());
  return plain_columns_.empty() ? Status() : plain_->Run(run);
}

Result<Sheet> Reading::MakeSheet(SeriesList* list, QueryRun* run) {
  const SeriesOf series_of = [list](const SeriesTexts& texts) { return list->IdOf(texts); };
  Sheet sheet = EmptySheet();
  if (!plain_columns_.empty()) {
    QUIPU_TRY_ASSIGN(const ResultSet answer, plain_->All());
    relative_error_ = answer.relative_error;
    AddToSheet(answer, HasWindows(), spec_.group_by.size(), plain_columns_, series_of, &sheet);
  }
  QUIPU_TRY(AddReplays(series_of, &sheet, run));
  // Without groups and windows there is always one row.
  if (spec_.group_by.empty() && !HasWindows()) sheet.Add(list->IdOf({}), 0);
  return sheet;
}

Result<Sheet> Reading::MakeSheetWithOthers(SeriesList* list, const std::vector<bool>& kept,
                                           std::uint32_t others, QueryRun* run) {
  const auto is_kept = [&](const SeriesTexts& texts) {
    const std::uint32_t id = list->IdOf(texts);
    return id < kept.size() && kept[id];
  };
  const SeriesOf series_of = [&](const SeriesTexts& texts) {
    return is_kept(texts) ? list->IdOf(texts) : others;
  };
  Sheet sheet = EmptySheet();
  if (!plain_columns_.empty()) {
    QUIPU_TRY_ASSIGN(const ResultSet all, plain_->All());
    QUIPU_TRY_ASSIGN(const ResultSet rest, plain_->Others(is_kept));
    relative_error_ = std::max(all.relative_error, rest.relative_error);
    AddToSheet(all, HasWindows(), spec_.group_by.size(), plain_columns_, series_of, &sheet);
    // In place of whatever of the others was written last.
    AddToSheet(
        rest, HasWindows(), 0, plain_columns_, [&](const SeriesTexts&) { return others; }, &sheet);
  }
  QUIPU_TRY(AddReplays(series_of, &sheet, run));
  return sheet;
}

Sheet Reading::EmptySheet() const {
  std::vector<Value> empty;
  empty.reserve(spec_.select.size());
  for (const Aggregate& a : spec_.select) empty.push_back(EmptyValue(a));
  return Sheet(std::move(empty));
}

Status Reading::AddReplays(const SeriesOf& series_of, Sheet* sheet, QueryRun* run) const {
  for (std::size_t c = 0; c < spec_.select.size(); ++c) {
    const Aggregate& a = spec_.select[c];
    if (IsTimeWeighted(a.function)) {
      QUIPU_TRY(AddTimeWeighted(view_, catalogue_, spec_, a, series_of, c, sheet, run));
    } else if (IsConcurrency(a.function)) {
      QUIPU_TRY(AddConcurrency(view_, catalogue_, spec_, a, series_of, c, sheet, run));
    }
  }
  return {};
}

}  // namespace quipu
