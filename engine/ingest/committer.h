// Ingest: the way in. Batches wait in a bounded queue; one thread takes as many as are there, up to a commit's size, and prepares one commit
// of them; a second one writes it.
//
//     callers --Submit--> queue --[preparing thread]--> GroupPreparer --hand-over of one group--> [writing thread]
//                                 validate, intern, collect, dedupe, pack                         Store::Commit (one fsync), replies
//
// While a commit is being synced the queue fills, so the group grows with the load by itself: there is no timer to tune, a lone caller
// pays one fsync and a crowd shares it. If a quarter of a commit's size has come together meanwhile, the next group is prepared without
// waiting for the fsync; less is left to grow, since groups that are cut too early would only cost more of them. And a small group that finds
// nobody writing is written by the preparing thread: a lone caller does not pay for the hand-over either.
//
// Invariants:
//   (1) A batch's accepted events are in one commit, or none is.
//   (2) The reply leaves after the commit is durable (or, in interval mode, logged) and visible. Groups are written and answered in the order
//       in which they were prepared, those with nothing to write too: `duplicate` is said after the commit that it refers to.
//   (3) A batch is compared with everything that the store holds or that is under way (GroupPreparer): only these two threads commit, one at a
//       time, in the order of the commits' numbers.
//   (4) Nothing waits for ever: room in the queue and in the hot tier is waited for at most Options::ingest_wait_ms_max.
//   (5) After a failed write every waiting and later batch is answered with that error, and so are those of prepared groups; the outcome of those in the
//       failed group is unknown, and a retry with the same ids is safe.
//   (6) Tasks of RunBetweenCommits run when no group is prepared or written.
//   (7) At most three groups are under way: one in preparation or waiting to be handed over, one handed over, one being written.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "ingest/group_preparer.h"
#include "quipu/event.h"
#include "store/store.h"

namespace quipu {

class Committer {
 public:
  /// `store` must outlive the committer.
  Committer(Store* store, std::uint64_t random_seed);
  /// Stops after the batches that are queued.
  ~Committer();

  /// Queues a batch; `done` is called once, from a thread of the committer. Waits for room. An error: not queued, `done` is not called.
  Status Submit(EventBatch batch, IngestDone done);
  /// Submits without copying and waits for the reply.
  Result<IngestReply> SubmitAndWait(const EventBatch& batch);
  /// Runs `task` between two commits, when no batch is under way, and waits for it. `names` are rows of catalogue names that no commit has
  /// taken yet: a task that makes them durable empties it. kCancelled once the committer stops.
  Status RunBetweenCommits(const std::function<Status(KvBatch* names)>& task);
  /// Refuses new batches (kCancelled), finishes the queued ones, syncs.
  Status Stop();

 private:
  Status Enqueue(IngestRequest request);
  [[nodiscard]] bool HasRoom(std::size_t bytes) const;
  Status WaitForRoom(std::unique_lock<std::mutex>& lock, std::size_t bytes);
  // The preparing thread.
  void Run();
  bool WaitForWork();
  std::unique_ptr<CommitGroup> TakeGroup();
  void RunTasks();
  void WriteOrHandOver(std::unique_ptr<CommitGroup> group);
  // Whichever thread writes: the writing thread, or the preparing one while that is idle.
  void RunWriter();
  void WriteGroup(CommitGroup* group);
  void SyncIfDue();
  // Under mutex_.
  [[nodiscard]] bool IsWriterIdle() const { return handed_ == nullptr && !is_writing_; }
  [[nodiscard]] bool IsGroupDue() const;

  Store* store_;
  GroupPreparer preparer_;         // preparing thread only
  bool unsynced_ = false;          // of whoever writes
  std::int64_t last_sync_us_ = 0;  // likewise
  std::vector<IngestRequest>
      backlog_;  // taken from queue_; what is still to be committed starts at next_. Preparing thread only
  std::size_t next_ = 0;
  std::atomic<bool> hot_full_{false};  // as of the last commit; a waiting caller looks again

  std::mutex mutex_;  // guards everything below
  std::condition_variable
      work_;  // for the preparing thread: batches, tasks, the writer idle or ready for a group
  std::condition_variable room_;             // for callers
  std::condition_variable handing_;          // for the writing thread
  std::vector<IngestRequest> queue_;         // what came since all of it was last taken
  std::uint64_t queued_bytes_ = 0;           // of queue_ and backlog_
  std::deque<std::function<void()>> tasks_;  // of RunBetweenCommits
  std::unique_ptr<CommitGroup> handed_;      // to the writing thread
  bool is_writing_ = false;                  // the writing thread
  bool stopping_ = false;
  bool all_prepared_ = false;  // the preparing thread is done
  std::thread writer_, thread_;
};

}  // namespace quipu
