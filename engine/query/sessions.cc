#include "query/sessions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <set>
#include <unordered_map>

#include "base/check.h"
#include "query/asked_view.h"
#include "query/row_stream.h"
#include "query/window_spans.h"
#include "sketch/exact_sum.h"
#include "sketch/quantile_sketch.h"

namespace quipu {
namespace {

constexpr std::uint32_t kPageSessionsMax = 10'000;
/// A page looks at a day first, then at more and more.
constexpr TimeUs kPageStretchUs = kDayUs;

struct SessionEvent {
  std::uint32_t user = 0;
  bool has_cost = false;
  TimeUs time = 0;
  Int128 quantity = 0, cost = 0;  // at scale 18
};

/// A session in the making.
struct OpenSession {
  TimeUs start = 0, end = 0;
  std::uint64_t requests = 0;
  ExactSum quantity, cost;
  bool has_cost = false;
  void Add(const SessionEvent& e) {
    end = e.time;
    ++requests;
    quantity.AddRaw(e.quantity);
    if (!e.has_cost) return;
    cost.AddRaw(e.cost);
    has_cost = true;
  }
};

/// Walks through time and hands out each session that began in [first, to) when it is over.
class SessionWalk {
 public:
  /// What to do with a session; and whether nothing that is still to come matters, given the earliest start of all that is open or unread.
  using OnSession = std::function<Status(std::uint32_t user, const OpenSession&)>;
  using IsDone = std::function<bool(TimeUs earliest_start)>;

  SessionWalk(const View& view, const Catalogue& catalogue, const SessionQuery& query)
      : query_(query),
        spec_(SpecOf(query)),
        stream_(view, catalogue, spec_),
        view_(view),
        catalogue_(catalogue) {}

  Status Run(TimeUs first, TimeUs first_width, const OnSession& on_session, const IsDone& is_done) {
    QUIPU_TRY_ASSIGN(const BoundQuery bound, Bind(view_, catalogue_, spec_));
    const TimeUs from = std::max(std::max(first, bound.from) - query_.gap_us, kTimeMin);
    counted_from_ = query_.from.value_or(kTimeMin);
    counted_to_ = query_.to.value_or(kTimeMax);
    first_ = first;
    on_session_ = &on_session;
    const TimeUs end = bound.to;  // of the events
    const Status walked =
        InSlices(from, end, first_width, [&](TimeUs a, TimeUs b) -> Result<Taken> {
          QUIPU_TRY_ASSIGN(const bool taken, Take(a, b));
          if (!taken) return Taken::kTooMuch;
          QUIPU_TRY(CloseBefore(b - query_.gap_us));
          const TimeUs earliest = EarliestStart(b);
          return earliest >= counted_to_ || is_done(earliest) ? Taken::kStop : Taken::kGoOn;
        });
    QUIPU_TRY(walked);
    return CloseBefore(kTimeMax);
  }

  [[nodiscard]] const SeriesTexts& texts(std::uint32_t user) const { return stream_.texts(user); }
  [[nodiscard]] std::uint64_t events_without_id() const { return events_without_id_; }

 private:
  static QuerySpec SpecOf(const SessionQuery& query) {
    QuerySpec spec;
    spec.select = {Aggregate{Function::kSum, "quantity"}, Aggregate{Function::kSum, "cost"}};
    spec.customers = query.customers;
    spec.services = query.services;
    spec.filters = query.filters;
    spec.group_by = {"customer"};
    if (!query.session_by.empty() && query.session_by != "customer")
      spec.group_by.push_back(query.session_by);
    spec.memory_bytes_max = query.memory_bytes_max;
    return spec;
  }

  /// Adds the events of [a, b) to sessions; false if they are too many for the memory.
  Result<bool> Take(TimeUs a, TimeUs b) {
    const std::size_t room =
        std::max<std::size_t>(1, query_.memory_bytes_max / (2 * sizeof(SessionEvent)));
    std::vector<SessionEvent> events;
    std::uint64_t without_id = 0;
    bool full = false;
    QueryResources alone(1);
    QueryRun run(spec_, &alone);
    const Status read = stream_.Read(
        a, b,
        [&](const StreamRow& row) -> Status {
          if (stream_.texts(row.group).back().empty()) {
            without_id += row.time >= counted_from_ && row.time < counted_to_;
            return {};
          }
          full = events.size() >= room;
          if (full) return Status::Exhausted("");
          events.push_back({row.group, row.present[1] != 0, row.time,
                            row.present[0] != 0 ? row.values[0] : 0,
                            row.present[1] != 0 ? row.values[1] : 0});
          return {};
        },
        &run);
    if (full) return false;
    QUIPU_TRY(read);
    events_without_id_ += without_id;
    std::sort(events.begin(), events.end(), [](const SessionEvent& x, const SessionEvent& y) {
      return std::pair(x.user, x.time) < std::pair(y.user, y.time);
    });
    for (const SessionEvent& e : events) {
      const auto [it, is_new] = open_.try_emplace(e.user);
      if (!is_new && e.time - it->second.end > query_.gap_us) {
        QUIPU_TRY(Close(e.user, it->second));
        it->second = {};
      }
      if (it->second.requests == 0) it->second.start = e.time;
      it->second.Add(e);
    }
    if (open_.size() * (sizeof(OpenSession) + 64) <= query_.memory_bytes_max) return true;
    return Status::Exhausted("more than " + std::to_string(query_.memory_bytes_max) +
                             " bytes of sessions are open at once; narrow the question or raise "
                             "memory_bytes_max");
  }

