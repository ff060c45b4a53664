#include "query/events.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/check.h"
#include "query/asked_view.h"
#include "query/bind.h"
#include "query/scan.h"
#include "query/stored_event.h"

namespace quipu {
namespace {

constexpr std::uint32_t kPageEventsMax = 10'000;

/// Where an event stands in the order of pages.
struct PagePosition {
  TimeUs time = 0;
  Hash128 identity;
  friend auto operator<=>(const PagePosition&, const PagePosition&) = default;
};

/// A cursor is the position of the last event that was returned: 16 hexadecimal digits of the time (with the sign bit flipped,
/// so that text order is time order), 32 of the identity.
std::string EncodeCursor(const PagePosition& p) {
  const auto hex = [](std::uint64_t v) {
    std::string text(16, '0');
    for (int i = 15; i >= 0; --i, v >>= 4)
      text[static_cast<std::size_t>(i)] = "0123456789abcdef"[v & 15];
    return text;
  };
  return hex(static_cast<std::uint64_t>(p.time) ^ (1ull << 63)) + hex(p.identity.high) +
         hex(p.identity.low);
}

Result<PagePosition> DecodeCursor(std::string_view text) {
  std::array<std::uint64_t, 3> words{};
  bool ok = text.size() == 48;
  for (std::size_t i = 0; ok && i < 3; ++i) {
    const char* begin = text.data() + i * 16;
    const auto [end, error] = std::from_chars(begin, begin + 16, words[i], 16);
    ok = error == std::errc() && end == begin + 16;
  }
  if (!ok)
    return Status::InvalidArgument(
        "the cursor is malformed; use next_cursor of an earlier page as it is");
  PagePosition p;
  p.time = static_cast<TimeUs>(words[0] ^ (1ull << 63));
  p.identity = {words[1], words[2]};
  return p;
}

struct Candidate {
  TimeUs time = 0;
  std::uint32_t source = 0;  ///< Index into the view's segments, then its hot batches.
  std::uint32_t row = 0;
  // Only of those that may be in the page:
  Hash128 key;
  IdForm form = IdForm::kText;
  [[nodiscard]] PagePosition position() const { return {time, key}; }
};

bool EarlierTime(const Candidate& a, const Candidate& b) { return a.time < b.time; }

/// Keeps the events that may be among the first `limit` after the cursor, going by their times alone: identities cost more to read, so
/// those of equal time are told apart later. Memory grows with the events of one instant.
class PageSearch final : public RowSink {
 public:
  PageSearch(const BoundQuery& query, const Catalogue& catalogue, std::size_t limit,
             const PagePosition* after)
      : filter_(query, catalogue), limit_(limit), after_(after), room_(2 * limit + 1024) {}

  void SetSource(std::uint32_t source) { source_ = source; }

  Status OnRows(Chunk* chunk, Selection* selection) override {
    if (chunk->bounds().min > bound_) return {};
    QUIPU_TRY(filter_.Apply(chunk, selection));
    if (selection->spans.empty()) return {};
    QUIPU_TRY_ASSIGN(const TimeUs* const times, chunk->Times());
    for (const RowSpan& span : selection->spans) {
      for (std::uint32_t k = span.begin; k < span.end; ++k) {
        const std::uint32_t row = selection->RowAt(k);
        const TimeUs time = times[row];
        if (time > bound_) break;  // so are the span's others
        if (after_ != nullptr && time < after_->time) continue;
        // Of the cursor's own instant some have been returned: they must not fill the page.
        const bool is_cursors = after_ != nullptr && time == after_->time;
        (is_cursors ? at_cursor_ : later_)
            .push_back({time, source_, chunk->place().row + row, {}, {}});
      }
    }
    if (later_.size() > room_) Shrink();
    return {};
  }

  std::vector<Candidate> Take() {
    if (later_.size() > limit_) Shrink();
    later_.insert(later_.end(), at_cursor_.begin(), at_cursor_.end());
    return std::move(later_);
  }

 private:
  // Drops what is later than `limit` others.
  void Shrink() {
    const auto last = later_.begin() + static_cast<std::ptrdiff_t>(limit_ - 1);
    std::nth_element(later_.begin(), last, later_.end(), EarlierTime);
    bound_ = last->time;
    std::erase_if(later_, [this](const Candidate& c) { return c.time > bound_; });
    room_ = std::max(room_, 2 * later_.size());
  }

  RowFilter filter_;
  const std::size_t limit_;
  const PagePosition* after_;
  std::uint32_t source_ = 0;
  std::size_t room_;
  TimeUs bound_ = std::numeric_limits<TimeUs>::max();
  std::vector<Candidate> later_, at_cursor_;
};

/// Fills in keys and forms. What has no id any more goes by its place: stable while its segment is.
Status ReadIdentities(const View& view, std::vector<Candidate>* found) {
  std::sort(found->begin(), found->end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.source, a.row) < std::pair(b.source, b.row);
  });
  std::vector<std::uint32_t> rows;
  std::vector<Hash128> keys;
  std::vector<IdForm> forms;
  for (std::size_t first = 0, end = 0; first < found->size(); first = end) {
    const std::uint32_t source = (*found)[first].source;
    for (end = first; end < found->size() && (*found)[end].source == source;) ++end;
    if (source >= view.segments.size()) {
      const RowBatch& batch = view.hot[source - view.segments.size()]->rows;
      for (std::size_t i = first; i < end; ++i) {
        (*found)[i].key = batch.identities[(*found)[i].row];
        (*found)[i].form = batch.id_forms[(*found)[i].row];
      }
      continue;
    }
    const SegmentReader& segment = *view.segments[source];
    rows.clear();
    for (std::size_t i = first; i < end; ++i) rows.push_back((*found)[i].row);
    QUIPU_TRY(segment.ReadIdentities(rows, &keys, &forms));
    for (std::size_t i = first; i < end; ++i) {
      (*found)[i].key = segment.has_ids()
                            ? keys[i - first]
                            : Hash128{segment.meta().spec.segment_id, (*found)[i].row};
      (*found)[i].form = forms[i - first];
    }
  }
  return {};
}

