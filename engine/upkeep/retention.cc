#include "upkeep/retention.h"

#include <algorithm>
#include <set>

#include "base/calendar.h"
#include "base/check.h"

namespace quipu {
namespace {

/// Segments with summaries only of this size and below are folded once so many have gathered.
constexpr std::uint64_t kSmallSummaryBytes = 16ull << 20;
constexpr std::size_t kFoldCount = 8;
/// Late events wait this long for company, unless they are this part of what is there.
constexpr std::int64_t kLateWaitUs = 7 * kDayUs;
constexpr std::uint64_t kLatePart = 8;
constexpr std::string_view kDefaultArchive = "archive";

class Retainer {
 public:
  Retainer(Store* store, TimeUs now, RetentionRhythm* rhythm, RateLimiter* limiter,
           const RetentionProgress& progress)
      : store_(store),
        now_(now),
        rhythm_(rhythm),
        limiter_(limiter),
        progress_(progress),
        clock_(*store, now),
        can_archive_(CanArchive(*store->view())) {}

  Result<RetentionReport> RetainAll() {
    if (!can_archive_)
      store_->Log(LogLevel::kWarning, "what is due for the archive waits until it is attached");
    std::set<MonthIndex> months;
    const ViewPtr view = store_->view();
    for (const SegmentPtr& s : view->segments) months.insert(s->meta().spec.month);
    Status failed;
    for (const MonthIndex month : months) {
      if (!clock_.MayBeDue(month)) continue;
      const RetentionReport before = report_;
      const Status done = RetainMonth(month);
      // A failed read or a full disk may pass; damage and bounds do not, and must not keep other months from their turn.
      const bool is_lasting =
          done.code() == StatusCode::kCorruption || done.code() == StatusCode::kExhausted;
      if (!done.ok() && !is_lasting) return done;
      if (!done.ok() && failed.ok()) failed = done.WithContext("retention of " + MonthText(month));
      const bool changed = report_.archived_events != before.archived_events ||
                           report_.summarised_events != before.summarised_events ||
                           report_.deleted_events != before.deleted_events ||
                           report_.ids_dropped != before.ids_dropped;
      if (!changed) continue;
      ++report_.months;
      if (rhythm_ != nullptr) rhythm_->touched[month] = now_;
    }
    if (!failed.ok()) return failed;
    return report_;
  }

 private:
  Status RetainMonth(MonthIndex month) {
    const FateOf rows = [&](CustomerOrdinal c, ServiceOrdinal s) {
      const Fate fate = clock_.RowFate(month, c, s);
      return fate == Fate::kArchive && !can_archive_ ? Fate::kKeep : fate;
    };
    const FateOf summaries = [&](CustomerOrdinal c, ServiceOrdinal s) {
      return clock_.SummaryFate(month, c, s);
    };
    // By the folder that they lie in and whether they have ids: one without would take those of the others away. And by epoch: nothing moves across a freeze.
    std::map<std::tuple<std::uint32_t, bool, std::uint64_t>, std::vector<SegmentPtr>> due;
    std::map<std::uint64_t, std::vector<SegmentPtr>> lone_due, lone_small;  // by epoch
    std::uint64_t waiting = 0, done_before = 0;
    const ViewPtr view = store_->view();
    for (const SegmentPtr& segment : view->segments) {
      const SegmentMeta& meta = segment->meta();
      if (meta.spec.month != month) continue;
      const std::uint64_t epoch = EpochOf(*view->freezes, meta.spec.seq_first);
      if (meta.spec.summaries_only) {
        QUIPU_TRY_ASSIGN(const bool leaves, HasFate(*segment, summaries, /*is_archived=*/false));
        if (leaves) lone_due[epoch].push_back(segment);
        if (!leaves && meta.file_bytes <= kSmallSummaryBytes) lone_small[epoch].push_back(segment);
        done_before += meta.totals.rows;
        continue;
      }
      const bool stays_archived = meta.archive != 0 && !LosesIds(*segment);
      QUIPU_TRY_ASSIGN(const bool is_due, HasFate(*segment, rows, stays_archived));
      if (is_due) {
        due[{meta.archive, segment->has_ids(), epoch}].push_back(segment);
        waiting += meta.totals.rows;
      } else if (meta.archive != 0) {
        done_before += meta.totals.rows;
      }
    }
    for (const auto& [epoch, segments] : lone_due)
      QUIPU_TRY(Note(RewriteSummaries(store_, segments, summaries), 0, /*drops_ids=*/false));
    if (!due.empty() && !MustWait(month, waiting, done_before)) {
      for (const auto& [place, segments] : due)
        QUIPU_TRY(RewriteAll(std::get<0>(place), segments, rows));
    }
    for (const auto& [epoch, segments] : lone_small) {
      if (segments.size() >= kFoldCount) QUIPU_TRY(Fold(segments));
    }
    return {};
  }

