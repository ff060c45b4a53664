#include "tests/crash_load.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/calendar.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "db/database_impl.h"
#include "tests/crash_child.h"

namespace quipu {
namespace {

constexpr std::size_t kBatchEventsUsual = 40;
constexpr std::uint64_t kKeeperPauseUsMax = 2000;

/// The children and the parent live in May 2026, at the machine's pace.
class MayClock final : public Clock {
 public:
  TimeUs NowUs() override { return CrashNow() + MonotonicUs() - start_us_; }
  std::int64_t MonotonicUs() override { return Clock::System()->MonotonicUs(); }

 private:
  const std::int64_t start_us_ = Clock::System()->MonotonicUs();
};

class Child {
 public:
  Child(const CrashTask& task, int fd) : fd_(fd), db_(OpenOrExit(task)) { TellParent(fd_, "O"); }

  /// Stream 0: batches of any size, now and then an old range again.
  [[noreturn]] void SendForEver(std::size_t next, std::uint64_t seed) {
    Random random(seed);
    for (;;) {
      const std::size_t count = 1 + random.Below(kBatchEventsUsual);
      if (next > kBatchEventsUsual && random.Below(5) == 0) {
        Send(0, random.Below(next - count), count, true, 0);
      } else {
        Send(0, next, count, false, 0);
        next += count;
      }
    }
  }

  /// Stream 1: stamped batches.
  [[noreturn]] void SendStampedForEver(std::uint64_t sequence, std::uint64_t seed) {
    Random random(seed);
    for (std::uint64_t s = sequence;; ++s) {
      const std::size_t first = (s - 1) * kStampedBatch;
      Send(1, first, kStampedBatch, false, s);
      if (random.Below(4) == 0) Send(1, first, kStampedBatch, true, s);
    }
  }

  /// Does what changes a store without adding to it.
  [[noreturn]] void KeepForEver(std::uint64_t seed) {
    Random random(seed);
    if (random.Below(3) == 0) {
      TellParent(fd_, "P");
      ExitIfFailed("set retention", db_.SetRetention(CrashPolicy()));
    }
    for (;;) {
      std::this_thread::sleep_for(std::chrono::microseconds(random.Below(kKeeperPauseUsMax)));
      Keep(&random);
    }
  }

 private:
  Database OpenOrExit(const CrashTask& task) {
    auto db = OpenCrashStore(task.store, CrashOptions(task.durability));
    ExitIfFailed("open", db.error());
    return *std::move(db);
  }

  /// What must not fail has failed.
  void ExitIfFailed(const char* what, const Status& status) const {
    if (status.ok()) return;
    TellParent(fd_, std::string("E ") + what + ": " + status.ToString());
    _exit(2);
  }

  void Send(int stream, std::size_t first, std::size_t count, bool again, std::uint64_t sequence) {
    const std::string range =
        " " + std::to_string(stream) + " " + std::to_string(first) + " " + std::to_string(count);
    EventBatch batch;
    for (std::size_t i = first; i < first + count; ++i) AddTo(&batch, CrashFact(stream, i));
    if (sequence != 0) batch.producer = ProducerStamp{"producer", 1, sequence};
    TellParent(fd_, (again ? "T" : "S") + range);
    const auto reply = db_.Ingest(batch);
    ExitIfFailed("ingest", reply.error());
    if (again && sequence != 0 && !reply->replayed) {
      TellParent(fd_, "E a stamped batch was not recognised as a replay");
      _exit(2);
    }
    std::string outcomes = " ";
    for (const Outcome o : reply->outcomes)
      outcomes += static_cast<char>('0' + static_cast<int>(o));
    TellParent(fd_,
               (reply->replayed ? "R" : "A") + range + outcomes + " " + std::to_string(reply->seq));
  }

