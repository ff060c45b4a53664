// quipu/database.h
//
// A store of usage events inside your process.
//
//   quipu::Options options{.create_if_missing = true};
//   auto db = quipu::Database::Open("usage.quipu", options);
//   quipu::EventBatch batch;
//   batch.Add({.customer = "acme", .service = "api", .measures = {{"tokens", 512}}});
//   if (auto reply = db->Ingest(batch); !reply) Report(reply.error());
//   auto answer = db->Query(quipu::Query().Select("count, sum(tokens)").GroupBy("customer"));
//
// Threads: every method may be called from several threads at once, except Close and the destructor, which must come last.
// Processes: one process has a store open at a time; a second Open is kAlreadyExists and names the holder. Any number of others may follow it
// (OpenFollower): they see each commit whole and in order, a moment later, and the process that writes notices nothing of them.
// Memory: a read that finds none is kExhausted; a change that finds none ends the process (std::terminate), which loses nothing.
//
// Outcomes of Ingest: a reply means that what it says happened, durably (see Durability). kInvalidArgument, kConflict and
// kExhausted mean that nothing of the batch was stored. Any other error means *unknown*: retry with the same ids, which can
// never count an event twice.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/as_of.h"
#include "quipu/event.h"
#include "quipu/options.h"
#include "quipu/query.h"
#include "quipu/result_set.h"
#include "quipu/retention.h"
#include "quipu/sessions.h"
#include "quipu/status.h"
#include "quipu/summaries.h"

namespace quipu {

/// One month of one customer (or, in the totals, of all), as `Database::Partitions` lists it.
struct PartitionInfo {
  std::string month;     ///< "2026-03"
  std::string customer;  ///< Empty in per-month totals.
  std::uint64_t rows = 0;
  std::uint64_t hot_rows = 0;  ///< Of them, not sealed yet.
  std::uint64_t bytes = 0;     ///< Of segments; for one customer its share by rows.
  std::uint64_t segments = 0;
  std::uint64_t archived_rows = 0;  ///< Of `rows`, in an archive folder that is attached.
  std::uint64_t summary_rows = 0;   ///< Of `rows`, kept as daily summaries only.
  std::uint64_t detached_rows =
      0;  ///< Of `rows`, in a detached archive folder (with `by_customer` in a line without customer).
  /// How settled it is: "hot" (nothing sealed yet), "L0" (as sealed), "L1" (merged) or "L2" (closed: one place for each
  /// customer). The least settled of its segments says.
  /// And where else it is, with a + between: "archive", "summaries" (the events have expired), "detached".
  std::string tier;
  std::int64_t age_us = 0;  ///< Since the end of the month; 0 while it lasts.
};

/// The store as a whole.
struct StoreInfo {
  std::string path;
  std::string store_id;  ///< UUID given at creation.
  std::uint32_t format_version = 0;
  std::uint64_t as_of = 0;                   ///< Last commit.
  std::optional<std::int64_t> staleness_us;  ///< As in ResultSet.
  std::uint64_t events = 0;
  std::uint64_t hot_events = 0;
  std::uint64_t hot_bytes = 0;
  std::uint64_t segments = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t customers = 0;
  std::vector<std::string> services;    ///< In name order.
  std::vector<std::string> dimensions;  ///< In name order.
  std::vector<std::string> measures;    ///< In name order, `quantity` and `cost` not among them.
  TimeUs time_min = 0, time_max = 0;    ///< Of events; meaningless when there are none.
  std::uint64_t freezes = 0;            ///< See Database::Freezes.

  // Amplification. The counters are of the whole life of the store and survive restarts.

