#include "query/find_event.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "query/stored_event.h"

namespace quipu {
namespace {

/// What is looked for.
struct Wanted {
  CustomerOrdinal customer = 0;
  std::string_view source;
  std::string_view text;  // of an id that is text
  Identity identity;

  /// Everything but key and form, which must be equal already.
  [[nodiscard]] bool IsOwnerOf(const RowBatch& rows, std::size_t i) const {
    const std::int64_t millis = rows.id_millis.empty() ? 0 : rows.id_millis[i];
    return rows.customers[i] == customer && millis == identity.millis && rows.TextOf(i) == text &&
           rows.sources.Text(i) == source;
  }
};

std::optional<FoundEvent> FindHot(const View& view, const Catalogue& catalogue,
                                  const Wanted& wanted) {
  for (const HotBatchPtr& batch : view.hot) {
    const RowBatch& rows = batch->rows;
    for (const std::uint32_t i : batch->RowsWithKey(wanted.identity.key)) {
      if (rows.id_forms[i] != wanted.identity.form || !wanted.IsOwnerOf(rows, i)) continue;
      FoundEvent found;
      found.event = MakeStoredEvent(rows, i, catalogue);
      found.tier = "hot";
      const auto commit =
          std::upper_bound(batch->commit_ends.begin(), batch->commit_ends.end(), i) -
          batch->commit_ends.begin();
      found.commit_first = found.commit_last =
          batch->seq_first + static_cast<std::uint64_t>(commit);
      return found;
    }
  }
  return std::nullopt;
}

std::string TierOf(const SegmentMeta& meta) {
  if (meta.archive != 0) return "archive";
  return meta.level == SegmentLevel::kSealed   ? "L0"
         : meta.level == SegmentLevel::kMerged ? "L1"
                                               : "L2";
}

Result<std::optional<FoundEvent>> FindIn(const SegmentReader& segment, const Catalogue& catalogue,
                                         const Wanted& wanted) {
  const IdentityProbe probe{wanted.identity.key, wanted.identity.form};
  std::vector<IdentitySuspect> suspects;
  QUIPU_TRY(segment.FindIdentities({&probe, 1}, &suspects));
  for (const IdentitySuspect& suspect : suspects) {
    QUIPU_TRY_ASSIGN(RowBatch rows, segment.ReadRows({&suspect.row, 1}, RowParts::kWithoutKeys));
    if (!wanted.IsOwnerOf(rows, 0)) continue;
    rows.identities = {wanted.identity.key};
    rows.id_forms = {wanted.identity.form};
    FoundEvent found;
    found.event = MakeStoredEvent(rows, 0, catalogue);
    found.tier = TierOf(segment.meta());
    found.file = segment.path();
    found.commit_first = segment.meta().spec.seq_first;
    found.commit_last = segment.meta().spec.seq_last;
    return std::optional<FoundEvent>(std::move(found));
  }
  return std::optional<FoundEvent>();
}

Status NotFound(const View& view, std::string_view id) {
  const std::string what =
      "no event with the id '" + std::string(id) + "' of this customer and source";
  if (view.forgotten->end() == kTimeMin) return Status::NotFound(what + " is stored");
  return Status::OutOfRange(
      what + " is among those whose ids are stored; ids of some events before " +
      FormatTime(view.forgotten->end()) +
      " were dropped or are in a detached archive, so it may have been one of them");
}

}  // namespace

Result<FoundEvent> RunFindEvent(const View& view, const Catalogue& catalogue,
                                std::string_view customer, std::string_view source,
                                std::string_view id) {
  if (customer.empty() || id.empty() || customer.size() > kNameBytesMax ||
      id.size() > kNameBytesMax || source.size() > kNameBytesMax) {
    return Status::InvalidArgument("customer and id have 1 to 256 bytes, a source at most 256");
  }
  const auto ordinal = catalogue.Find(NameKind::kCustomer, customer);
  if (!ordinal || std::binary_search(view.erased.begin(), view.erased.end(), *ordinal))
    return NotFound(view, id);
  Wanted wanted;
  wanted.customer = *ordinal;
  wanted.source = source;
  wanted.identity = MakeIdentity(customer, source, id);
  if (wanted.identity.form == IdForm::kText) wanted.text = id;
  if (auto found = FindHot(view, catalogue, wanted)) return *std::move(found);
  for (const SegmentPtr& segment : view.segments) {
    const SegmentMeta& meta = segment->meta();
    if (*ordinal < meta.customer_first || *ordinal > meta.customer_last) continue;
    QUIPU_TRY_ASSIGN(std::optional<FoundEvent> found, FindIn(*segment, catalogue, wanted));
    if (found) return *std::move(found);
  }
  return NotFound(view, id);
}

}  // namespace quipu
