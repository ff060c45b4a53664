#include "upkeep/verify.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/calendar.h"
#include "base/check.h"
#include "store/view_as_of.h"
#include "upkeep/survey.h"

namespace quipu {
namespace {

constexpr std::size_t kProblemsMax = 1000;

void AddProblem(VerifyReport* report, std::string place, std::string message) {
  if (report->problems.size() < kProblemsMax)
    report->problems.push_back({std::move(place), std::move(message)});
}

Status VerifySegments(const View& view, VerifyReport* report, const Progress& progress) {
  for (const SegmentPtr& segment : view.segments) {
    SegmentVerifyReport one;
    // Damage is in `one` already; what is not damage (a failed read) means that the check could not be done.
    const Status status = segment->Verify(&one);
    if (!status.ok() && status.code() != StatusCode::kCorruption) return status;
    if (!status.ok() && one.problems.empty()) one.problems.emplace_back(status.message());
    for (std::string& problem : one.problems)
      AddProblem(report, segment->path(), WithoutPlace(segment->path(), std::move(problem)));
    ++report->segments;
    report->pages += one.pages;
    report->rows += one.rows;
    report->cells += one.cells;
    report->bytes += segment->meta().file_bytes;
    if (progress && !progress(report->rows, view.totals.rows))
      return Status::Cancelled("verification was stopped");
  }
  return {};
}

void VerifyTotals(const View& view, VerifyReport* report) {
  Totals sum;
  for (const SegmentPtr& segment : view.segments) sum.Add(segment->meta().totals);
  for (const SegmentMeta& meta : view.detached) sum.Add(meta.totals);  // as recorded
  for (const HotBatchPtr& batch : view.hot) {
    sum.Add(TotalsOf(batch->rows));
    report->rows += batch->rows.size();
  }
  if (sum == view.totals) return;
  AddProblem(report, "manifest",
             "totals do not add up: manifest " + view.totals.ToString() +
                 ", segments and hot rows " + sum.ToString());
}

/// Hot commits must follow one another without a gap.
void VerifyHotTier(const View& view, VerifyReport* report) {
  std::uint64_t row = view.hot.empty() ? 0 : view.hot.front()->first_row;
  std::uint64_t seq = view.sealed_seq;
  for (const HotBatchPtr& batch : view.hot) {
    if (batch->seq_first <= seq || batch->seq_last < batch->seq_first ||
        batch->seq_last > view.as_of || batch->first_row != row) {
      AddProblem(report, "commit " + std::to_string(batch->seq_first),
                 "hot batches overlap or leave a gap");
    }
    seq = batch->seq_last;
    row += batch->rows.size();
  }
}

Status VerifyFolder(const Store& store, const View& view, VerifyReport* report) {
  std::map<std::string, std::set<std::string>> present;  // by folder
  for (const SegmentPtr& segment : view.segments) {
    const std::string folder = FolderOf(segment->path());
    if (!present.contains(folder)) {
      QUIPU_TRY_ASSIGN(const std::vector<std::string> names, store.vfs()->List(folder));
      present[folder].insert(names.begin(), names.end());
    }
    if (!present[folder].contains(segment->meta().file_name)) {
      AddProblem(report, segment->path(), "the file is gone from its folder");
    }
  }
  return {};
}

/// Where ids are missing the manifest must say so, or a repeated delivery would be counted twice.
Status VerifyForgotten(const View& view, VerifyReport* report) {
  for (const SegmentPtr& segment : view.segments) {
    if (segment->has_ids()) continue;
    const auto directory = segment->directory();
    if (!directory && directory.error().code() == StatusCode::kCorruption) continue;  // reported
    if (!directory) return directory.error();
    const bool is_known =
        std::all_of((*directory)->runs().begin(), (*directory)->runs().end(), [&](const Run& run) {
          return view.forgotten->Covers(MonthStart(segment->meta().spec.month), run.service);
        });
    if (!is_known) {
      AddProblem(report, segment->path(),
                 "it has no ids, and the manifest does not record that they were dropped");
    }
  }
  return {};
}

/// What was frozen must still be there, and apart from what came later.
void VerifyFreezes(const View& view, VerifyReport* report) {
  for (const FrozenPtr& freeze : *view.freezes) {
    if (Status proven = ProveFreeze(view, freeze->record); !proven.ok())
      AddProblem(report, "manifest", std::string(proven.message()));
  }
}

}  // namespace

Result<VerifyReport> VerifyStore(const Store& store, const Progress& progress) {
  const ViewPtr view = store.view();
  VerifyReport report;
  QUIPU_TRY(VerifySegments(*view, &report, progress));
  VerifyTotals(*view, &report);
  VerifyFreezes(*view, &report);
  VerifyHotTier(*view, &report);
  QUIPU_TRY(VerifyFolder(store, *view, &report));
  QUIPU_TRY(VerifyForgotten(*view, &report));
  return report;
}

}  // namespace quipu