  std::uint64_t logged_bytes = 0;  ///< Of commits, as they went into the log.
  std::uint64_t sealed_bytes = 0;  ///< Of segments that sealing wrote.
  std::uint64_t merged_bytes = 0;  ///< Of segments that merging and other rewriting wrote.
  std::uint64_t disk_bytes = 0;    ///< Of all files in the folder, now.
  /// (logged + sealed + merged) / segment_bytes; 0 while there are no segments.
  double write_amplification = 0;
  /// disk_bytes / segment_bytes; 0 while there are no segments.
  double space_amplification = 0;
  /// Segments whose customers include one: what a question about one customer and month may have to look into. The mean over
  /// customers and months, and the worst.
  double read_amplification = 0;
  std::uint64_t read_amplification_max = 0;
};

/// What one part of the segments takes on disk. Unsealed events are not in it.
struct ColumnStorage {
  /// "times", "measure", "dimension" (codes), "dictionary" (of a dimension), "ids", "identity_index" (with its filter), "summaries",
  /// "directory" (with customer names) or "other" (footers and frames).
  std::string kind;
  std::string name;  ///< Of the measure or dimension, else empty.
  std::uint64_t bytes = 0;
  std::uint64_t rows =
      0;  ///< Of the row groups (65,536 rows) that have the column; of all segments, where it is not of a column.
};

/// The erasure of a customer; it holds neither the customer's name nor a hash of it, so note the id that Erase gave you.
struct ErasureInfo {
  std::uint64_t id = 0;  ///< 1, 2, 3, ... in order of request.
  TimeUs requested = 0;
  std::optional<TimeUs> done;  ///< When nothing of it was stored any more; nothing = under way.
  std::uint64_t segments_left = 0;  ///< Segments that still hold its events.
  std::uint64_t hot_rows_left = 0;  ///< Unsealed events.
  std::string
      waits_for;  ///< Under way, and what it waits for if it cannot go on by itself; "" = nothing.
};

struct VerifyProblem {
  std::string place;  ///< File, or "commit 17".
  std::string message;
};

struct VerifyReport {
  std::uint64_t segments = 0, pages = 0, rows = 0, cells = 0, bytes = 0;
  std::vector<VerifyProblem> problems;  ///< At most 1,000. Empty = sound.
};

/// Called now and then by long jobs with work done and work in all (both in rows). Return false to stop (kCancelled).
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

struct StoreEnvironment;

class Database {
 public:
  /// Opens, recovers or (Options::create_if_missing) creates the store in folder `path`.
  /// kNotFound, kAlreadyExists (also: open elsewhere), kCorruption, kUnsupported (a newer format), kIoError.
  static Result<Database> Open(const std::string& path, const Options& options = {});
  /// Reads the store in folder `path` while another process writes it (or none does): through its seals, merges, archive moves, crashes and restarts.
  /// Nothing in the folder is written or locked, and nothing waits for a follower. Each answer is that after some commit of the writer's (as_of,
  /// which never goes back), and says how old its view is at most (staleness_us). A commit may be seen a moment before its writer has
  /// its reply. Query, Events, FindEvent and what lists are answered; all that changes the store, and Verify, is kUnsupported.
  /// It must be a folder on this machine, and no older than the last restore: a store that went back to earlier commits, or another store at
  /// the same path, is kConflict; open a new follower then.
  /// kNotFound (also while the store is being created), kCorruption, kUnsupported (a newer format), kIoError.
  static Result<Database> OpenFollower(const std::string& path,
                                       const FollowerOptions& options = {});
  [[nodiscard]] bool is_follower() const;
  /// Of a follower: takes over all that was written before the call, whatever FollowerOptions::refresh_ms says. Returns the last commit that
  /// questions see from now on; likewise in the process that writes, where there is nothing to do.
  Result<std::uint64_t> CatchUp() const;

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();  ///< As Close, errors are logged.

  /// Stores a batch atomically and waits until it is durable and visible to queries.
  Result<IngestReply> Ingest(const EventBatch& batch);
  /// The same without waiting: `done` is called once, from an engine thread, and must neither block nor throw. If the call itself returns
  /// an error, `done` will not be called.
  Status IngestAsync(EventBatch batch, std::function<void(Result<IngestReply>)> done);

  /// Answers on one snapshot, which includes everything acknowledged before the call.
  [[nodiscard]] Result<ResultSet> Query(const class Query& query) const;
  [[nodiscard]] Result<ResultSet> Query(const QuerySpec& spec) const;
  [[nodiscard]] Result<EventPage> Events(const EventQuery& query) const;
  /// Events put together to sessions; see quipu/sessions.h. A page needs about limit x 200 bytes besides SessionQuery::memory_bytes_max.
  [[nodiscard]] Result<SessionPage> Sessions(const SessionQuery& query) const;
  [[nodiscard]] Result<SessionTotals> TotalSessions(const SessionQuery& query) const;
  /// The event of that identity: was it counted, as what, and where is it? Reads three pages of the segment that has it; others cost
  /// a look into memory. kNotFound: it is not stored. kOutOfRange: it is not among the events whose ids are stored, and ids of others were
  /// dropped (retention, archives without ids) or are detached, so nobody can tell.
  [[nodiscard]] Result<FoundEvent> FindEvent(std::string_view customer, std::string_view source,
                                             std::string_view id) const;

  /// Turns every hot row into segments; returns when they are durable.
  Status Seal();
  /// Seals, then merges the segments of each month as far as the options allow.
  Status Compact(const Progress& progress = {});
  /// Reads everything: checksums, conservation totals, summaries re-derived from raw rows. Damage is in the report; an error
  /// means that the check itself could not be done.
  [[nodiscard]] Result<VerifyReport> Verify(const Progress& progress = {}) const;

