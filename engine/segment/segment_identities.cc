// The part of SegmentReader that reads the identity index.
#include <algorithm>

#include "base/check.h"
#include "segment/segment_reader_state.h"

namespace quipu {
namespace {

// Below one row in so many, wanted rows are looked up one by one; above it the whole index is read.
constexpr std::size_t kSparseRows = 32;

// Which of some ascending rows is this? Mostly none of them.
class RowPicker {
 public:
  explicit RowPicker(std::span<const std::uint32_t> rows)
      : rows_(rows), first_(rows.front()), span_(rows.back() - rows.front()) {
    if (rows.size() == std::size_t{span_} + 1) return;  // all of a range
    bits_.resize(span_ / 64 + 1, 0);
    for (const std::uint32_t row : rows)
      bits_[(row - first_) / 64] |= 1ull << ((row - first_) % 64);
  }
  static constexpr std::size_t kNone = ~std::size_t{0};
  [[nodiscard]] std::size_t SlotOf(std::uint32_t row) const {
    const std::uint32_t at = row - first_;  // modulo 2^32
    if (at > span_) return kNone;
    if (bits_.empty()) return at;
    if ((bits_[at / 64] >> (at % 64) & 1) == 0) return kNone;
    return static_cast<std::size_t>(std::lower_bound(rows_.begin(), rows_.end(), row) -
                                    rows_.begin());
  }

 private:
  std::span<const std::uint32_t> rows_;
  std::uint32_t first_, span_;
  std::vector<std::uint64_t> bits_;
};

// Keys by position; remembers the pages of the last one.
class KeyReader {
 public:
  explicit KeyReader(const SegmentReader::State* state)
      : state_(state), shape_(state->footer.rows) {}

  Status Load(std::uint64_t position) {
    const auto page = static_cast<std::size_t>(position / kIdentityKeysEntries);
    if (page != keys_page_) {
      QUIPU_TRY_ASSIGN(page_, state_->CachedPage(PageKind::kIdentityKeys, 0, page,
                                                 state_->footer.identities.keys[page]));
      const std::size_t count = IdentitySpan(shape_.rows(), page, kIdentityKeysEntries).count;
      Result<IdentityKeysPage> opened = IdentityKeysPage::Open(AsBytes(*page_), shape_, count);
      if (!opened) return state_->AtPage(opened.error(), PageKind::kIdentityKeys, 0, page);
      keys_ = *std::move(opened);
      keys_page_ = page;
    }
    at_ = static_cast<std::size_t>(position % kIdentityKeysEntries);
    return Status();
  }
  [[nodiscard]] const IdentityKeysPage& page() const { return keys_; }
  [[nodiscard]] std::uint64_t rest() const { return keys_.Rest(at_); }
  [[nodiscard]] std::uint64_t low() const { return keys_.Low(at_); }
  [[nodiscard]] IdForm form() const { return keys_.Form(at_); }

  /// The high half's upper part.
  Result<std::uint64_t> Prefix(std::uint64_t position) {
    const auto page = static_cast<std::size_t>(position / kIdentityPrefixEntries);
    if (page != prefix_page_) {
      QUIPU_TRY(state_->ReadIdentityPrefixes(page, &prefixes_));
      prefix_page_ = page;
    }
    return prefixes_[position % kIdentityPrefixEntries];
  }

