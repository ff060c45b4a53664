#include "tests/short_life.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "tests/oracle.h"
#include "tests/trace.h"

namespace quipu {
namespace {

constexpr int kEventsOfBatch = 20;
constexpr int kWell = 0, kBadly = 1, kNotOpened = 2, kLost = 3, kTorn = 4, kMiscounted = 5;

/// In the child.
int LookAndSendAgain(const std::string& path, const std::set<int>& acknowledged) {
  auto db = Database::Open(path, LifeOptions());
  if (!db) return kNotOpened;
  for (int b = 0; b < kLifeBatches; ++b) {
    const auto reply = db->Ingest(LifeBatch(b));
    if (!reply) return kBadly;
    const std::size_t known = reply->Count(Outcome::kDuplicate);
    if (acknowledged.contains(b) && known != kEventsOfBatch) return kLost;
    if (known != kEventsOfBatch && reply->Count(Outcome::kAccepted) != kEventsOfBatch) return kTorn;
  }
  const auto answer = db->Query(Query().Select("count"));
  if (!answer) return kBadly;
  return answer->columns[0].integers[0] == kLifeBatches * kEventsOfBatch ? kWell : kMiscounted;
}

int WaitFor(pid_t pid) {
  int status = 0;
  QUIPU_CHECK(waitpid(pid, &status, 0) == pid);
  return status;
}

}  // namespace

EventBatch LifeBatch(int number) {
  EventBatch batch;
  for (int i = 0; i < kEventsOfBatch; ++i) AddTo(&batch, TraceFact(number * kEventsOfBatch + i));
  return batch;
}

Options LifeOptions() {
  Options o;
  o.create_if_missing = true;
  o.background_upkeep = false;
  o.future_bound_us = -1;
  o.merge_fan_in = 2;
  o.compact_threads = 1;  // the n-th operation is the same in every run
  return o;
}

bool IsFullSweep() {
  const char* sweep = std::getenv("QUIPU_SWEEP");
  return sweep != nullptr && std::string(sweep) == "full";
}

bool LiveShortly(Database* db, const std::function<EventBatch(int)>& make_batch,
                 const Acknowledge& acknowledge) {
  bool well = true;
  for (int b = 0; b < kLifeBatches; ++b) {
    const EventBatch batch = make_batch(b);
    if (db->Ingest(batch)) {
      acknowledge(b);
    } else {
      well = false;
    }
    if (b % 2 == 1) well = db->Seal().ok() && well;
  }
  well = db->Compact().ok() && well;
  return db->Close().ok() && well;
}

Ending RunToTheEnd(const std::function<bool(const Acknowledge&)>& live) {
  (void)TraceFact(0);  // the table is made once, here
  int ends[2];
  QUIPU_CHECK(pipe(ends) == 0);
  const pid_t pid = fork();
  QUIPU_CHECK(pid >= 0);
  if (pid == 0) {
    ::signal(SIGABRT, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(kBadly);
    const int out = ends[1];
    const bool well = live([out](int batch) {
      const auto text = static_cast<char>(batch);
      if (write(out, &text, 1) != 1) _exit(kBadly);
    });
    _exit(well ? kWell : kBadly);
  }
  close(ends[1]);
  Ending ending;
  for (char batch = 0; read(ends[0], &batch, 1) == 1;) ending.acknowledged.insert(batch);
  close(ends[0]);
  ending.status = WaitFor(pid);
  ending.ended_itself = WIFEXITED(ending.status);
  ending.went_well = ending.ended_itself && WEXITSTATUS(ending.status) == kWell;
  return ending;
}

std::string WrongAfter(const std::string& path, const std::set<int>& acknowledged) {
  const pid_t pid = fork();
  QUIPU_CHECK(pid >= 0);
  if (pid == 0) _exit(LookAndSendAgain(path, acknowledged));
  const int status = WaitFor(pid);
  if (!WIFEXITED(status))
    return "the process that looked ended with status " + std::to_string(status);
  switch (WEXITSTATUS(status)) {
    case kWell:
      return "";
    case kNotOpened:
      return "the store does not open";
    case kLost:
      return "acknowledged events are gone";
    case kTorn:
      return "a part of a batch is there";
    case kMiscounted:
      return "events are counted twice or not at all";
    default:
      return "the store does not answer";
  }
}

}  // namespace quipu
