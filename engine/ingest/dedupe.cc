#include "ingest/dedupe.h"

#include <algorithm>
#include <unordered_map>

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
  /// A row with the identity of an earlier one.
  struct Repeat {
    std::uint32_t first = 0, again = 0;
  };

  RowBatch* rows;
  const std::vector<std::uint8_t>* facts;  // RowFact
  const Stored* stored;
  std::vector<Outcome> outcomes;
  std::vector<std::uint32_t> numbered;  // the row of stored->next_row, of the number after it, ...
  std::vector<Repeat> repeats;          // of numbered rows
  std::size_t settled = 0;

  [[nodiscard]] bool IsOpen(std::size_t i) const { return outcomes[i] == Outcome::kAccepted; }
  /// Row i has the identity of `of`'s row s: settles whether it is a repeat or a contradiction.
  void Settle(std::size_t i, const RowBatch& of, std::size_t s) {
    if (((*facts)[i] & kTimeGiven) == 0) rows->times[i] = of.times[s];
    outcomes[i] = SameContent(of, s, *rows, i) ? Outcome::kDuplicate : Outcome::kConflict;
    ++settled;
  }
};

std::uint64_t Dedupe::Stored::FirstRow() const {
  if (!view->hot.empty()) return view->hot.front()->first_row;
  return under_way.empty() ? next_row : under_way.front()->first_row;
}

std::pair<const RowBatch*, std::size_t> Dedupe::Stored::Find(std::uint64_t number) const {
  for (const HotBatchPtr& batch : under_way) {
    if (number >= batch->first_row && number - batch->first_row < batch->rows.size())
      return {&batch->rows, static_cast<std::size_t>(number - batch->first_row)};
  }
  const RowRef ref = view->FindHotRow(number);
  return {&view->hot[ref.batch]->rows, ref.row};
}

Dedupe::Dedupe(const View& view) {
  for (const HotBatchPtr& batch : view.hot) {
    const std::vector<Hash128>& identities = batch->rows.identities;
    hot_.Reserve(identities.size());
    for (std::size_t i = 0; i < identities.size(); ++i)
      hot_.Insert(identities[i].high, batch->first_row + i);
  }
}

Result<std::vector<Outcome>> Dedupe::Check(const Stored& stored,
                                           const std::vector<std::uint8_t>& facts,
                                           TimeUs late_before, RowBatch* rows) {
  Incoming incoming;
  incoming.rows = rows;
  incoming.facts = &facts;
  incoming.stored = &stored;
  incoming.outcomes.assign(rows->size(), Outcome::kAccepted);
  CheckHot(&incoming);
  if (Status status = CheckSegments(&incoming); !status.ok()) {
    incoming.outcomes.assign(rows->size(), Outcome::kInvalid);  // none of them is to be remembered
    NumberAnew(incoming);
    return status;
  }
  MarkTooLate(*stored.view->forgotten, late_before, *rows, facts, &incoming.outcomes);
  // Last, so that an event is compared with the stored one and not with another copy in its own batch.
  SettleRepeats(&incoming);
  NumberAnew(incoming);
  return std::move(incoming.outcomes);
}

void Dedupe::Undo(const std::vector<Hash128>& identities, std::uint64_t first_row) {
  for (std::size_t i = 0; i < identities.size(); ++i)
    hot_.Remove(identities[i].high, first_row + i);
}

/// Looks for every row among the hot ones and those before it; what is neither gets a number and is remembered.
void Dedupe::CheckHot(Incoming* incoming) {
  const RowBatch& rows = *incoming->rows;
  const Stored& stored = *incoming->stored;
  const std::uint64_t next_row = stored.next_row;
  hot_.Forget(stored.FirstRow());
  hot_.Reserve(rows.size());
  incoming->numbered.reserve(rows.size());
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) hot_.Prefetch(rows.identities[i + kAhead].high);
    const auto is_it = [&](std::uint64_t number) {
      if (number >= next_row) {
        const std::uint32_t first = incoming->numbered[number - next_row];
        if (!SameIdentity(rows, first, rows, i)) return false;
        incoming->repeats.push_back({first, i});
        return true;
      }
      const auto [batch, row] = stored.Find(number);
      if (!SameIdentity(*batch, row, rows, i)) return false;
      incoming->Settle(i, *batch, row);
      return true;
    };
    const std::uint64_t number = next_row + incoming->numbered.size();
    if (!hot_.FindOrInsert(rows.identities[i].high, number, is_it)) incoming->numbered.push_back(i);
  }
}