  /// Those whose last event lies before `time` get no other one.
  Status CloseBefore(TimeUs time) {
    for (auto it = open_.begin(); it != open_.end();) {
      if (it->second.end >= time) {
        ++it;
        continue;
      }
      QUIPU_TRY(Close(it->first, it->second));
      it = open_.erase(it);
    }
    return {};
  }

  Status Close(std::uint32_t user, const OpenSession& session) {
    if (session.start < std::max(first_, counted_from_) || session.start >= counted_to_) return {};
    return (*on_session_)(user, session);
  }

  /// What begins later than everything read so far begins at `unread` at the earliest.
  [[nodiscard]] TimeUs EarliestStart(TimeUs unread) const {
    TimeUs earliest = unread;
    for (const auto& [user, session] : open_) {
      if (session.start >= std::max(first_, counted_from_))
        earliest = std::min(earliest, session.start);
    }
    return earliest;
  }

  const SessionQuery& query_;
  const QuerySpec spec_;
  RowStream stream_;
  const View& view_;
  const Catalogue& catalogue_;
  TimeUs first_ = 0, counted_from_ = 0, counted_to_ = 0;
  const OnSession* on_session_ = nullptr;
  std::unordered_map<std::uint32_t, OpenSession> open_;  // by user
  std::uint64_t events_without_id_ = 0;
};

Status Check(const SessionQuery& query) {
  if (query.gap_us <= 0) return Status::InvalidArgument("the gap of sessions must be above 0");
  if (query.limit < 1 || query.limit > kPageSessionsMax)
    return Status::InvalidArgument("a page has 1 to 10000 sessions");
  if (query.from && query.to && *query.from > *query.to) {
    return Status::InvalidArgument("from (" + FormatTime(*query.from) + ") is after to (" +
                                   FormatTime(*query.to) + ")");
  }
  return {};
}

Result<Session> Finished(const SeriesTexts& texts, const OpenSession& open) {
  Session session;
  session.customer = texts[0].substr(1);
  if (texts.size() > 1) session.id = texts[1].substr(1);
  session.start = open.start;
  session.end = open.end;
  session.requests = open.requests;
  QUIPU_TRY_ASSIGN(session.quantity, open.quantity.ToDecimal());
  if (open.has_cost) {
    QUIPU_TRY_ASSIGN(session.cost, open.cost.ToDecimal());
  }
  return session;
}

auto PlaceOf(const Session& s) { return std::tie(s.start, s.customer, s.id); }

/// A cursor is the place of the last session that was returned: its start, then customer and id with the length of the customer in front.
std::string EncodeCursor(const Session& s) {
  return std::to_string(s.start) + ":" + std::to_string(s.customer.size()) + ":" + s.customer +
         s.id;
}

Result<Session> DecodeCursor(std::string_view text) {
  Session place;
  std::size_t size = 0;
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, place.start);
  bool ok = parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == ':';
  if (ok) parsed = std::from_chars(parsed.ptr + 1, end, size);
  ok = ok && parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == ':' &&
       size <= static_cast<std::size_t>(end - parsed.ptr - 1) && place.start >= kTimeMin &&
       place.start < kTimeMax;
  if (!ok) {
    return Status::InvalidArgument(
        "the cursor is malformed; use next_cursor of an earlier page as it is");
  }
  place.customer.assign(parsed.ptr + 1, size);
  place.id.assign(parsed.ptr + 1 + size, end);
  return place;
}

SessionSpread SpreadOf(const QuantileSketch& sketch) {
  if (sketch.count() == 0) return {};
  // Whole numbers went in, and half a bucket may have a fraction.
  const auto at = [&](std::uint32_t ppm) {
    const Decimal d = sketch.Quantile(ppm);
    Int128 unit = 1;
    for (int i = 0; i < d.scale(); ++i) unit *= 10;
    return static_cast<std::int64_t>(d.mantissa() / unit);
  };
  return {at(500'000), at(950'000), at(1'000'000)};
}

/// The same question, of a view that is what it named already.
SessionQuery OfNow(SessionQuery query) {
  query.as_of = query.since = {};
  return query;
}

}  // namespace