  /// Is it in the archive with ids that are not needed there any more?
  [[nodiscard]] bool LosesIds(const SegmentReader& segment) const {
    const SegmentMeta& meta = segment.meta();
    return meta.archive != 0 && segment.has_ids() && clock_.DropsArchivedIds(meta.spec.month);
  }

  /// Does any run leave its place? What is archived stays where it is.
  static Result<bool> HasFate(const SegmentReader& segment, const FateOf& fate_of,
                              bool is_archived) {
    QUIPU_TRY_ASSIGN(const Directory* const directory, segment.directory());
    for (const Run& run : directory->runs()) {
      const Fate fate = fate_of(run.customer, run.service);
      if (fate == Fate::kSummarise || fate == Fate::kDelete) return true;
      if (fate == Fate::kArchive && !is_archived) return true;
    }
    return false;
  }

  [[nodiscard]] bool MustWait(MonthIndex month, std::uint64_t waiting,
                              std::uint64_t done_before) const {
    if (rhythm_ == nullptr || done_before == 0 || waiting >= done_before / kLatePart) return false;
    const auto touched = rhythm_->touched.find(month);
    return touched != rhythm_->touched.end() && now_ - touched->second < kLateWaitUs;
  }

  Status RewriteAll(std::uint32_t folder, const std::vector<SegmentPtr>& segments,
                    const FateOf& fate_of) {
    for (std::size_t at = 0; at < segments.size(); at += kRewriteInputsMax) {
      RewriteJob job;
      const std::size_t end = std::min(segments.size(), at + kRewriteInputsMax);
      job.inputs.assign(segments.begin() + static_cast<std::ptrdiff_t>(at),
                        segments.begin() + static_cast<std::ptrdiff_t>(end));
      job.keep_in = folder;
      job.limiter = limiter_;
      job.drop_archived_ids = clock_.DropsArchivedIds(segments[0]->meta().spec.month);
      if (folder != 0 && LosesIds(*segments[0])) {
        job.archive_to = folder;
        job.fate_of = fate_of;
      } else if (folder != 0) {
        // Rows of the archive that stay are as if kept: they were archived before.
        job.fate_of = [&](CustomerOrdinal c, ServiceOrdinal s) {
          const Fate fate = fate_of(c, s);
          return fate == Fate::kArchive ? Fate::kKeep : fate;
        };
      } else {
        job.fate_of = fate_of;
        QUIPU_TRY_ASSIGN(const bool archives, AnyArchived(job));
        if (archives) {
          QUIPU_TRY_ASSIGN(job.archive_to, ChooseArchive(store_, ""));
        }
      }
      QUIPU_TRY(Note(RewriteMonth(store_, job, Step()), folder, job.drop_archived_ids));
    }
    return {};
  }

  static Result<bool> AnyArchived(const RewriteJob& job) {
    for (const SegmentPtr& input : job.inputs) {
      QUIPU_TRY_ASSIGN(const Directory* const directory, input->directory());
      for (const Run& run : directory->runs()) {
        if (job.fate_of(run.customer, run.service) == Fate::kArchive) return true;
      }
    }
    return false;
  }

  Status Fold(const std::vector<SegmentPtr>& segments) {
    const auto folded = RewriteSummaries(
        store_, segments, [](CustomerOrdinal, ServiceOrdinal) { return Fate::kKeep; });
    // Together they may be too much for one segment: then they stay as they are.
    if (!folded && folded.error().code() != StatusCode::kExhausted) return folded.error();
    return {};
  }

  /// Another folder than the detached one is for people to choose.
  static bool CanArchive(const View& view) {
    return view.archives.empty() ||
           std::any_of(view.archives.begin(), view.archives.end(),
                       [](const ArchiveFolder& folder) { return folder.is_attached; });
  }

  RewriteProgress Step() {
    return [this](std::uint64_t rows) { return !progress_ || progress_(rows_before_ + rows); };
  }

