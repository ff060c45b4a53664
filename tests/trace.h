// A trace: what happens to a store, as a list of operations that a person can read, a reducer can shorten and a test can repeat.
//
//     seed 7                      options, chance within the store
//     send 0 3 -3 14              a batch: events 0 and 3, event 3 with other content, event 14
//     stamp 1 20 21               the next batch of producer 1
//     merge 2                     a merge; within it, each time it reports progress, one of the next 2 operations
//       send 15
//       seal
//     cut 9 50 1234 4             at the 9th file operation from now the power fails: half of what was not synced survives (chance 1234);
//     retain 0                    during recovery it fails once more, at the 4th operation (0 = not)
//
// Every operation means something whatever else is left of the trace: events are named by number and a number always means the same
// event, producers count by themselves, a cut waits until its operation comes. So any subset of a trace is a trace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quipu/retention.h"
#include "quipu/status.h"
#include "tests/oracle.h"

namespace quipu {

enum class OpKind : std::uint8_t {
  kSend,     ///< events...
  kStamp,    ///< producer, events...
  kWrite,    ///< The oldest prepared commit is written.
  kSync,     ///< Everything acknowledged becomes durable (interval mode).
  kSeal,     ///<
  kMerge,    ///< n: the merge that the background would do, with n operations within.
  kCompact,  ///< n: merges until nothing is left to merge.
  kRetain,   ///< n
  kArchive,  ///< which time, 1 = without ids, n
  kDetach,   ///<
  kAttach,   ///<
  kPolicy,   ///< number of the policy
  kClass,    ///< customer, 1 = into the class "free"
  kErase,    ///< customer
  kFinish,   ///< n: finishes erasures.
  kAdvance,  ///< seconds
  kStep,     ///< The clock on the wall steps by so many seconds; the monotonic clock does not.
  kHold,     ///< A reader takes the view and keeps it.
  kRelease,  ///< The oldest reader looks once more and goes.
  kReopen,   ///< 1 = after an orderly Close
  kCut,      ///< operation (0 = at once), percent, chance, operation of the recovery (0 = none)
  kAsk,      ///< number of the question
  kFreeze,   ///< number of the freeze; nothing if there is one of that number
  kThaw,     ///< number of the freeze, which is dropped
};

struct Op {
  OpKind kind;
  std::vector<std::int64_t> numbers{};
  [[nodiscard]] std::int64_t Number(std::size_t i) const {
    return i < numbers.size() ? numbers[i] : 0;
  }
};

struct Trace {
  std::uint64_t seed = 1;
  std::vector<Op> ops;
};

std::string Print(const Op& op);
/// Parse(Print(trace)) is the trace.
std::string Print(const Trace& trace);
/// kInvalidArgument names the line.
Result<Trace> ParseTrace(const std::string& text);

inline constexpr std::int64_t kTraceFacts = 160;
inline constexpr std::int64_t kTraceCustomers = 5;
inline constexpr std::int64_t kTracePolicies = 40;
/// Event `number` (a negative number: event -number with other content). Event 0 has every dimension and measure.
Fact TraceFact(std::int64_t number);
std::string TraceCustomer(std::int64_t number);
RetentionPolicy TracePolicy(std::int64_t number);
/// Ends of months, to archive before.
TimeUs TraceTime(std::int64_t number);
/// A question about such events; `loose` as in Workload::Question.
QuerySpec TraceQuestion(std::int64_t number, bool loose);

/// What random traces are made of: how often each operation comes, of all.
struct TraceMix {
  int cuts = 0;             ///< Power cuts.
  bool contradicts = true;  ///< Events with other content under a known id.
  /// An erasure is finished before anything else happens: until then what the life cycle does to erased rows depends on the layout.
  bool erases_at_once = false;
};
Trace RandomTrace(std::uint64_t seed, std::size_t ops, const TraceMix& mix);

}  // namespace quipu
