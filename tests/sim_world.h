// A world in which a trace is played: a store on a disk that may fail, the oracle, and what the clients were told.
//
// After each operation the world compares; after a crash or a failed write it reopens, finds out what became of whatever had no answer,
// and compares everything:
//   acknowledged      there, once. (Interval mode: up to the last sync; what is lost is a suffix.)
//   refused           not there.
//   without answer    there or not, as a whole and in the order sent; and sent again with the same ids it is counted once.
//   a long job that was interrupted    done again, after which the store is as if it had never been interrupted.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/oracle.h"
#include "tests/sim_disk.h"
#include "tests/sim_engine.h"
#include "tests/trace.h"

namespace quipu {

struct WorldSetup {
  enum class Engine : std::uint8_t {
    kLayers,           ///< No threads.
    kDatabase,         ///< Database, one batch at a time.
    kDatabaseInFlight  ///< Database, many batches under way, upkeep in the background. No faults.
  };
  Engine engine = Engine::kLayers;
  bool real = false;  ///< RocksDB in a folder; power cuts are killed processes.
  DiskLies lies{};
  DiskFault fault{};  ///< Counted from the first opening.
  /// Options and chance within the store; 0 = the trace's.
  std::uint64_t options_seed = 0;
  /// Between two operations of the trace, by chance of this seed: seals, merges, restarts. 0 = none.
  std::uint64_t schedule_seed = 0;
};

struct WorldReport {
  std::string failure;  ///< "" = all went as promised.
  std::size_t cuts = 0, recoveries = 0, recoveries_cut = 0;
  std::size_t unknown_kept = 0,
              unknown_lost = 0;  ///< Batches without answer that were stored, or not.
  std::size_t suffix_lost = 0;   ///< Recoveries in interval mode that lost something.
  std::size_t jobs_interrupted = 0;
  std::size_t within = 0;  ///< Operations within merges.
  std::size_t from_cells = 0;
  std::size_t of_freezes = 0;  ///< Answers as of one.
  bool fault_fired = false;
  std::size_t events = 0;
  /// What was answered to each kAsk; "?" where more than one answer is right.
  std::vector<std::string> answers;
};

class World {
 public:
  World(const Trace& trace, const WorldSetup& setup);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  WorldReport Run();

 private:
  /// A batch without an answer yet.
  struct Sent {
    EventBatch batch;
    std::vector<Fact> facts;
    TicketPtr ticket;
    std::int64_t producer = -1;
    bool was_stored = false;        ///< It had no answer, and turned out to be stored
    std::vector<Outcome> expected;  ///< ... with these outcomes.
  };
  struct StampedCommit {
    std::uint64_t sequence = 0, commit = 0;
  };

  [[nodiscard]] bool failed() const { return !report_.failure.empty(); }
  void Fail(const std::string& what);
  void Expect(bool ok, const std::string& what) {
    if (!ok) Fail(what);
  }

  /// Something was made to fail, and nobody has been told yet.
  [[nodiscard]] bool Excused() const;
  [[nodiscard]] bool InFlight() const {
    return setup_.engine == WorldSetup::Engine::kDatabaseInFlight;
  }

  // sim_world.cc: the steps
  void Do(const Op& op);
  void DoWithin();
  void Disturb();
  void Send(std::vector<Fact> facts, std::int64_t producer);
  ProducerStamp NextStamp(std::int64_t producer);
  void Submit(Sent sent);
  void Collect();
  void Learn(const Sent& sent, const IngestReply& reply);
  void Job(const Op& op);
  void JobWithin(const Op& op);
  Status Apply(const Op& op);
  Status ApplyDetach();
  void Note(const Op& op);
  void MoveOn();
  void Settle();

  // sim_recovery.cc: what a crash left
  Status Open();
  void Reopen(std::uint64_t cut_again);
  void Recover();
  void ResolveCommits(bool was_cut);
  void ResolveBatch(Sent* sent, std::uint64_t as_of);
  void SendAgain();
  void CheckAll();
  void CheckCount();
  void CheckEvents();
  void CheckStore();
  void CheckFreezes();
  /// `freeze` "" = of now; else `oracle` is what was there then.
  std::string Ask(QuerySpec question, const std::string& freeze, const Oracle& oracle);
  bool IsReached(Reach reach, const Status& status);
  void Finish();

  Trace trace_;
  WorldSetup setup_;
  Random random_;  // of questions after a crash; and of the schedule
  Options options_;
  SimDisk disk_;
  std::unique_ptr<SimEngine> engine_;
  Oracle oracle_;
  WorldReport report_;

  std::size_t next_ = 0;         // the next operation of the trace
  std::size_t within_left_ = 0;  // how many of them belong to the job under way
  bool is_within_ = false;
  std::deque<Sent> under_way_;           // in the order sent
  std::vector<Sent> unknown_;            // ended by a crash or an error
  std::optional<Op> job_;                // under way, or interrupted
  std::optional<Op> inner_job_;          // interrupted within a merge
  std::uint64_t acknowledged_ = 0;       // the last commit of which a client knows
  std::uint64_t acknowledged_rows_ = 0;  // the last one with rows
  std::uint64_t durable_ = 0;            // the last commit that no power cut may take
  std::map<std::int64_t, std::vector<StampedCommit>> stamped_;  // by producer
  std::map<std::string, std::uint64_t> freezes_;                // acknowledged ones: their commits
  RetentionPolicy policy_;
  bool has_erased_ = false;
  bool is_detached_ = false;
  bool is_customer_known_ = false;  // of the last operation on one
  bool is_excuse_used_ = false;
  bool is_cut_planned_ = false;
  std::uint64_t cut_again_ = 0;
  PowerCutPlan cut_;
};

/// Plays the trace in a new world.
WorldReport Play(const Trace& trace, const WorldSetup& setup = {});

}  // namespace quipu
