#include "store/summary_sets.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "quipu/event.h"
#include "store/manifest.h"
#include "store/store.h"

namespace quipu {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::string_view kAllMeasures = "*";

Status CheckNames(const SummarySet& set, const std::vector<std::string>& names, const char* what) {
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kNameBytesMax) {
      return Status::InvalidArgument("summary " + SetText(set) + ": a " + what +
                                     " has 1 to 256 bytes");
    }
  }
  return {};
}

void SortUnique(std::vector<std::string>* names) {
  std::sort(names->begin(), names->end());
  names->erase(std::unique(names->begin(), names->end()), names->end());
}

bool IsSameSet(const SummarySet& a, const SummarySet& b) {
  return a.service == b.service && a.dimensions == b.dimensions;
}

}  // namespace

std::string SetText(const SummarySet& set) {
  std::string text = (set.service.empty() ? "*" : set.service) + ":";
  for (std::size_t i = 0; i < set.dimensions.size(); ++i)
    text += (i == 0 ? "" : ",") + set.dimensions[i];
  return text;
}

Result<SummarySet> Canonical(SummarySet set) {
  SortUnique(&set.dimensions);
  SortUnique(&set.measures);
  if (set.dimensions.empty() || set.dimensions.size() > kSetDimensionsMax) {
    return Status::InvalidArgument("summary " + SetText(set) +
                                   ": a set has 1 to 3 different dimensions");
  }
  QUIPU_TRY(CheckNames(set, set.dimensions, "dimension"));
  QUIPU_TRY(CheckNames(set, set.measures, "measure"));
  if (set.service.size() > kNameBytesMax)
    return Status::InvalidArgument("summary " + SetText(set) + ": a service has at most 256 bytes");
  if (set.measures.size() > kSetMeasuresMax) {
    return Status::InvalidArgument("summary " + SetText(set) +
                                   ": at most 64 measures; \"*\" stands for all");
  }
  for (const std::string& name : set.dimensions) {
    if (name == "customer" || name == "service") {
      return Status::InvalidArgument("summary " + SetText(set) + ": '" + name +
                                     "' is not a dimension; cells by customer and by service are "
                                     "always made");
    }
  }
  if (std::find(set.measures.begin(), set.measures.end(), kAllMeasures) != set.measures.end())
    set.measures = {std::string(kAllMeasures)};
  if (set.rows_min == 0) set.rows_min = kSetRowsMin;
  if (set.sketch_rows_min == 0) set.sketch_rows_min = kSetSketchRowsMin;
  return set;
}

std::string EncodeSummarySets(const std::vector<SummarySet>& sets) {
  QUIPU_CHECK(sets.size() <= kDimensionSetsMax);
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kRecordVersion);
  w.U8(static_cast<std::uint8_t>(sets.size()));
  for (const SummarySet& set : sets) {
    w.Text(set.service);
    w.U8(static_cast<std::uint8_t>(set.dimensions.size()));
    for (const std::string& name : set.dimensions) w.Text(name);
    w.U8(static_cast<std::uint8_t>(set.measures.size()));
    for (const std::string& name : set.measures) w.Text(name);
    w.U32(set.rows_min);
    w.U32(set.sketch_rows_min);
  }
  return SealValue(kSummarySetsKey, payload);
}

Result<std::vector<SummarySet>> DecodeSummarySets(std::string_view value) {
  constexpr std::string_view kWhat = "manifest: summary sets";
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(kSummarySetsKey, value, kWhat));
  ByteReader in(AsBytes(payload));
  if (const std::uint8_t version = in.U8(); version > kRecordVersion) {
    return Status::Unsupported(std::string(kWhat) + ": version " + std::to_string(version) +
                               "; a newer version of Quipu wrote it");
  }
  const std::uint8_t count = in.U8();
  std::vector<SummarySet> sets;
  for (std::uint8_t i = 0; i < count && in.ok(); ++i) {
    SummarySet set;
    set.measures.clear();
    set.service = in.Text();
    for (std::uint8_t n = in.U8(); n > 0 && in.ok(); --n) set.dimensions.emplace_back(in.Text());
    for (std::uint8_t n = in.U8(); n > 0 && in.ok(); --n) set.measures.emplace_back(in.Text());
    set.rows_min = in.U32();
    set.sketch_rows_min = in.U32();
    QUIPU_TRY(in.status(kWhat));
    const auto canonical = Canonical(set);
    const bool known = std::any_of(sets.begin(), sets.end(),
                                   [&](const SummarySet& s) { return IsSameSet(s, set); });
    if (!canonical || !(*canonical == set) || known)
      return Status::Corruption(std::string(kWhat) + ": an impossible set " + SetText(set));
    sets.push_back(std::move(set));
  }
  QUIPU_TRY(in.status(kWhat));
  if (in.remaining() != 0 || sets.size() > kDimensionSetsMax)
    return Status::Corruption(std::string(kWhat) + ": too many sets, or bytes after their end");
  return sets;
}