/// Reads whole rows of one segment and puts each at its place in the page. `wanted` are places in `found`, by row.
Status ReadFromSegment(const SegmentReader& segment, const std::vector<std::size_t>& wanted,
                       const std::vector<Candidate>& found, const Catalogue& catalogue,
                       std::vector<StoredEvent>* events) {
  std::vector<std::uint32_t> numbers;
  for (const std::size_t place : wanted) numbers.push_back(found[place].row);
  QUIPU_TRY_ASSIGN(RowBatch rows, segment.ReadRows(numbers, RowParts::kWithoutKeys));
  for (const std::size_t place : wanted) {
    rows.identities.push_back(found[place].key);
    rows.id_forms.push_back(found[place].form);
  }
  for (std::size_t k = 0; k < wanted.size(); ++k)
    (*events)[wanted[k]] = MakeStoredEvent(rows, k, catalogue);
  return {};
}

Status ReadEvents(const View& view, const std::vector<Candidate>& found, const Catalogue& catalogue,
                  std::vector<StoredEvent>* events) {
  events->resize(found.size());
  std::vector<std::vector<std::size_t>> by_segment(view.segments.size());  // places in the page
  for (std::size_t place = 0; place < found.size(); ++place) {
    const Candidate& c = found[place];
    if (c.source < view.segments.size()) {
      by_segment[c.source].push_back(place);
    } else {
      (*events)[place] =
          MakeStoredEvent(view.hot[c.source - view.segments.size()]->rows, c.row, catalogue);
    }
  }
  for (std::size_t s = 0; s < by_segment.size(); ++s) {
    if (by_segment[s].empty()) continue;
    std::sort(by_segment[s].begin(), by_segment[s].end(),
              [&](std::size_t a, std::size_t b) { return found[a].row < found[b].row; });
    QUIPU_TRY(ReadFromSegment(*view.segments[s], by_segment[s], found, catalogue, events));
  }
  return {};
}

Result<EventPage> ReadPage(const View& view, const Catalogue& catalogue, const EventQuery& query) {
  if (query.limit < 1 || query.limit > kPageEventsMax)
    return Status::InvalidArgument("a page has 1 to 10000 events");
  QuerySpec spec;
  spec.customers = query.customers;
  spec.services = query.services;
  spec.from = query.from;
  spec.to = query.to;
  spec.filters = query.filters;
  std::optional<PagePosition> after;
  if (!query.cursor.empty()) {
    QUIPU_TRY_ASSIGN(after, DecodeCursor(query.cursor));
    spec.from = std::max(spec.from.value_or(after->time), after->time);
    if (spec.to) spec.to = std::max(*spec.to, *spec.from);
  }
  BoundQuery bound;
  QUIPU_TRY(BindScope(view, catalogue, spec, &bound));
  EventPage page;
  page.as_of = view.as_of;
  if (bound.empty) return page;
  // One more than the page holds tells whether there is another page.
  PageSearch search(bound, catalogue, std::size_t{query.limit} + 1, after ? &*after : nullptr);
  ScanStats scanned;
  for (std::uint32_t s = 0; s < view.segments.size(); ++s) {
    search.SetSource(s);
    QUIPU_TRY_ASSIGN(const SegmentPlan plan, PlanSegment(bound, *view.segments[s]));
    QUIPU_TRY(ScanSegment(bound, *view.segments[s], plan, 0, view.segments[s]->vectors(), &search,
                          &scanned));
  }
  for (std::uint32_t h = 0; h < view.hot.size(); ++h) {
    search.SetSource(static_cast<std::uint32_t>(view.segments.size()) + h);
    QUIPU_TRY(ScanHotBatch(bound, view.hot, h, &search, &scanned));
  }
  std::vector<Candidate> found = search.Take();
  QUIPU_TRY(ReadIdentities(view, &found));
  if (after) std::erase_if(found, [&](const Candidate& c) { return c.position() <= *after; });
  std::sort(found.begin(), found.end(),
            [](const Candidate& a, const Candidate& b) { return a.position() < b.position(); });
  if (found.size() > query.limit) {
    found.resize(query.limit);
    page.next_cursor = EncodeCursor(found.back().position());
  }
  QUIPU_TRY(ReadEvents(view, found, catalogue, &page.events));
  return page;
}

}  // namespace

Result<EventPage> RunEventQuery(const View& view, const Catalogue& catalogue,
                                const EventQuery& query) {
  QUIPU_TRY_ASSIGN(const AskedView asked, AskedView::Make(view, query.as_of, query.since));
  QUIPU_TRY_ASSIGN(EventPage page, ReadPage(asked.view(), catalogue, query));
  page.altered = asked.is_altered();
  return page;
}

}  // namespace quipu
