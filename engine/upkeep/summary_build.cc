#include "upkeep/summary_build.h"

#include <algorithm>

#include "base/check.h"
#include "upkeep/rewrite.h"

namespace quipu {
namespace {

std::vector<ServiceOrdinal> ServicesOf(const SegmentReader& segment) {
  std::vector<ServiceOrdinal> services;
  for (const auto& [id, name] : segment.services()) services.push_back(id);
  return services;
}

const SegmentReader::DimensionSetInfo* FindSet(const SegmentReader& segment,
                                               const DimensionSet& set) {
  for (const SegmentReader::DimensionSetInfo& info : segment.dimension_sets()) {
    if (info.set == set) return &info;
  }
  return nullptr;
}

bool IsToBuild(const SegmentReader& segment, const std::vector<DimensionSet>& declared,
               const std::set<std::uint64_t>& except) {
  return !except.contains(segment.meta().spec.segment_id) && LacksDimensionCells(segment, declared);
}

Status BuildSegment(Store* store, const SegmentPtr& segment,
                    const std::vector<DimensionSet>& declared, RateLimiter* limiter,
                    const std::function<bool()>& go_on) {
  const SegmentMeta& meta = segment->meta();
  const std::string folder = store->FolderOfSegment(meta, *store->view());
  // The copy is the old file and its new cells, which are bounded far below its size.
  QUIPU_TRY(meta.archive != 0
                ? store->CheckRoomIn(folder, meta.file_bytes, "a segment with new summaries")
                : store->CheckRoomFor(meta.file_bytes, "a segment with new summaries"));
  QUIPU_TRY_ASSIGN(const std::uint64_t id, store->ReserveMergedId());
  const auto pay = [&](std::uint64_t bytes) {
    return PayFor(*store, limiter, bytes, [&]() -> Status {
      if (!go_on || go_on()) return {};
      return Status::Cancelled("the building of summaries was stopped; it goes on from there");
    });
  };
  SegmentEdit edit;
  QUIPU_TRY_ASSIGN(SegmentMeta copied,
                   segment->CopyWithDimensionCells(store->vfs(), folder, id, declared,
                                                   meta.archive != 0 ? kArchiveWrapLevel : 0, pay));
  edit.add.push_back(std::move(copied));
  edit.remove.push_back(meta.spec.segment_id);
  QUIPU_TRY(InstallOrRemove(store, edit));
  // Else it would be built for ever.
  const ViewPtr installed = store->view();
  for (const SegmentPtr& now : installed->segments)
    QUIPU_CHECK(now->meta().spec.segment_id != id || !LacksDimensionCells(*now, declared));
  return {};
}

}  // namespace

bool LacksDimensionCells(const SegmentReader& segment, const std::vector<DimensionSet>& declared) {
  if (declared.empty() || segment.meta().spec.summaries_only) return false;
  const std::vector<ServiceOrdinal> services = ServicesOf(segment);
  const auto wanted = SetsThatConcern(declared, services, segment.dimensions(), segment.measures());
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const DimensionSet& set) { return FindSet(segment, set) == nullptr; });
}

BuildWork BuildLeft(const Store& store, const std::set<std::uint64_t>& except) {
  BuildWork work;
  const std::vector<DimensionSet> declared = store.DimensionSets();
  const ViewPtr view = store.view();
  for (const SegmentPtr& segment : view->segments) {
    if (!IsToBuild(*segment, declared, except)) continue;
    ++work.segments;
    work.rows += segment->rows();
  }
  return work;
}

Result<BuildStep> BuildNextSegment(Store* store, const std::set<std::uint64_t>& except,
                                   RateLimiter* limiter, const std::function<bool()>& go_on,
                                   std::uint64_t* failed) {
  *failed = 0;
  const std::vector<DimensionSet> declared = store->DimensionSets();
  SegmentPtr next;
  const ViewPtr view = store->view();
  for (const SegmentPtr& segment : view->segments) {
    if (!IsToBuild(*segment, declared, except)) continue;
    if (next == nullptr || segment->rows() < next->rows()) next = segment;
  }
  BuildStep step;
  if (next == nullptr) return step;
  step.segment = next->meta().spec.segment_id;
  step.rows = next->rows();
  const Status built = BuildSegment(store, next, declared, limiter, go_on);
  if (!built.ok()) *failed = step.segment;
  QUIPU_TRY(Status(built));
  return step;
}

std::vector<SummarySetInfo> DescribeSummaries(const View& view, const Store& store) {
  std::vector<SummarySetInfo> list;
  for (const SummarySet& set : store.summary_sets()) {
    SummarySetInfo& info = list.emplace_back();
    info.set = set;
    const DimensionSet resolved = Resolve(set, store.catalogue());
    for (const SegmentPtr& segment : view.segments) {
      const std::vector<ServiceOrdinal> services = ServicesOf(*segment);
      const DimensionSet here =
          RestrictedTo(resolved, services, segment->dimensions(), segment->measures());
      const bool is_lone = segment->meta().spec.summaries_only;
      if (here.dimensions.empty() || is_lone) continue;
      ++info.segments;
      info.events += segment->rows();
      const SegmentReader::DimensionSetInfo* const found = FindSet(*segment, here);
      if (found == nullptr) continue;
      ++info.segments_built;
      if (found->covered.empty()) ++info.segments_left_out;
      info.bytes += found->bytes;
    }
  }
  return list;
}

}  // namespace quipu
