// GroupPreparer: makes a commit of a group of batches: validates, interns, collects, looks for repeats, packs. What is left is to write it.
//
// It may run ahead: while one commit is being written the next ones are prepared. So everything a new batch is compared with has two parts,
// what a view shows and what is *under way*: commits that were prepared and that the view does not show yet.
//
// Invariants:
//   (1) Commit numbers and hot row numbers are given in the order of Prepare, without gaps; a group that fails takes none.
//   (2) The view taken at the start of Prepare and the commits under way after it are everything the store holds or will hold, once: a row
//       is in one of the two, a producer's state is that after all of them.
//   (3) A name travels with the commit that uses it first or an earlier one. A name that was interned for a group that failed goes with the
//       next commit.
//
// Worked example: the view shows commit 7, commit 8 is being written. A batch of producer p comes with an event that is in commit 8:
// `duplicate`, p's state is that of commit 8, and its own commit (for p's sake) is number 9.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ingest/commit_group.h"
#include "ingest/dedupe.h"
#include "ingest/row_collector.h"

namespace quipu {

/// Used by one thread.
class GroupPreparer {
 public:
  /// `store` must outlive it.
  GroupPreparer(Store* store, std::uint64_t random_seed);

  /// Fills members, status and commit. Every commit must be written before the next one is, or none after it.
  void Prepare(CommitGroup* group);
  /// Frees what is kept of commits up to this one, which views show by now.
  void ForgetWritten(std::uint64_t as_of);
  /// Rows of names that no commit has taken yet. Only while no commit is under way.
  [[nodiscard]] KvBatch* pending_names() { return &pending_names_; }

 private:
  using Producers = std::map<std::string, ProducerState>;
  /// A commit that the view does not show yet.
  struct UnderWay {
    std::uint64_t seq = 0;
    HotBatchPtr hot;      // null if it has no rows
    Producers producers;  // those it changes
  };
  struct Draft;

  Status PrepareBatches(Draft* draft);
  Status PrepareBatch(Draft* draft, std::size_t request);
  Status CheckProducer(Draft* draft, std::size_t request, bool* replayed);
  Result<ProducerState> FindProducer(const std::string& id) const;
  std::size_t ValidateBatch(const class BatchView& batch, TimeUs now, GroupMember* member) const;
  std::span<const std::uint32_t> PositionsOf(const GroupMember& member);
  Status CheckRows(Draft* draft);
  Status MakeCommit(Draft* draft);
  static Producers RecordReplies(Draft* draft, std::uint64_t seq);
  void UpdateStored();

  Store* store_;
  Random random_;
  Dedupe dedupe_;
  Dedupe::Stored stored_;  // while a group is prepared
  std::uint64_t next_seq_ = 1;
  std::deque<UnderWay> under_way_;
  KvBatch pending_names_;
  RowCollector collector_;
  std::vector<std::uint32_t> all_positions_;  // 0, 1, 2, ...
};

}  // namespace quipu