  void Keep(Random* random) {
    const std::uint64_t kind = random->Below(100);
    if (kind < 12) {
      const std::size_t customer = random->Below(kCrashCustomers);
      TellParent(fd_, "X " + std::to_string(customer));
      const Status erased = db_.Erase("c" + std::to_string(customer)).error();
      if (erased.code() != StatusCode::kNotFound) ExitIfFailed("erase", erased);
      TellParent(fd_, "Y " + std::to_string(customer));
    } else if (kind < 18) {
      ExitIfFailed("finish erasures", db_.FinishErasures());
    } else if (kind < 30) {
      TellParent(fd_, "L");
      ExitIfFailed("seal", db_.Seal());
      TellParent(fd_, "D");
    } else if (kind < 44) {
      ExitIfFailed("compact", db_.Compact());
    } else if (kind < 52) {
      Freeze(random);
    } else if (kind < 64) {
      ExitIfFailed("retain", db_.Retain().error());
    } else if (kind < 84) {
      ArchiveRequest request;
      request.before = ParseTime(random->Below(2) == 0 ? "2026-02-01" : "2026-04-01")->time_us;
      const Status archived = db_.Archive(request).error();
      // While it is detached.
      if (archived.code() != StatusCode::kConflict) ExitIfFailed("archive", archived);
    } else if (kind < 92) {
      const Status detached = db_.DetachArchive();
      if (detached.code() != StatusCode::kNotFound) ExitIfFailed("detach", detached);
    } else {
      const Status attached = db_.AttachArchive();
      if (attached.code() != StatusCode::kNotFound) ExitIfFailed("attach", attached);
    }
  }

  void Freeze(Random* random) {
    if (freezes_.size() > 4 || (!freezes_.empty() && random->Below(4) == 0)) {
      const std::size_t which = random->Below(freezes_.size());
      const std::string name = freezes_[which];
      TellParent(fd_, "Q " + name);
      ExitIfFailed("drop a freeze", db_.DropFreeze(name));
      TellParent(fd_, "Z " + name);
      freezes_.erase(freezes_.begin() + static_cast<std::ptrdiff_t>(which));
      return;
    }
    const std::string name = "f" + std::to_string(random->Next());
    TellParent(fd_, "F " + name);
    const auto frozen = db_.Freeze(name);
    ExitIfFailed("freeze", frozen.error());
    const auto answer = AnswerOfFreeze(db_, name);
    if (answer.error().code() != StatusCode::kOutOfRange)
      ExitIfFailed("ask as of a freeze", answer.error());
    TellParent(fd_, "G " + name + " " + std::to_string(frozen->commit) + " " +
                        (answer ? *answer : std::string("-")));
    freezes_.push_back(name);
  }

  int fd_;
  Database db_;
  std::vector<std::string> freezes_;  // of this child; the keeper's
};

}  // namespace

Options CrashOptions(Durability durability) {
  Options o;
  o.create_if_missing = true;
  o.durability = durability;
  o.sync_interval_ms = 20;
  o.disk_reserve_bytes = 8 << 20;  // the disk of the power cuts is small
  o.seal_bytes = 50'000;
  o.seal_after_ms = 10;
  o.merge_fan_in = 2;
  o.cache_bytes = 1 << 20;
  o.future_bound_us = -1;
  // March is closed, April and May are not.
  o.month_close_after_us = 25 * kDayUs;
  o.month_quiet_us = 0;
  o.retention_check_ms = 50;
  return o;
}

Result<Database> OpenCrashStore(const std::string& path, const Options& options) {
  static MayClock clock;
  StoreEnvironment environment;
  environment.clock = &clock;
  return OpenDatabaseIn(path, options, environment);
}

Result<std::string> AnswerOfFreeze(const Database& db, const std::string& name) {
  const Query question =
      Query().Select("count,sum(quantity),max(quantity)").GroupBy("customer,service").AsOf(name);
  const auto answer = db.Query(question);
  if (!answer) return answer.error();
  if (answer->altered) return std::string("-");
  return std::to_string(Hash64(AnswerText(*answer)));
}

std::vector<std::string> CrashTask::ToArguments() const {
  return {store,
          durability == Durability::kInterval ? "interval" : "sync",
          writes ? "writes" : "keeps",
          std::to_string(next),
          std::to_string(sequence),
          std::to_string(seed)};
}

void RunCrashChild(const std::vector<std::string>& a) {
  QUIPU_CHECK(a.size() == 8 && a[0] == kCrashChildName);
  signal(SIGPIPE, SIG_IGN);
  CrashTask task;
  task.store = a[1];
  task.durability = a[2] == "interval" ? Durability::kInterval : Durability::kSync;
  task.writes = a[3] == "writes";
  task.next = std::stoull(a[4]);
  task.sequence = std::stoull(a[5]);
  task.seed = std::stoull(a[6]);
  Child child(task, std::stoi(a[7]));
  if (!task.writes) child.KeepForEver(task.seed);
  std::thread stamped([&] { child.SendStampedForEver(task.sequence, task.seed + 1); });
  std::thread keeper([&] { child.KeepForEver(task.seed + 2); });
  child.SendForEver(task.next, task.seed);
}

}  // namespace quipu
