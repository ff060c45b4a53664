// quipu/retention.h
//
// How long what is kept, and where: policies that live in the store, and the archive.
//
//   quipu::RetentionPolicy policy;
//   policy.rules = {{.name = "traces", .service = "llm", .keep_raw_days = 60, .keep_summaries_days = 730},
//                   {.name = "everything else", .archive_after_days = 90, .delete_after_days = 2555}};
//   db->SetRetention(policy);
//
// Time is the events' own, and works by whole UTC months: a rule's N days have passed for a month once its *last* day is N days ago. So
// nothing goes earlier than asked, some of it up to a month later, and a month is rewritten once for each step of its life. No event
// leaves (as a row or at all) while its id may still be needed to recognise a repeated delivery (Options::identity_window_us).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quipu/time.h"

namespace quipu {

/// For the events that it matches. Days count from the end of the event's month; 0 = for ever (never).
struct RetentionRule {
  std::string name{};            ///< For people; unique within a policy, 1..64 bytes.
  std::string service{};         ///< Empty = any.
  std::string customer_class{};  ///< Empty = any customer; see Database::SetCustomerClass.
  /// Then single events go and daily summaries by customer and service stay (totals, trends; no dimensions, no event pages).
  std::uint32_t keep_raw_days = 0;
  /// Then closed months move to the archive folder; they stay queryable.
  std::uint32_t archive_after_days = 0;
  /// Then nothing stays, neither events nor summaries.
  std::uint32_t delete_after_days = 0;
  /// How long summaries of dropped events stay; at least keep_raw_days.
  std::uint32_t keep_summaries_days = 0;
  friend bool operator==(const RetentionRule&, const RetentionRule&) = default;
};

/// The first rule that matches an event decides; events that none matches are kept for ever.
struct RetentionPolicy {
  std::vector<RetentionRule> rules{};  ///< At most 100.
  /// False: events that a rule has moved to the archive lose their ids and sources once Options::identity_window_us has passed for their month, which makes
  /// the archive much smaller; events of such a month and service that come later are `too_late`. True: they keep them.
  bool archive_keeps_ids = false;
  friend bool operator==(const RetentionPolicy&, const RetentionPolicy&) = default;
};

/// What a run of the policy (or a request to archive) has done.
struct RetentionReport {
  std::uint64_t months = 0;             ///< That something was done to.
  std::uint64_t archived_events = 0;    ///< Moved to the archive.
  std::uint64_t archived_bytes = 0;     ///< Of the files in it that were written.
  std::uint64_t summarised_events = 0;  ///< Dropped as rows, kept in summaries.
  std::uint64_t deleted_events = 0;     ///< Gone, with their summaries.
  std::uint64_t ids_dropped = 0;        ///< Of events in the archive.
};

/// A request to archive by hand.
struct ArchiveRequest {
  /// Months that end at or before this go; absent days of the policy do not matter.
  TimeUs before = 0;
  /// Folder to write to, absolute; empty = the one in use, or `archive` inside the store.
  std::string folder{};
  /// Leaves the ids out of months that ended longer ago than Options::identity_window_us: much smaller, but an event of such a month that
  /// comes later is `too_late` unless its batch has a producer stamp.
  bool drop_ids = false;
};

/// One archive folder.
struct ArchiveInfo {
  std::string folder;
  bool attached = true;  ///< False: known but absent; questions that touch its months are an error.
  std::uint64_t segments = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::string first_month, last_month;  ///< "2025-01"; empty without segments.
};

}  // namespace quipu
