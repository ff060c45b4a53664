#include "query/events.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <queue>

#include "base/check.h"
#include "query/bind.h"
#include "query/scan.h"

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
  PagePosition position;
  std::uint32_t source = 0;  ///< Index into the view's segments, then its hot batches.
  std::uint32_t row = 0;
  friend bool operator<(const Candidate& a, const Candidate& b) { return a.position < b.position; }
};

/// Keeps the first `limit` matching events after the cursor, from whatever order they come in.
class PageSearch final : public RowSink {
 public:
  PageSearch(const BoundQuery& query, const Catalogue& catalogue, std::size_t limit,
             const PagePosition* after)
      : filter_(query, catalogue), limit_(limit), after_(after) {}

  void SetSource(std::uint32_t source) { source_ = source; }

  Status OnRows(const Chunk& chunk, std::uint32_t first_row,
                std::vector<std::uint32_t>* selected) override {
    filter_.Apply(chunk, selected);
    for (const std::uint32_t i : *selected) {
      const PagePosition position{chunk.times[i], chunk.identities[i]};
      if (after_ != nullptr && position <= *after_) continue;
      if (best_.size() == limit_ && position >= best_.top().position) continue;
      best_.push({position, source_, first_row + i});
      if (best_.size() > limit_) best_.pop();
    }
    return {};
  }
  void OnNewDictionaries() override { filter_.ForgetDictionaries(); }

  std::vector<Candidate> TakeSorted() {
    std::vector<Candidate> found;
    for (; !best_.empty(); best_.pop()) found.push_back(best_.top());
    std::reverse(found.begin(), found.end());
    return found;
  }

 private:
  RowFilter filter_;
  const std::size_t limit_;
  const PagePosition* after_;
  std::uint32_t source_ = 0;
  std::priority_queue<Candidate> best_;  // the latest on top
};

StoredEvent ToEvent(const RowBatch& rows, std::size_t i, const Catalogue& catalogue) {
  StoredEvent e;
  e.customer = catalogue.Customer(rows.customers[i]);
  e.id = rows.IdText(i, e.customer);
  e.source = rows.sources.Text(i);
  e.time = rows.times[i];
  e.service = catalogue.Service(rows.services[i]);
  for (const DecimalColumn& m : rows.measures) {
    if (!m.IsPresent(i)) continue;
    if (m.id == kQuantityColumn) {
      e.quantity = m.Value(i);
    } else if (m.id == kCostColumn) {
      e.cost = m.Value(i);
    } else {
      e.measures.emplace_back(catalogue.Measure(m.id), m.Value(i));
    }
  }
  for (const CodedColumn& d : rows.dimensions) {
    if (d.IsPresent(i)) e.dimensions.emplace_back(catalogue.Dimension(d.id), d.Text(i));
  }
  std::sort(e.dimensions.begin(), e.dimensions.end());
  std::sort(e.measures.begin(), e.measures.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return e;
}

/// Reads whole rows of one segment and puts each at its place in the page.
Status ReadFromSegment(const SegmentReader& segment,
                       const std::vector<std::pair<std::uint32_t, std::size_t>>& wanted,
                       const Catalogue& catalogue, std::vector<StoredEvent>* events) {
  std::vector<std::uint32_t> numbers;
  for (const auto& [row, place] : wanted) numbers.push_back(row);
  QUIPU_TRY_ASSIGN(const RowBatch rows, segment.ReadRows(numbers));
  for (std::size_t k = 0; k < wanted.size(); ++k)
    (*events)[wanted[k].second] = ToEvent(rows, k, catalogue);
  return {};
}

Status ReadEvents(const View& view, const std::vector<Candidate>& found, const Catalogue& catalogue,
                  std::vector<StoredEvent>* events) {
  events->resize(found.size());
  std::vector<std::vector<std::pair<std::uint32_t, std::size_t>>> by_segment(
      view.segments.size());  // (row, place in page)
  for (std::size_t place = 0; place < found.size(); ++place) {
    const Candidate& c = found[place];
    if (c.source < view.segments.size()) {
      by_segment[c.source].emplace_back(c.row, place);
    } else {
      (*events)[place] = ToEvent(view.hot[c.source - view.segments.size()]->rows, c.row, catalogue);
    }
  }
  for (std::size_t s = 0; s < by_segment.size(); ++s) {
    if (by_segment[s].empty()) continue;
    std::sort(by_segment[s].begin(), by_segment[s].end());
    QUIPU_TRY(ReadFromSegment(*view.segments[s], by_segment[s], catalogue, events));
  }
  return {};
}

}  // namespace

Result<EventPage> RunEventQuery(const View& view, const Catalogue& catalogue,
                                const EventQuery& query) {
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
  std::uint64_t rows_visited = 0;
  for (std::uint32_t s = 0; s < view.segments.size(); ++s) {
    search.SetSource(s);
    QUIPU_TRY_ASSIGN(const SegmentPlan plan, PlanSegment(bound, *view.segments[s]));
    QUIPU_TRY(
        ScanSegment(bound, *view.segments[s], plan, /*identities=*/true, &search, &rows_visited));
  }
  for (std::uint32_t h = 0; h < view.hot.size(); ++h) {
    search.SetSource(static_cast<std::uint32_t>(view.segments.size()) + h);
    QUIPU_TRY(ScanHotBatch(bound, *view.hot[h], &search, &rows_visited));
  }
  std::vector<Candidate> found = search.TakeSorted();
  if (found.size() > query.limit) {
    found.pop_back();
    page.next_cursor = EncodeCursor(found.back().position);
  }
  QUIPU_TRY(ReadEvents(view, found, catalogue, &page.events));
  return page;
}

}  // namespace quipu