DimensionSet Resolve(const SummarySet& set, const Catalogue& catalogue) {
  DimensionSet out;
  out.rows_min = set.rows_min;
  out.sketch_rows_min = set.sketch_rows_min;
  if (!set.service.empty()) {
    const auto service = catalogue.Find(NameKind::kService, set.service);
    if (!service) return out;
    out.service = *service;
  }
  const auto find = [&](NameKind kind, const std::vector<std::string>& names) {
    std::vector<ColumnId> ids;
    for (const std::string& name : names) {
      if (const auto id = catalogue.Find(kind, name)) ids.push_back(*id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  out.dimensions = find(NameKind::kDimension, set.dimensions);
  out.all_measures = set.measures.size() == 1 && set.measures[0] == kAllMeasures;
  if (!out.all_measures) out.measures = find(NameKind::kMeasure, set.measures);
  return out;
}

// ---- Of the store.

std::vector<SummarySet> Store::summary_sets() const {
  const std::lock_guard lock(mutex_);
  return lists_.summary_sets;
}

std::vector<DimensionSet> Store::DimensionSets() const {
  std::vector<DimensionSet> sets;
  for (const SummarySet& set : summary_sets()) {
    DimensionSet resolved = Resolve(set, catalogue_);
    if (!resolved.dimensions.empty()) sets.push_back(std::move(resolved));
  }
  return sets;
}

Result<std::unique_ptr<SegmentWriter>> Store::NewSegment(const std::string& folder,
                                                         const SegmentSpec& spec) const {
  QUIPU_TRY_ASSIGN(auto writer, SegmentWriter::Create(vfs(), folder, spec, &catalogue_));
  writer->SetDimensionSets(DimensionSets());
  return writer;
}

Status Store::ChangeSummarySets(const std::vector<SummarySet>& sets) {
  KvBatch batch;
  batch.Put(KvSpace::kMeta, std::string(kSummarySetsKey), EncodeSummarySets(sets));
  QUIPU_TRY(WriteOrStop(batch, /*sync=*/true));
  const std::lock_guard lock(mutex_);
  lists_.summary_sets = sets;
  return {};
}

Status Store::DeclareSummarySet(const SummarySet& declared) {
  QUIPU_TRY_ASSIGN(SummarySet set, Canonical(declared));
  const std::lock_guard write_lock(write_mutex_);
  std::vector<SummarySet> sets = summary_sets();
  const auto known = std::find_if(sets.begin(), sets.end(),
                                  [&](const SummarySet& s) { return IsSameSet(s, set); });
  if (known != sets.end()) {
    *known = std::move(set);
  } else if (sets.size() == kDimensionSetsMax) {
    return Status::Exhausted("a store has at most " + std::to_string(kDimensionSetsMax) +
                             " summaries by dimension; drop one first");
  } else {
    sets.push_back(std::move(set));
  }
  return ChangeSummarySets(sets);
}

Status Store::DropSummarySet(const SummarySet& dropped) {
  QUIPU_TRY_ASSIGN(const SummarySet set, Canonical(dropped));
  const std::lock_guard write_lock(write_mutex_);
  std::vector<SummarySet> sets = summary_sets();
  if (std::erase_if(sets, [&](const SummarySet& s) { return IsSameSet(s, set); }) == 0)
    return Status::NotFound("no summary " + SetText(set) + " is declared");
  return ChangeSummarySets(sets);
}

}  // namespace quipu