 private:
  static constexpr std::size_t kNoPage = ~std::size_t{0};
  const SegmentReader::State* state_;
  IdentityShape shape_;
  std::size_t keys_page_ = kNoPage, prefix_page_ = kNoPage, at_ = 0;
  PagePtr page_;
  IdentityKeysPage keys_;
  std::vector<std::uint64_t> prefixes_;
};

}  // namespace

Status SegmentReader::State::ReadIdentityPrefixes(std::size_t page,
                                                  std::vector<std::uint64_t>* prefixes) const {
  const IdentityFooter& index = footer.identities;
  QUIPU_TRY_ASSIGN(const PagePtr payload,
                   CachedPage(PageKind::kIdentityPrefix, 0, page, index.prefixes[page]));
  const std::size_t count = IdentitySpan(footer.rows, page, kIdentityPrefixEntries).count;
  return AtPage(DecodeIdentityPrefix(AsBytes(*payload), IdentityShape(footer.rows),
                                     index.first_highs[page], count, prefixes),
                PageKind::kIdentityPrefix, 0, page);
}

Status SegmentReader::State::ReadIdentityRows(std::size_t page,
                                              std::vector<std::uint64_t>* rows) const {
  QUIPU_TRY_ASSIGN(const PagePtr payload,
                   CachedPage(PageKind::kIdentityRows, 0, page, footer.identities.rows[page]));
  const std::size_t count = IdentitySpan(footer.rows, page, kIdentityRowsEntries).count;
  return AtPage(DecodeIdentityRows(AsBytes(*payload), IdentityShape(footer.rows), count, rows),
                PageKind::kIdentityRows, 0, page);
}

Result<IdentityPrefixPtr> SegmentReader::State::LoadPrefix() {
  const IdentityFooter& index = footer.identities;
  auto prefix = std::make_shared<IdentityPrefix>(IdentityShape(footer.rows));
  for (std::size_t page = 0; page < index.prefixes.size(); ++page) {
    QUIPU_TRY_ASSIGN(const std::string payload,
                     ReadPage(PageKind::kIdentityPrefix, 0, page, index.prefixes[page]));
    const std::size_t count = IdentitySpan(footer.rows, page, kIdentityPrefixEntries).count;
    QUIPU_TRY(AtPage(prefix->AddPage(index.first_highs[page], count, AsBytes(payload)),
                     PageKind::kIdentityPrefix, 0, page));
  }
  prefix->Seal();
  (cache != nullptr ? cache->identities() : &own_prefix)->Insert(meta.spec.segment_id, prefix);
  return IdentityPrefixPtr(std::move(prefix));
}

bool SegmentReader::has_ids() const { return !state_->footer.identities.empty(); }

/// Nothing if the prefix is not in memory and these questions are better answered from its pages. Whoever has read as many pages as there are would have
/// done no worse to load them all at once: so a question pays at most twice what the better way would have cost, without knowing how many more will come.
Result<IdentityPrefixPtr> SegmentReader::State::PrefixFor(std::size_t probes) {
  IdentityCache* const kept = cache != nullptr ? cache->identities() : &own_prefix;
  if (IdentityPrefixPtr found = kept->Find(meta.spec.segment_id)) return found;
  const std::uint64_t asked = prefix_pages_asked.fetch_add(probes, std::memory_order_relaxed);
  if (asked + probes <= footer.identities.prefixes.size()) return IdentityPrefixPtr();
  prefix_pages_asked.store(0, std::memory_order_relaxed);
  return LoadPrefix();
}

/// The positions of a key's prefix, from the pages that may have it.
Status SegmentReader::State::FindInPrefixPages(std::uint32_t probe, std::uint64_t high,
                                               std::vector<PrefixHit>* hits) const {
  const std::vector<std::uint64_t>& firsts = footer.identities.first_highs;
  const std::uint64_t wanted = IdentityShape(footer.rows).PrefixOf(high);
  // A page may end with keys that are equal to the first one of the next.
  const auto from = std::lower_bound(firsts.begin(), firsts.end(), high) - firsts.begin();
  const auto to = std::upper_bound(firsts.begin(), firsts.end(), high) - firsts.begin();
  std::vector<std::uint64_t> prefixes;
  for (auto page = static_cast<std::size_t>(std::max<std::ptrdiff_t>(from - 1, 0));
       page < static_cast<std::size_t>(to); ++page) {
    QUIPU_TRY(ReadIdentityPrefixes(page, &prefixes));
    const auto [first, last] = std::equal_range(prefixes.begin(), prefixes.end(), wanted);
    for (auto it = first; it != last; ++it) {
      const auto at = static_cast<std::size_t>(it - prefixes.begin());
      hits->push_back({probe, static_cast<std::uint32_t>(page * kIdentityPrefixEntries + at)});
    }
  }
  return Status();
}

Status SegmentReader::FindIdentities(std::span<const IdentityProbe> probes,
                                     std::vector<IdentitySuspect>* suspects) const {
  if (!has_ids() || probes.empty()) return Status();
  std::vector<PrefixHit> hits;
  QUIPU_TRY_ASSIGN(const IdentityPrefixPtr prefix, state_->PrefixFor(probes.size()));
  if (prefix != nullptr) {
    std::vector<std::uint64_t> highs(probes.size());
    for (std::size_t i = 0; i < probes.size(); ++i) highs[i] = probes[i].key.high;
    prefix->Find(highs, &hits);
  } else {
    for (std::size_t i = 0; i < probes.size(); ++i) {
      QUIPU_TRY(
          state_->FindInPrefixPages(static_cast<std::uint32_t>(i), probes[i].key.high, &hits));
    }
  }
  return state_->CheckHits(probes, &hits, suspects);
}

/// Which hits are the keys that were asked for.
Status SegmentReader::State::CheckHits(std::span<const IdentityProbe> probes,
                                       std::vector<PrefixHit>* hits,
                                       std::vector<IdentitySuspect>* suspects) const {
  // In file order: every page is looked at once.
  std::sort(hits->begin(), hits->end(),
            [](const PrefixHit& a, const PrefixHit& b) { return a.position < b.position; });
  const IdentityShape shape(footer.rows);
  KeyReader keys(this);
  for (const PrefixHit& hit : *hits) {
    const IdentityProbe& probe = probes[hit.probe];
    QUIPU_TRY(keys.Load(hit.position));
    if (keys.rest() != shape.RestOf(probe.key.high) || keys.low() != probe.key.low ||
        keys.form() != probe.form)
      continue;
    const std::size_t page = hit.position / kIdentityRowsEntries;
    QUIPU_TRY_ASSIGN(const PagePtr payload,
                     CachedPage(PageKind::kIdentityRows, 0, page, footer.identities.rows[page]));
    const Result<std::uint32_t> row = IdentityRowAt(
        AsBytes(*payload), shape, IdentitySpan(footer.rows, page, kIdentityRowsEntries).count,
        hit.position % kIdentityRowsEntries);
    if (!row) return AtPage(row.error(), PageKind::kIdentityRows, 0, page);
    suspects->push_back({hit.probe, *row});
  }
  return Status();
}

Status SegmentReader::ReadIndexPage(std::size_t page, std::vector<IdentityEntry>* entries) const {
  const IdentityPageSpan span = IdentitySpan(rows(), page, kIdentityRowsEntries);
  entries->resize(span.count);
  std::vector<std::uint64_t> values;
  QUIPU_TRY(state_->ReadIdentityRows(page, &values));
  for (std::size_t i = 0; i < span.count; ++i)
    (*entries)[i].row = static_cast<std::uint32_t>(values[i]);
  KeyReader keys(state_.get());
  for (std::size_t i = 0; i < span.count; i += kIdentityKeysEntries) {
    const std::size_t in_prefix_page = (span.first + i) % kIdentityPrefixEntries;
    if (in_prefix_page == 0)
      QUIPU_TRY(state_->ReadIdentityPrefixes((span.first + i) / kIdentityPrefixEntries, &values));
    QUIPU_TRY(keys.Load(span.first + i));
    const auto some =
        std::span(*entries).subspan(i, std::min(kIdentityKeysEntries, span.count - i));
    keys.page().ReadAll(std::span(values).subspan(in_prefix_page, some.size()), some);
  }
  return Status();
}

Status SegmentReader::ReadIdentities(std::span<const std::uint32_t> wanted,
                                     std::vector<Hash128>* keys, std::vector<IdForm>* forms) const {
  keys->assign(wanted.size(), Hash128{});
  forms->assign(wanted.size(), IdForm::kText);
  if (wanted.empty() || !has_ids()) return Status();
  const RowPicker picker(wanted);
  if (wanted.size() * kSparseRows >= rows()) {
    std::vector<IdentityEntry> entries;
    for (std::size_t p = 0; p < IdentityPageCount(rows(), kIdentityRowsEntries); ++p) {
      QUIPU_TRY(ReadIndexPage(p, &entries));
      for (const IdentityEntry& e : entries) {
        const std::size_t slot = picker.SlotOf(e.row);
        if (slot == RowPicker::kNone) continue;
        (*keys)[slot] = e.key;
        (*forms)[slot] = e.form;
      }
    }
    return Status();
  }
  const IdentityShape shape(rows());
  KeyReader reader(state_.get());
  std::vector<std::uint64_t> page_rows;
  for (std::size_t p = 0; p < IdentityPageCount(rows(), kIdentityRowsEntries); ++p) {
    QUIPU_TRY(state_->ReadIdentityRows(p, &page_rows));
    for (std::size_t i = 0; i < page_rows.size(); ++i) {
      const std::size_t slot = picker.SlotOf(static_cast<std::uint32_t>(page_rows[i]));
      if (slot == RowPicker::kNone) continue;
      const std::uint64_t position = p * kIdentityRowsEntries + i;
      QUIPU_TRY(reader.Load(position));
      QUIPU_TRY_ASSIGN(const std::uint64_t prefix, reader.Prefix(position));
      (*keys)[slot] = {prefix << shape.rest_bits() | reader.rest(), reader.low()};
      (*forms)[slot] = reader.form();
    }
  }
  return Status();
}

}  // namespace quipu
