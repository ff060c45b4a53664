#include "upkeep/saved_rows.h"

#include <algorithm>

namespace quipu {
namespace {

constexpr std::uint64_t kCacheBytes = 64u << 20;

bool RangesMeet(const SegmentSpec& a, std::uint64_t first, std::uint64_t last) {
  return a.seq_first <= last && first <= a.seq_last;
}

bool HasRun(const Directory& directory, CustomerOrdinal customer, ServiceOrdinal service) {
  const std::span<const Run> runs = directory.Find(customer);
  return std::any_of(runs.begin(), runs.end(), [&](const Run& r) { return r.service == service; });
}

bool HaveCommonRun(const Directory& a, const Directory& b) {
  return std::any_of(a.runs().begin(), a.runs().end(),
                     [&](const Run& run) { return HasRun(b, run.customer, run.service); });
}

}  // namespace

SavedRows::SavedRows(const RepairedSegments* segments, const std::map<std::uint64_t, RowBatch>* hot)
    : segments_(segments), hot_(hot), cache_(kCacheBytes, kCacheBytes) {
  for (const auto& [seq, rows] : *hot) {
    for (std::uint32_t i = 0; i < rows.size(); ++i)
      hot_keys_.emplace(rows.identities[i].high, std::pair(&rows, i));
  }
}

Status SavedRows::OpenNew() {
  for (std::size_t i = all_.size(); i < segments_->metas().size(); ++i) {
    const SegmentMeta& meta = segments_->metas()[i];
    QUIPU_TRY_ASSIGN(auto reader, SegmentReader::Open(segments_->vfs(),
                                                      JoinPath(segments_->folder(), meta.file_name),
                                                      &meta, &cache_));
    QUIPU_TRY_ASSIGN(const Directory* const directory, reader->directory());
    all_.push_back({std::move(reader), directory});
  }
  return {};
}

Result<bool> SavedRows::Begin(const FoundSegment& candidate) {
  QUIPU_TRY(OpenNew());
  peers_.clear();
  const SegmentSpec& spec = candidate.meta.spec;
  const auto directory = candidate.reader->directory();
  if (!directory) return false;  // nothing of it can be saved
  for (const Peer& peer : all_) {
    const SegmentSpec& other = peer.reader->meta().spec;
    if (other.month == spec.month && RangesMeet(spec, other.seq_first, other.seq_last) &&
        HaveCommonRun(**directory, *peer.directory))
      peers_.push_back(&peer);
  }
  meets_hot_ = !hot_->empty() && RangesMeet(spec, hot_->begin()->first, hot_->rbegin()->first);
  return meets_hot_ || !peers_.empty();
}

Status SavedRows::DropKnown(RowBatch* rows) {
  std::vector<bool> known(rows->size(), false);
  for (const Peer* peer : peers_) {
    if (!rows->identities.empty() && peer->reader->has_ids()) {
      QUIPU_TRY(MarkByIdentity(*peer->reader, *rows, &known));
      continue;
    }
    for (std::size_t i = 0; i < rows->size(); ++i)
      if (HasRun(*peer->directory, rows->customers[i], rows->services[i])) known[i] = true;
  }
  if (meets_hot_ && !rows->identities.empty()) MarkHot(*rows, &known);
  std::vector<RowRef> left;
  for (std::uint32_t i = 0; i < rows->size(); ++i) {
    if (!known[i]) left.push_back({0, i});
  }
  if (left.size() == rows->size()) return {};
  const RowBatch* const batch = rows;
  *rows = left.empty() ? RowBatch() : Gather({&batch, 1}, left);
  return {};
}

/// A hash match is a suspicion; customer, source and id decide.
Status SavedRows::MarkByIdentity(const SegmentReader& reader, const RowBatch& rows,
                                 std::vector<bool>* known) const {
  std::vector<IdentityProbe> probes;
  for (std::size_t i = 0; i < rows.size(); ++i)
    probes.push_back({rows.identities[i], rows.id_forms[i]});
  std::vector<IdentitySuspect> suspects;
  QUIPU_TRY(reader.FindIdentities(probes, &suspects));
  std::sort(suspects.begin(), suspects.end(),
            [](const IdentitySuspect& a, const IdentitySuspect& b) { return a.row < b.row; });
  std::vector<std::uint32_t> wanted;
  for (const IdentitySuspect& suspect : suspects) {
    if (wanted.empty() || wanted.back() != suspect.row) wanted.push_back(suspect.row);
  }
  QUIPU_TRY_ASSIGN(const RowBatch stored, reader.ReadRows(wanted));
  std::size_t at = 0;
  for (const IdentitySuspect& suspect : suspects) {
    while (wanted[at] != suspect.row) ++at;
    if (SameIdentity(rows, suspect.probe, stored, at)) (*known)[suspect.probe] = true;
  }
  return {};
}

void SavedRows::MarkHot(const RowBatch& rows, std::vector<bool>* known) const {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto [begin, end] = hot_keys_.equal_range(rows.identities[i].high);
    for (auto it = begin; it != end; ++it) {
      const auto& [batch, row] = it->second;
      if (SameIdentity(rows, i, *batch, row)) (*known)[i] = true;
    }
  }
}

}  // namespace quipu
