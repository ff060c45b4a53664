// Erasing a customer for good: the steps after Store::EraseCustomer has hidden it (store/erasure.h).
//
//   (1) hot rows      if unsealed commits hold rows of it: seal. The commits' blobs are deleted with that.
//   (2) stored replies  ids that were generated for its events go out of what producers were answered. Before (3): the ids are found
//                     by its rows.
//   (3) segments      one after the other is rewritten without its rows: directory, names, dictionaries, summaries and identity index
//                     are made anew from the rows that stay. Several customers that are being erased leave a segment together.
//   (4) the end       dropped files are gone and that is durable; quarantine/ is empty; the name's row is emptied; the key-value store is purged of
//                     old values; then, and only then, the record says done.
//
// Each step is one durable write or can be repeated, so after a crash the job starts from (1) and soon is where it was. Nothing here is
// remembered but what may be forgotten.
//
// Invariants:
//   (1) A rewritten segment and the rows that left it add up to the old one: Store::Install compares the three, each counted by itself.
//   (2) Nobody else merges meanwhile (the caller sees to it): a merge that began before could write the rows once more.
//   (3) What cannot be done now (a reader has a dropped file, quarantine/ has files, a segment is damaged) is said in waits_for(), the
//       record stays under way, and it is tried again.
//
// Worked example: acme (7) has rows in commits 90 to 95 and in segments 3 and 8; segment 8 is all its own. Seal: segment 9, with rows
// of 7. Segment 3 becomes 10 without 7's runs, 8 is dropped, 9 becomes 11. Files of 3, 8, 9 are unlinked. Name 7 empty, purge, done.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "quipu/database.h"
#include "store/store.h"

namespace quipu {

/// What the job asks of other folders.
struct ErasureHelp {
  std::function<Status()> seal;
  /// Runs the function when no batch is under way, and waits for it.
  std::function<Status(const std::function<Status()>&)> between_commits;
};

class ErasureJob {
 public:
  ErasureJob(Store* store, ErasureHelp help) : store_(store), help_(std::move(help)) {}

  enum class Outcome : std::uint8_t {
    kNothingToDo,  ///< No erasure is under way.
    kMore,         ///< A step was done.
    kReaders,      ///< Only dropped files that somebody still reads are in the way: in a moment.
    kWaits,        ///< What is left cannot be done now: see waits_for().
  };
  /// `go_on` is called now and then with rows rewritten in this step; false = stop (kCancelled, nothing changed). One caller at a time.
  Result<Outcome> Step(const std::function<bool(std::uint64_t rows)>& go_on);
  /// "" or why the last step was not the last. Any thread.
  [[nodiscard]] std::string waits_for() const;

 private:
  Status ForgetIds(const View& view);
  Status ForgetIdsOf(const View& view,
                     std::vector<std::pair<std::string, ProducerState>> producers);
  Result<bool> RewriteNext(const std::function<bool(std::uint64_t)>& go_on);
  Result<std::string> Obstacle(bool* readers_only);
  Result<Outcome> Finish(const std::vector<CustomerOrdinal>& customers);
  void SetWaitsFor(std::string text);

  Store* store_;
  ErasureHelp help_;
  std::set<CustomerOrdinal> ids_forgotten_;          // step (2) was done for them
  std::map<std::uint64_t, std::string> unreadable_;  // segment ids: what is wrong
  mutable std::mutex mutex_;                         // guards waits_for_
  std::string waits_for_;
};

/// Writes `segment` anew without rows of `customers` (at least one of them has rows in it) and installs that.
Status RewriteWithout(Store* store, const SegmentPtr& segment,
                      const std::vector<CustomerOrdinal>& customers,
                      const std::function<bool(std::uint64_t rows)>& go_on);

/// Where the erasures stand, by id.
std::vector<ErasureInfo> ListErasures(const Store& store, const std::string& waits_for);

}  // namespace quipu
