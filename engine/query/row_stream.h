// Row stream: the raw rows of a question one by one, each with its group, for what cannot be added up row by row in any order: levels that hold
// until the next event, events that overlap, sessions. It is the only place where these meet the scan.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "query/bind.h"
#include "query/groups.h"
#include "query/query_run.h"
#include "query/sheet.h"
#include "store/catalogue.h"
#include "store/view.h"

namespace quipu {

/// One row. Valid during one call.
struct StreamRow {
  TimeUs time = 0;
  std::uint32_t group = 0;  ///< See RowStream::texts.
  RowPlace place;
  /// By the spec's aggregates, at scale 18; `present` tells which are there.
  std::span<const Int128> values;
  std::span<const std::uint8_t> present;
};

using RowVisitor = std::function<Status(const StreamRow&)>;

class RowStream {
 public:
  /// `spec` says scope, filters and group-by; its aggregates, one of a measure each, say what is read. All
  /// of them must outlive the stream. Groups keep their numbers from one Read to the next.
  RowStream(const View& view, const Catalogue& catalogue, const QuerySpec& spec)
      : view_(view), catalogue_(catalogue), spec_(spec) {}

  /// Visits the rows in [from, to), in no special order. Stops with the first error of the visitor. kOutOfRange if rows have expired.
  Status Read(TimeUs from, TimeUs to, const RowVisitor& visit, QueryRun* run);

  [[nodiscard]] std::size_t groups() const { return texts_.size(); }
  /// The group's values, one a group-by field.
  [[nodiscard]] const SeriesTexts& texts(std::uint32_t group) const { return texts_[group]; }

 private:
  friend class RowStreamSink;
  const View& view_;
  const Catalogue& catalogue_;
  const QuerySpec& spec_;
  std::map<SeriesTexts, std::uint32_t> ids_;
  std::vector<SeriesTexts> texts_;
};

/// The identity of the row at each place, in the same order: what decides between rows of one instant.
Result<std::vector<Hash128>> IdentitiesOf(const std::vector<RowPlace>& places);

}  // namespace quipu
