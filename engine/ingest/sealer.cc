#include "ingest/sealer.h"

#include <algorithm>
#include <map>
#include <span>
#include <vector>

#include "base/calendar.h"
#include "base/check.h"
#include "batch/ordered_rows.h"
#include "segment/segment.h"

namespace quipu {
namespace {

/// The rows of each month, as references into the view's hot batches.
std::map<MonthIndex, std::vector<RowRef>> RowsByMonth(const View& view) {
  std::map<MonthIndex, std::vector<RowRef>> months;
  MonthIndex month = 0;
  TimeUs month_start = 0;
  TimeUs month_end = 0;  // empty: the first row looks its month up
  std::vector<RowRef>* refs = nullptr;
  for (std::uint32_t b = 0; b < view.hot.size(); ++b) {
    const RowBatch& rows = view.hot[b]->rows;
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
      const TimeUs t = rows.times[i];
      if (refs == nullptr || t < month_start || t >= month_end) {
        month = MonthOf(t);
        month_start = MonthStart(month);
        month_end = MonthStart(month + 1);
        refs = &months[month];
      }
      refs->push_back({b, i});
    }
  }
  return months;
}

Result<SegmentMeta> WriteMonth(Store* store, const SegmentSpec& spec,
                               std::span<const RowBatch* const> batches,
                               std::span<const RowRef> refs) {
  QUIPU_TRY_ASSIGN(auto writer, store->NewSegment(store->segments_folder(), spec));
  OrderedRows rows(batches, refs);
  while (rows.left() > 0)
    QUIPU_TRY(writer->Append(rows.Take(std::min<std::size_t>(rows.left(), kRowGroupRows))));
  return writer->Finish();
}

/// Files of a seal that did not happen. Best effort: recovery moves aside what stays behind.
void RemoveFiles(Store* store, const std::vector<SegmentMeta>& metas) {
  for (const SegmentMeta& meta : metas)
    (void)store->vfs()->Unlink(JoinPath(store->segments_folder(), meta.file_name));
}

Status WriteMonths(Store* store, const View& view, std::vector<SegmentMeta>* metas) {
  std::vector<const RowBatch*> batches;
  for (const HotBatchPtr& batch : view.hot) batches.push_back(&batch->rows);
  const auto months = RowsByMonth(view);
  QUIPU_TRY_ASSIGN(std::uint64_t next_id, store->ReserveSegmentIds(months.size()));
  for (const auto& [month, refs] : months) {
    SegmentSpec spec;
    spec.store_id = store->store_id();
    spec.segment_id = next_id++;
    spec.month = month;
    spec.seq_first = view.sealed_seq + 1;
    spec.seq_last = view.as_of;
    QUIPU_TRY_ASSIGN(SegmentMeta meta, WriteMonth(store, spec, batches, refs));
    metas->push_back(std::move(meta));
  }
  return {};
}

}  // namespace

Status SealHotRows(Store* store) {
  const ViewPtr view = store->view();
  if (view->hot.empty()) return {};
  SegmentEdit edit;
  edit.sealed_through = view->as_of;
  if (Status written = WriteMonths(store, *view, &edit.add); !written.ok()) {
    RemoveFiles(store, edit.add);
    return written;
  }
  Status installed = store->Install(edit);
  // After a failed write the manifest may name the files already; after any other failure nothing does.
  if (!installed.ok() && store->write_error().ok()) RemoveFiles(store, edit.add);
  return installed;
}

}  // namespace quipu