/// Compares each repeat with the first copy that is accepted, which is usually the first. One that would be too late by itself, too: the copy
/// before it may have come with a stamp, and what is answered must not depend on which batches share a commit.
void Dedupe::SettleRepeats(Incoming* incoming) {
  std::unordered_map<std::uint32_t, std::uint32_t> accepted;  // the copy, by the first one
  for (const Incoming::Repeat& repeat : incoming->repeats) {
    const bool is_open = incoming->IsOpen(repeat.again);
    if (!is_open && incoming->outcomes[repeat.again] != Outcome::kTooLate) continue;
    std::uint32_t& copy = accepted.try_emplace(repeat.first, repeat.first).first->second;
    if (incoming->IsOpen(copy)) {
      incoming->Settle(repeat.again, *incoming->rows, copy);
    } else if (is_open) {
      copy = repeat.again;
    }
  }
}

/// Numbers were given in passing. Now that all outcomes are known, the accepted rows take them one after another and the others none.
void Dedupe::NumberAnew(const Incoming& incoming) {
  const std::vector<Hash128>& identities = incoming.rows->identities;
  const std::vector<std::uint32_t>& numbered = incoming.numbered;
  const std::uint64_t next_row = incoming.stored->next_row;
  std::uint64_t number = next_row;
  std::size_t k = 0;
  for (std::uint32_t i = 0; i < incoming.outcomes.size(); ++i) {
    const bool had_one = k < numbered.size() && numbered[k] == i;
    const std::uint64_t before = next_row + k;
    k += had_one ? 1 : 0;
    if (!incoming.IsOpen(i)) {
      if (had_one) hot_.Remove(identities[i].high, before);
      continue;
    }
    if (!had_one) {
      hot_.Insert(identities[i].high, number);
    } else if (before != number) {
      hot_.Renumber(identities[i].high, before, number);
    }
    ++number;
  }
}

/// What is asked of a segment.
struct Dedupe::Questions {
  std::vector<IdentityProbe> probes;
  std::vector<std::uint32_t> rows;  // of the probes
  CustomerOrdinal customer_first = ~CustomerOrdinal{0}, customer_last = 0;

  void Clear() {
    probes.clear();
    rows.clear();
    customer_first = ~CustomerOrdinal{0};
    customer_last = 0;
  }
  void Add(const RowBatch& from, std::uint32_t row) {
    probes.push_back({from.identities[row], from.id_forms[row]});
    rows.push_back(row);
    customer_first = std::min(customer_first, from.customers[row]);
    customer_last = std::max(customer_last, from.customers[row]);
  }
};

// Files of a closed month share it by customer: most events need to be looked for in one of them.
Status Dedupe::CheckSegments(Incoming* incoming) {
  const RowBatch& rows = *incoming->rows;
  Questions all, some;
  std::size_t settled = incoming->settled + 1;
  for (const SegmentPtr& segment : incoming->stored->view->segments) {
    if (settled != incoming->settled) {
      settled = incoming->settled;
      all.Clear();
      for (std::uint32_t i = 0; i < rows.size(); ++i) {
        if (incoming->IsOpen(i)) all.Add(rows, i);
      }
    }
    const SegmentMeta& meta = segment->meta();
    if (meta.customer_first <= all.customer_first && all.customer_last <= meta.customer_last) {
      QUIPU_TRY(CheckSegment(*segment, all, incoming));
      continue;
    }
    some.Clear();
    for (const std::uint32_t row : all.rows) {
      const CustomerOrdinal customer = rows.customers[row];
      if (meta.customer_first <= customer && customer <= meta.customer_last) some.Add(rows, row);
    }
    QUIPU_TRY(CheckSegment(*segment, some, incoming));
  }
  return {};
}

Status Dedupe::CheckSegment(const SegmentReader& segment, const Questions& questions,
                            Incoming* incoming) {
  const RowBatch& rows = *incoming->rows;
  std::vector<IdentitySuspect> found;
  QUIPU_TRY(segment.FindIdentities(questions.probes, &found));
  if (found.empty()) return {};
  std::vector<Suspect> suspects;
  for (const IdentitySuspect& s : found) suspects.push_back({s.row, questions.rows[s.probe]});
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
