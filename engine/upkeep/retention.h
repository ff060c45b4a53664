// Retention: what a policy asks for is done, a month at a time.
//
// The unit is the UTC month of the events' own time: N days have passed for a month once its last day is N days ago. So each month is
// rewritten once for each step of its life (archive, drop rows, delete), never daily. Late events into a month that has gone through a
// step already are the exception that must not become the rule: they wait until they are an eighth of what was done before or a week has
// passed since (RetentionRhythm), so a trickle into 36 old months rewrites what trickled in, once a week, and nothing else.
//
//   segments with rows    -- due --> RewriteMonth (rewrite.h): keep, archive, summarise or delete by (customer, service)
//   archived with ids     -- identity window has passed --> the same without ids, unless the policy keeps them
//   summaries only        -- due --> folded without what leaves; or dropped
//                         -- 8 small ones --> folded into one
//
// Rows leave (kSummarise, kDelete) only when the identity window has passed for their month: until then their ids are what a repeated
// delivery is recognised by. Months in detached folders wait until they are attached.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "quipu/retention.h"
#include "store/store.h"
#include "upkeep/rewrite.h"

namespace quipu {

/// The policy at one moment: what is to happen to a month's events.
class RetentionClock {
 public:
  RetentionClock(const Store& store, TimeUs now);
  /// False: certainly nothing is due for that month.
  [[nodiscard]] bool MayBeDue(MonthIndex month) const;
  [[nodiscard]] Fate RowFate(MonthIndex month, CustomerOrdinal customer,
                             ServiceOrdinal service) const;
  /// kKeep or kDelete.
  [[nodiscard]] Fate SummaryFate(MonthIndex month, CustomerOrdinal customer,
                                 ServiceOrdinal service) const;
  /// No repeated delivery of that month's events has to be recognised any more.
  [[nodiscard]] bool IdentityWindowPassed(MonthIndex month) const;
  /// Events of that month that a rule archives have no ids in the archive.
  [[nodiscard]] bool DropsArchivedIds(MonthIndex month) const;

 private:
  [[nodiscard]] const RetentionRule* RuleFor(CustomerOrdinal customer,
                                             ServiceOrdinal service) const;
  [[nodiscard]] bool Passed(MonthIndex month, std::uint32_t days) const;

  RetentionPolicy policy_;
  std::vector<std::optional<ServiceOrdinal>> services_;  // by rule; of rules that name one
  std::unordered_map<CustomerOrdinal, std::string> classes_;
  std::int64_t identity_window_us_;
  TimeUs now_;
};

/// When a month was last touched, for the background; lives as long as the process.
struct RetentionRhythm {
  std::map<MonthIndex, TimeUs> touched;
};

/// Called with rows done; false = stop (kCancelled: what is done stays done).
using RetentionProgress = std::function<bool(std::uint64_t rows)>;

/// Does everything that is due. `rhythm` null = on request, late events do not wait. One caller at a time, merges excluded.
/// What is written is paid for at `limiter` (null = no limit).
Result<RetentionReport> Retain(Store* store, TimeUs now, RetentionRhythm* rhythm,
                               RateLimiter* limiter, const RetentionProgress& progress);

/// Moves closed months that end at or before `before` into the archive folder of that number.
/// With `drop_ids` those of months whose identity window has passed by `now` go.
Result<RetentionReport> ArchiveBefore(Store* store, TimeUs before, std::uint32_t archive,
                                      bool drop_ids, TimeUs now, RateLimiter* limiter,
                                      const RetentionProgress& progress);

/// The archive folder that `path` names; empty = the one in use, else "archive". Made if need be.
Result<std::uint32_t> ChooseArchive(Store* store, const std::string& path);

/// Detaching forgets nothing, but ids in the folder can no longer be compared: kConflict while that matters.
Status DetachArchiveFolder(Store* store, const std::string& path, TimeUs now);
/// kNotFound: none of the store's detached folders is there.
Status AttachArchiveFolder(Store* store, const std::string& path);

}  // namespace quipu
