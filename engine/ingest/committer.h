// Ingest: the way in. Batches wait in a bounded queue; one committer thread takes as many as are there, up to a commit's size, and makes one
// durable commit of them.
//
//     callers --Submit--> queue --> validate, intern --> dedupe --> Store::Commit (one fsync) --> hot set --> replies
//
// While a commit is being synced the queue fills, so the group grows with the load by itself: there is no timer to tune, a lone caller
// pays one fsync and a crowd shares it.
//
// Invariants:
//   (1) A batch's accepted events are in one commit, or none is.
//   (2) The reply leaves after the commit is durable (or, in interval mode, logged) and visible.
//   (3) What Dedupe::Check saw plus the group itself is everything the store holds: only this thread commits.
//   (4) Nothing waits for ever: room in the queue and in the hot tier is waited for at most Options::ingest_wait_ms_max.
//   (5) After a failed write every waiting and later batch is answered with that error; the outcome of those in the failed
//       group is unknown, and a retry with the same ids is safe.
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
#include "ingest/dedupe.h"
#include "quipu/event.h"
#include "store/store.h"

namespace quipu {

using IngestDone = std::function<void(Result<IngestReply>)>;

class Committer {
 public:
  /// `store` must outlive the committer.
  Committer(Store* store, std::uint64_t random_seed);
  /// Stops after the batches that are queued.
  ~Committer();

  /// Queues a batch; `done` is called once from the committer thread. Waits for room. An error: not queued, `done` is not called.
  Status Submit(EventBatch batch, IngestDone done);
  /// Submits without copying and waits for the reply.
  Result<IngestReply> SubmitAndWait(const EventBatch& batch);
  /// Runs `task` between two commits, when no batch is under way, and waits for it. `names` are rows of catalogue names that no commit has
  /// taken yet: a task that makes them durable empties it. kCancelled once the committer stops.
  Status RunBetweenCommits(const std::function<Status(KvBatch* names)>& task);
  /// Refuses new batches (kCancelled), finishes the queued ones, syncs.
  Status Stop();

 private:
  struct Request {
    EventBatch owned;  // used if `batch` is null
    const EventBatch* batch = nullptr;
    IngestDone done;
    std::size_t bytes = 0;
    [[nodiscard]] const EventBatch& events() const { return batch != nullptr ? *batch : owned; }
  };
  struct Member;
  struct Group;

  Status Enqueue(Request request);
  [[nodiscard]] bool HasRoom(std::size_t bytes) const;
  Status WaitForRoom(std::unique_lock<std::mutex>& lock, std::size_t bytes);
  void Run();
  bool FillBacklog();
  std::vector<Request> TakeGroup();
  void RunTasks();
  void CommitGroup(std::vector<Request> requests);
  Status Prepare(Group* group);
  Status PrepareBatch(Group* group, std::size_t request);
  Status CheckProducer(Group* group, std::size_t request, bool* replayed);
  static std::optional<std::size_t> FindSameStamp(const Group& group, std::size_t request);
  std::size_t ValidateBatch(const class BatchView& batch, TimeUs now, Member* member);
  Status CheckAndCommit(Group* group);
  void RecordProducers(Group* group, std::uint64_t seq);
  void SyncIfDue();

  Store* store_;
  Random random_;
  Dedupe dedupe_;
  KvBatch
      pending_names_;  // interned, not yet durable: they go with the next commit, whichever that is
  bool unsynced_ = false;          // committer thread only
  std::int64_t last_sync_us_ = 0;  // committer thread only

  std::deque<Request>
      backlog_;  // taken from queue_ and still to be committed; committer thread only
  std::atomic<bool> hot_full_{false};  // as of the last commit; a waiting caller looks again

  std::mutex mutex_;  // guards everything below
  std::condition_variable work_, room_;
  std::vector<Request> queue_;               // what came since the committer last took all of it
  std::uint64_t queued_bytes_ = 0;           // of queue_ and backlog_
  std::deque<std::function<void()>> tasks_;  // of RunBetweenCommits
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace quipu
