#include "ingest/dedupe.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

/// How many questions ahead memory is asked for: 16 misses are what a core waits for at a time.
constexpr std::size_t kAhead = 16;

/// Suspected rows of one segment for one incoming row.
struct Suspect {
  std::uint32_t stored_row = 0;
  std::uint32_t incoming_row = 0;
};

/// Equal keys given: is the rest of the identity equal too?
bool SameOwner(const RowBatch& a, std::size_t i, const RowBatch& b, std::size_t j) {
  const auto millis = [](const RowBatch& rows, std::size_t row) {
    return rows.id_millis.empty() ? 0 : rows.id_millis[row];
  };
  return a.customers[i] == b.customers[j] && millis(a, i) == millis(b, j) &&
         a.TextOf(i) == b.TextOf(j) && a.sources.Text(i) == b.sources.Text(j);
}

}  // namespace

/// The rows under examination and what is known of them so far.
struct Dedupe::Incoming {
  RowBatch* rows;
  const std::vector<std::uint8_t>* facts;  // RowFact
  std::vector<Outcome> outcomes;

  [[nodiscard]] bool IsOpen(std::size_t i) const { return outcomes[i] == Outcome::kAccepted; }
  /// Row i has the identity of `stored`'s row s: settles whether it is a repeat or a contradiction.
  void Settle(std::size_t i, const RowBatch& stored, std::size_t s) {
    if (((*facts)[i] & kTimeGiven) == 0) rows->times[i] = stored.times[s];
    outcomes[i] = SameContent(stored, s, *rows, i) ? Outcome::kDuplicate : Outcome::kConflict;
  }
};

Dedupe::Dedupe(const View& view) {
  for (const HotBatchPtr& batch : view.hot) Remember(batch->rows.identities, batch->first_row);
}

void Dedupe::Remember(const std::vector<Hash128>& identities, std::uint64_t first_row) {
  hot_.Reserve(identities.size());
  for (std::size_t i = 0; i < identities.size(); ++i) {
    if (i + kAhead < identities.size()) hot_.Prefetch(identities[i + kAhead].high);
    hot_.Insert(identities[i].high, first_row + i);
  }
}

void Dedupe::Forget(const View& view) {
  if (!view.hot.empty()) hot_.Forget(view.hot.front()->first_row);
}

Result<std::vector<Outcome>> Dedupe::Check(const View& view, const std::vector<std::uint8_t>& facts,
                                           TimeUs late_before, RowBatch* rows) const {
  Incoming incoming{rows, &facts, std::vector<Outcome>(rows->size(), Outcome::kAccepted)};
  CheckHot(view, &incoming);
  for (const SegmentPtr& segment : view.segments) {
    QUIPU_TRY(CheckSegment(*segment, &incoming));
  }
  MarkTooLate(*view.forgotten, late_before, *rows, facts, &incoming.outcomes);
  // Last, so that an event is compared with the stored one and not with another copy in its own batch.
  CheckWithinBatch(&incoming);
  return std::move(incoming.outcomes);
}

void Dedupe::CheckWithinBatch(Incoming* incoming) {
  const RowBatch& rows = *incoming->rows;
  IdentitySet seen;
  seen.Reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!incoming->IsOpen(i)) continue;
    const std::uint64_t hash = rows.identities[i].high;
    const bool found = seen.Find(hash, [&](std::uint64_t earlier) {
      if (!SameIdentity(rows, earlier, rows, i)) return false;
      incoming->Settle(i, rows, earlier);
      return true;
    });
    if (!found) seen.Insert(hash, i);
  }
}

void Dedupe::CheckHot(const View& view, Incoming* incoming) const {
  if (view.hot.empty()) return;
  const RowBatch& rows = *incoming->rows;
  const std::uint64_t first_live = view.hot.front()->first_row;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) hot_.Prefetch(rows.identities[i + kAhead].high);
    hot_.Find(rows.identities[i].high, [&](std::uint64_t number) {
      if (number < first_live) return false;  // sealed since; the segments are asked next
      const RowRef ref = view.FindHotRow(number);
      const RowBatch& stored = view.hot[ref.batch]->rows;
      if (!SameIdentity(stored, ref.row, rows, i)) return false;
      incoming->Settle(i, stored, ref.row);
      return true;
    });
  }
}

Status Dedupe::CheckSegment(const SegmentReader& segment, Incoming* incoming) {
  const RowBatch& rows = *incoming->rows;
  std::vector<IdentityProbe> probes;
  std::vector<std::uint32_t> asked;  // the row of each probe
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    if (!incoming->IsOpen(i)) continue;
    probes.push_back({rows.identities[i], rows.id_forms[i]});
    asked.push_back(i);
  }
  std::vector<IdentitySuspect> found;
  QUIPU_TRY(segment.FindIdentities(probes, &found));
  std::vector<Suspect> suspects;
  for (const IdentitySuspect& s : found) suspects.push_back({s.row, asked[s.probe]});
  if (suspects.empty()) return {};
  // Read the suspected rows once each and in file order: a replayed file touches every vector once.
  std::sort(suspects.begin(), suspects.end(),
            [](const Suspect& a, const Suspect& b) { return a.stored_row < b.stored_row; });
  std::vector<std::uint32_t> wanted;
  for (const Suspect& s : suspects) {
    if (wanted.empty() || wanted.back() != s.stored_row) wanted.push_back(s.stored_row);
  }
  QUIPU_TRY_ASSIGN(const RowBatch stored, segment.ReadRows(wanted, RowParts::kWithoutKeys));
  std::size_t at = 0;
  for (const Suspect& s : suspects) {
    while (wanted[at] != s.stored_row) ++at;
    if (SameOwner(stored, at, rows, s.incoming_row)) incoming->Settle(s.incoming_row, stored, at);
  }
  return {};
}

}  // namespace quipu
