// Source: a plain question on the way to the answer of another one (answer.h). Its groups are kept, so that those which a ranking cut can be put
// together afterwards, exactly as if they had been one group from the start.
#pragma once

#include <functional>
#include <optional>

#include "query/bind.h"
#include "query/groups.h"
#include "query/query_run.h"
#include "query/sheet.h"
#include "quipu/result_set.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

class Source {
 public:
  /// `spec`: plain aggregates, no order, limit or fill.
  Source(const View& view, const Catalogue& catalogue, QuerySpec spec);
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  Status Bind();
  /// After Bind.
  Status Run(QueryRun* run);
  [[nodiscard]] const BoundQuery& bound() const { return *bound_; }
  [[nodiscard]] const QuerySpec& spec() const { return spec_; }

  /// After Run: a row a group and window.
  Result<ResultSet> All();
  /// A row a window, for all groups together of which `is_kept` is false. Without group-by columns.
  Result<ResultSet> Others(const std::function<bool(const SeriesTexts&)>& is_kept);

 private:
  SeriesTexts TextsOf(std::uint32_t group) const;

  const View& view_;
  const Catalogue& catalogue_;
  const QuerySpec spec_;
  std::optional<BoundQuery> bound_;
  std::optional<Groups> groups_;
};

}  // namespace quipu