  /// Erases a customer. When this returns, the decision is durable and no query, page or list shows an event of it; answers are as if there had been
  /// none. Events of the same name that come later are a fresh start: they are stored and shown, and ids are not compared with erased ones.
  /// The bytes go in the background (`background_upkeep`) or in FinishErasures; Erasures tells when they are gone. While an erasure of
  /// the name is under way and no newer event has come, that erasure is returned. kNotFound: the store has no such customer.
  /// Names of services, dimensions and measures stay, and so do ids of producers: do not put a customer's data there.
  Result<ErasureInfo> Erase(std::string_view customer);
  /// Does what is left of all erasures, as far as it can be done now; see ErasureInfo::waits_for for what cannot. Done and total are
  /// rows of the segment that is being rewritten.
  Status FinishErasures(const Progress& progress = {});
  /// The erasures under way, and the last 10,000 that are done, by id.
  [[nodiscard]] Result<std::vector<ErasureInfo>> Erasures() const;
  /// Retention and archive: see quipu/retention.h. The policy is kept in the store; kInvalidArgument names the rule that is wrong.
  Status SetRetention(const RetentionPolicy& policy);
  [[nodiscard]] Result<RetentionPolicy> Retention() const;
  /// Puts a customer into a class; an empty class takes them out. kNotFound: no event has that customer yet.
  Status SetCustomerClass(const std::string& customer, const std::string& customer_class);
  /// Does now what the policy asks for (the background does it every Options::retention_check_ms).
  Result<RetentionReport> Retain(const Progress& progress = {});
  /// Moves months to the archive by hand.
  Result<RetentionReport> Archive(const ArchiveRequest& request, const Progress& progress = {});
  /// Stops needing an archive folder (empty: the only one): its months are known but absent, and a question that reaches into them is
  /// kOutOfRange, new events of them are `too_late` unless stamped. kConflict while its ids may still be needed.
  Status DetachArchive(const std::string& folder = {});
  /// Finds a detached folder again, perhaps elsewhere (empty: where it was). Every file must be the one that the store remembers.
  Status AttachArchive(const std::string& folder = {});
  [[nodiscard]] Result<std::vector<ArchiveInfo>> Archives() const;

  /// Gives the state of now a name: everything that was acknowledged before the call is in it, and questions as of it (QuerySpec::as_of) get the same bytes
  /// for as long as it is there; see quipu/as_of.h. Seals first, so it takes as long as a seal. The same freeze again if the name has it and no event has come since;
  /// kAlreadyExists if the name stands for an earlier state: a freeze never moves. kInvalidArgument for a bad name, kExhausted beyond kFreezesMax.
  Result<FreezeInfo> Freeze(const std::string& name);
  /// In order of their commits, then names.
  [[nodiscard]] Result<std::vector<FreezeInfo>> Freezes() const;
  /// The name is free, and merges may pass over its commit from now on. No event goes. kNotFound.
  Status DropFreeze(const std::string& name);

  /// Summaries by dimension: see quipu/summaries.h. Declares a set, or changes the one of the same service and dimensions; from now on what is sealed and
  /// merged has it. Events that are stored already get it from the background, or from BuildSummaries. kInvalidArgument; kExhausted: there are 16.
  Status DeclareSummary(const SummarySet& set);
  /// No segment will be made with the set any more. Those that have it keep it until they are rewritten. kNotFound.
  Status DropSummary(const SummarySet& set);
  [[nodiscard]] Result<std::vector<SummarySetInfo>> Summaries() const;
  /// Gives every segment the cells of the sets that it lacks, one after another, each used as soon as it is done; rows are read but not written. Stopped or
  /// failed, what was built stays.
  Status BuildSummaries(const Progress& progress = {});
  /// Which sets would pay, from a sample of the newest 2 million sealed events.
  [[nodiscard]] Result<SummaryAdvice> AdviseSummaries(const Progress& progress = {}) const;

  /// Per month; with `by_customer` per month and customer. In (month, customer) order.
  [[nodiscard]] Result<std::vector<PartitionInfo>> Partitions(bool by_customer) const;
  [[nodiscard]] Result<StoreInfo> Info() const;
  /// In (kind, name) order as above; the bytes add up to StoreInfo::segment_bytes. Reads nothing but what is in memory.
  [[nodiscard]] Result<std::vector<ColumnStorage>> StorageByColumn() const;

  /// Waits for work under way, makes everything durable and releases the folder. Further calls are kCancelled.
  Status Close();

 private:
  class Impl;
  /// The engine's own tests open a store in surroundings of their choice (engine/db).
  friend Result<Database> OpenDatabaseIn(const std::string&, const Options&,
                                         const StoreEnvironment&);
  friend Result<Database> OpenFollowerIn(const std::string&, const FollowerOptions&,
                                         const StoreEnvironment&);
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quipu
