// quipu/sessions.h
//
// Events of one user, or of one session id, that follow each other closely: when a session began and ended, how much was in it, what it cost.
//
//   quipu::SessionQuery q;
//   q.customers = {"acme"};
//   q.session_by = "user";
//   q.gap_us = 30 * quipu::kMinuteUs;
//   auto page = db->Sessions(q);          // one by one, in order of their start
//   auto totals = db->TotalSessions(q);   // how many, how long, how much
//
// A session is a longest run of events of one customer and one value of `session_by` in which no pause is longer than the gap. It belongs to the range
// if it begins in it, and then it is counted whole: events after the end of the range that carry it on are read, and one that began before the range is left out.
// Filters choose events first; pauses are between events that pass.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quipu/decimal.h"
#include "quipu/query.h"
#include "quipu/time.h"

namespace quipu {

struct SessionQuery {
  std::vector<std::string> customers{}, services{};  ///< Empty = all.
  std::optional<TimeUs> from{}, to{};                ///< Of starts; half open.
  std::vector<Filter> filters{};
  /// A dimension, or `service`; events without it are in no session. Empty = all events of a customer together.
  std::string session_by{};
  std::int64_t gap_us = 30 * kMinuteUs;  ///< A longer pause ends a session; > 0.
  std::uint32_t limit = 100;             ///< Of a page: 1..10,000.
  std::string cursor{};                  ///< Empty = from the start; else SessionPage::next_cursor.
  bool exact = false;                    ///< Percentiles without approximation.
  AsOf as_of{}, since{};                 ///< As in QuerySpec.
  std::uint64_t memory_bytes_max = 256ull << 20;  ///< More working memory ends in kExhausted.
};

struct Session {
  std::string customer;
  std::string id;              ///< The value of `session_by`; empty without one.
  TimeUs start = 0, end = 0;   ///< Of its first and last event.
  std::uint64_t requests = 0;  ///< Events.
  Decimal quantity;
  std::optional<Decimal> cost;  ///< Absent if none of its events has one.
  [[nodiscard]] std::int64_t duration_us() const { return end - start; }
};

/// In order of (start, customer, id).
struct SessionPage {
  std::vector<Session> sessions;
  std::string
      next_cursor;  ///< Empty after the last page. Good as long as no event comes that changes earlier sessions.
  std::uint64_t as_of = 0;
  bool altered = false;  ///< As in ResultSet.
};

/// Nearest rank; all 0 if there is no session.
struct SessionSpread {
  std::int64_t p50 = 0, p95 = 0, max = 0;
};

struct SessionTotals {
  std::uint64_t sessions = 0;
  std::uint64_t users = 0;  ///< Different (customer, id) that had a session.
  std::uint64_t requests = 0;
  Decimal quantity;
  std::optional<Decimal> cost;
  std::int64_t duration_us = 0;  ///< Of all sessions together.
  SessionSpread duration_spread_us, request_spread;
  std::uint64_t events_without_id = 0;  ///< In the range; in no session.
  bool exact = true;                    ///< False: p50 and p95 are within 0.4 %.
  std::uint64_t as_of = 0;
  bool altered = false;  ///< As in ResultSet.
};

}  // namespace quipu