Result<SessionPage> RunSessionQuery(const View& view, const Catalogue& catalogue,
                                    const SessionQuery& query) {
  if (!query.as_of.IsNow() || !query.since.IsNow()) {
    QUIPU_TRY_ASSIGN(const AskedView asked, AskedView::Make(view, query.as_of, query.since));
    auto answer = RunSessionQuery(asked.view(), catalogue, OfNow(query));
    if (answer) answer->altered = asked.is_altered();
    return answer;
  }
  QUIPU_TRY(Check(query));
  std::optional<Session> after;
  if (!query.cursor.empty()) {
    QUIPU_TRY_ASSIGN(after, DecodeCursor(query.cursor));
  }
  const TimeUs first = after ? after->start : query.from.value_or(kTimeMin);
  SessionWalk walk(view, catalogue, query);
  const auto earlier = [](const Session& a, const Session& b) { return PlaceOf(a) < PlaceOf(b); };
  // One more than the page holds tells whether there is another page.
  std::set<Session, decltype(earlier)> found(earlier);
  const std::size_t room = std::size_t{query.limit} + 1;
  QUIPU_TRY(walk.Run(
      first, kPageStretchUs,
      [&](std::uint32_t user, const OpenSession& open) -> Status {
        if (found.size() == room && open.start > found.rbegin()->start) return {};
        QUIPU_TRY_ASSIGN(Session session, Finished(walk.texts(user), open));
        if (after && PlaceOf(session) <= PlaceOf(*after)) return {};
        found.insert(std::move(session));
        if (found.size() > room) found.erase(std::prev(found.end()));
        return {};
      },
      [&](TimeUs earliest) { return found.size() == room && earliest > found.rbegin()->start; }));
  SessionPage page;
  page.as_of = view.as_of;
  page.sessions.assign(found.begin(), found.end());
  if (page.sessions.size() > query.limit) {
    page.sessions.pop_back();
    page.next_cursor = EncodeCursor(page.sessions.back());
  }
  return page;
}

Result<SessionTotals> RunSessionTotals(const View& view, const Catalogue& catalogue,
                                       const SessionQuery& query) {
  if (!query.as_of.IsNow() || !query.since.IsNow()) {
    QUIPU_TRY_ASSIGN(const AskedView asked, AskedView::Make(view, query.as_of, query.since));
    auto answer = RunSessionTotals(asked.view(), catalogue, OfNow(query));
    if (answer) answer->altered = asked.is_altered();
    return answer;
  }
  QUIPU_TRY(Check(query));
  SessionWalk walk(view, catalogue, query);
  SessionTotals totals;
  totals.as_of = view.as_of;
  QuantileSketch durations(query.exact);
  QuantileSketch requests(query.exact);
  ExactSum quantity;
  ExactSum cost;
  bool has_cost = false;
  std::vector<bool> seen;
  QUIPU_TRY(walk.Run(
      query.from.value_or(kTimeMin), kTimeMax,
      [&](std::uint32_t user, const OpenSession& s) -> Status {
        ++totals.sessions;
        totals.requests += s.requests;
        totals.duration_us += s.end - s.start;
        durations.Add(s.end - s.start, 0);
        requests.Add(static_cast<Int128>(s.requests), 0);
        quantity.Add(s.quantity);
        cost.Add(s.cost);
        has_cost |= s.has_cost;
        if (user >= seen.size()) seen.resize(user + 1);
        totals.users += seen[user] ? 0 : 1;
        seen[user] = true;
        if (durations.bytes() + requests.bytes() <= query.memory_bytes_max) return {};
        return Status::Exhausted("exact percentiles of so many sessions need more than " +
                                 std::to_string(query.memory_bytes_max) +
                                 " bytes; ask without `exact` or raise memory_bytes_max");
      },
      [](TimeUs) { return false; }));
  QUIPU_TRY_ASSIGN(totals.quantity, quantity.ToDecimal());
  if (has_cost) {
    QUIPU_TRY_ASSIGN(totals.cost, cost.ToDecimal());
  }
  totals.duration_spread_us = SpreadOf(durations);
  totals.request_spread = SpreadOf(requests);
  totals.events_without_id = walk.events_without_id();
  totals.exact = durations.exact() && requests.exact();
  return totals;
}

}  // namespace quipu