  /// `folder`: where the rows lay before.
  Status Note(const Result<RewriteResult>& result, std::uint32_t folder, bool drops_ids) {
    QUIPU_TRY(result.error());
    if (folder == 0) report_.archived_events += result->archived.rows;
    if (drops_ids) report_.ids_dropped += result->archived.rows;
    report_.archived_bytes += result->archived_bytes;
    report_.summarised_events += result->summarised.rows;
    report_.deleted_events += result->deleted.rows;
    rows_before_ += result->archived.rows + result->summarised.rows + result->deleted.rows;
    return {};
  }

  Store* store_;
  const TimeUs now_;
  RetentionRhythm* rhythm_;
  RateLimiter* limiter_;
  const RetentionProgress& progress_;
  const RetentionClock clock_;
  const bool can_archive_;
  RetentionReport report_;
  std::uint64_t rows_before_ = 0;
};

/// Archive files of one month below this size are merged once so many have gathered.
constexpr std::uint64_t kSmallArchiveBytes = 16ull << 20;

}  // namespace

RetentionClock::RetentionClock(const Store& store, TimeUs now)
    : policy_(store.retention()),
      classes_(store.customer_classes()),
      identity_window_us_(store.options().identity_window_us),
      now_(now) {
  for (const RetentionRule& rule : policy_.rules) {
    services_.push_back(rule.service.empty()
                            ? std::nullopt
                            : store.catalogue().Find(NameKind::kService, rule.service));
  }
}

bool RetentionClock::Passed(MonthIndex month, std::uint32_t days) const {
  return days > 0 && MonthStart(month + 1) + TimeUs{days} * kDayUs <= now_;
}

bool RetentionClock::IdentityWindowPassed(MonthIndex month) const {
  return identity_window_us_ >= 0 && now_ >= kTimeMin + identity_window_us_ &&
         MonthStart(month + 1) <= now_ - identity_window_us_;
}

bool RetentionClock::DropsArchivedIds(MonthIndex month) const {
  return !policy_.archive_keeps_ids && IdentityWindowPassed(month);
}

bool RetentionClock::MayBeDue(MonthIndex month) const {
  return std::any_of(policy_.rules.begin(), policy_.rules.end(), [&](const RetentionRule& rule) {
    return Passed(month, rule.keep_raw_days) || Passed(month, rule.archive_after_days) ||
           Passed(month, rule.delete_after_days) || Passed(month, rule.keep_summaries_days);
  });
}

const RetentionRule* RetentionClock::RuleFor(CustomerOrdinal customer,
                                             ServiceOrdinal service) const {
  for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
    const RetentionRule& rule = policy_.rules[i];
    if (!rule.service.empty() && services_[i] != service) continue;
    if (!rule.customer_class.empty()) {
      const auto found = classes_.find(customer);
      if (found == classes_.end() || found->second != rule.customer_class) continue;
    }
    return &rule;
  }
  return nullptr;
}

Fate RetentionClock::RowFate(MonthIndex month, CustomerOrdinal customer,
                             ServiceOrdinal service) const {
  const RetentionRule* const rule = RuleFor(customer, service);
  if (rule == nullptr) return Fate::kKeep;
  if (IdentityWindowPassed(month)) {
    if (Passed(month, rule->delete_after_days)) return Fate::kDelete;
    if (Passed(month, rule->keep_raw_days))
      return Passed(month, rule->keep_summaries_days) ? Fate::kDelete : Fate::kSummarise;
  }
  return Passed(month, rule->archive_after_days) ? Fate::kArchive : Fate::kKeep;
}

Fate RetentionClock::SummaryFate(MonthIndex month, CustomerOrdinal customer,
                                 ServiceOrdinal service) const {
  const RetentionRule* const rule = RuleFor(customer, service);
  if (rule == nullptr) return Fate::kKeep;
  const bool gone =
      Passed(month, rule->delete_after_days) || Passed(month, rule->keep_summaries_days);
  return gone ? Fate::kDelete : Fate::kKeep;
}

Result<RetentionReport> Retain(Store* store, TimeUs now, RetentionRhythm* rhythm,
                               RateLimiter* limiter, const RetentionProgress& progress) {
  return Retainer(store, now, rhythm, limiter, progress).RetainAll();
}

Result<RetentionReport> ArchiveBefore(Store* store, TimeUs before, std::uint32_t archive,
                                      bool drop_ids, TimeUs now, RateLimiter* limiter,
                                      const RetentionProgress& progress) {
  const RetentionClock clock(*store, now);
  using MonthOfEpoch = std::pair<MonthIndex, std::uint64_t>;
  std::map<MonthOfEpoch, std::vector<SegmentPtr>> months, small;
  const ViewPtr view = store->view();
  for (const SegmentPtr& segment : view->segments) {
    const SegmentMeta& meta = segment->meta();
    if (meta.spec.summaries_only || MonthStart(meta.spec.month + 1) > before) continue;
    const MonthOfEpoch place(meta.spec.month, EpochOf(*view->freezes, meta.spec.seq_first));
    if (meta.archive == 0) months[place].push_back(segment);
    const bool drops_ids = drop_ids && clock.IdentityWindowPassed(meta.spec.month);
    if (meta.archive == archive && meta.file_bytes <= kSmallArchiveBytes &&
        segment->has_ids() != drops_ids)
      small[place].push_back(segment);
  }
  RetentionReport report;
  std::optional<MonthIndex> last_month;
  for (auto& [place, segments] : months) {
    const std::uint64_t archived_until_now = report.archived_events;
    const bool drops_ids = drop_ids && clock.IdentityWindowPassed(place.first);
    // Late events made small files; now and then they are merged with what arrives.
    std::uint64_t archived_before = 0;
    if (small[place].size() >= kFoldCount) {
      for (SegmentPtr& segment : small[place]) {
        archived_before += segment->meta().totals.rows;
        segments.push_back(std::move(segment));
      }
    }
    for (std::size_t at = 0; at < segments.size(); at += kRewriteInputsMax) {
      RewriteJob job;
      const std::size_t end = std::min(segments.size(), at + kRewriteInputsMax);
      job.inputs.assign(segments.begin() + static_cast<std::ptrdiff_t>(at),
                        segments.begin() + static_cast<std::ptrdiff_t>(end));
      job.fate_of = [](CustomerOrdinal, ServiceOrdinal) { return Fate::kArchive; };
      job.archive_to = archive;
      job.limiter = limiter;
      job.drop_archived_ids = drops_ids;
      const std::uint64_t rows_before = report.archived_events;
      QUIPU_TRY_ASSIGN(const RewriteResult result,
                       RewriteMonth(store, job, [&](std::uint64_t rows) {
                         return !progress || progress(rows_before + rows);
                       }));
      report.archived_events += result.archived.rows;
      report.archived_bytes += result.archived_bytes;
    }
    report.archived_events -= std::min(report.archived_events, archived_before);
    if (drops_ids) report.ids_dropped += report.archived_events - archived_until_now;
    report.months += place.first == last_month ? 0 : 1;
    last_month = place.first;
  }
  return report;
}

Result<std::uint32_t> ChooseArchive(Store* store, const std::string& path) {
  if (!path.empty()) return store->UseArchive(path);
  const ViewPtr view = store->view();
  for (const ArchiveFolder& folder : view->archives) {
    if (folder.is_attached) return folder.number;
  }
  return store->UseArchive(std::string(kDefaultArchive));
}

Status DetachArchiveFolder(Store* store, const std::string& path, TimeUs now) {
  const ViewPtr view = store->view();
  const ArchiveFolder* chosen = nullptr;
  for (const ArchiveFolder& folder : view->archives) {
    if (!folder.is_attached) continue;
    if (!path.empty() && store->ArchivePath(folder.path) != store->ArchivePath(path)) continue;
    if (chosen != nullptr)
      return Status::InvalidArgument(
          "the store has several archive folders; name the one to detach");
    chosen = &folder;
  }
  if (chosen == nullptr) {
    return Status::NotFound(path.empty()
                                ? "the store has no archive folder that is attached"
                                : path + " is not an attached archive folder of the store");
  }
  const RetentionClock clock(*store, now);
  for (const SegmentPtr& segment : view->segments) {
    const SegmentMeta& meta = segment->meta();
    if (meta.archive != chosen->number || clock.IdentityWindowPassed(meta.spec.month)) continue;
    return Status::Conflict("the archive holds " + MonthText(meta.spec.month) +
                            ", whose ids are still needed to recognise repeated deliveries "
                            "(identity_window_us after the "
                            "end of the month); detach it later");
  }
  return store->DetachArchive(chosen->number);
}

Status AttachArchiveFolder(Store* store, const std::string& path) {
  const ViewPtr view = store->view();
  Status last = Status::NotFound("the store has no detached archive folder");
  for (const ArchiveFolder& folder : view->archives) {
    if (folder.is_attached) continue;
    const std::string& wanted = path.empty() ? folder.path : path;
    last = store->AttachArchive(folder.number, wanted);
    if (last.ok()) return last;
  }
  return last;
}

}  // namespace quipu
