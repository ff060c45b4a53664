#include "tests/trace.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "base/calendar.h"
#include "base/check.h"
#include "tests/workload.h"

namespace quipu {
namespace {

constexpr std::array<std::string_view, 24> kNames = {
    "send",    "stamp",  "write",   "sync",   "seal",  "merge", "compact", "retain",
    "archive", "detach", "attach",  "policy", "class", "erase", "finish",  "advance",
    "step",    "hold",   "release", "reopen", "cut",   "ask",   "freeze",  "thaw"};
constexpr std::array<const char*, kTraceCustomers> kCustomers = {"whale", "c1", "c2", "c3",
                                                                 "Käufer & Söhne"};

TimeUs At(const char* text) { return ParseTime(text)->time_us; }

/// Few months, so that segments are many and small stores have something to merge.
bool IsInTraceMonth(TimeUs time) {
  static const MonthIndex december = MonthOf(At("2025-12-01"));
  static const MonthIndex march = MonthOf(At("2026-03-01"));
  const MonthIndex month = MonthOf(time);
  return month == december || month == march || month == march + 1;
}

}  // namespace

std::string Print(const Op& op) {
  std::string text(kNames[static_cast<std::size_t>(op.kind)]);
  for (const std::int64_t n : op.numbers) text += " " + std::to_string(n);
  return text;
}

std::string Print(const Trace& trace) {
  std::string text = "seed " + std::to_string(trace.seed) + "\n";
  for (const Op& op : trace.ops) text += Print(op) + "\n";
  return text;
}

Result<Trace> ParseTrace(const std::string& text) {
  Trace trace;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    if (!(words >> name)) continue;
    if (name == "seed") {
      words >> trace.seed;
    } else {
      const auto it = std::find(kNames.begin(), kNames.end(), name);
      if (it == kNames.end())
        return Status::InvalidArgument("no operation is called that: " + line);
      Op op{static_cast<OpKind>(it - kNames.begin()), {}};
      for (std::int64_t n = 0; words >> n;) op.numbers.push_back(n);
      trace.ops.push_back(std::move(op));
    }
    if (words.fail() && !words.eof()) return Status::InvalidArgument("not a number: " + line);
  }
  return trace;
}

namespace {

Fact MakeTraceFact(std::int64_t number) {
  const std::int64_t n = number < 0 ? -number : number;
  Workload work(static_cast<std::uint64_t>(n) + 1);
  Fact fact = n == 0 ? work.Founder() : work.NewFact();
  while (!IsInTraceMonth(fact.time)) fact.time = n == 0 ? At("2026-03-02") : work.NewFact().time;
  fact.id = "e" + std::to_string(n);
  fact.customer = kCustomers[work.Below(kCustomers.size())];
  fact.time_given = n == 0 || !work.Chance(6);
  return number < 0 ? work.Contradict(fact) : fact;
}

}  // namespace

Fact TraceFact(std::int64_t number) {
  static const std::vector<Fact> facts = [] {
    std::vector<Fact> all;
    for (std::int64_t n = 1 - kTraceFacts; n < kTraceFacts; ++n) all.push_back(MakeTraceFact(n));
    return all;
  }();
  const std::int64_t index = number % kTraceFacts + kTraceFacts - 1;
  return facts[static_cast<std::size_t>(index)];
}

std::string TraceCustomer(std::int64_t number) {
  return kCustomers[static_cast<std::size_t>(number) % kCustomers.size()];
}

RetentionPolicy TracePolicy(std::int64_t number) {
  Workload work(1000 + static_cast<std::uint64_t>(number));
  const auto days = [&] {
    static constexpr std::array<std::uint32_t, 6> kDays = {0, 0, 40, 100, 260, 320};
    return kDays[work.Below(kDays.size())];
  };
  RetentionPolicy policy;
  for (std::uint64_t n = work.Below(4); policy.rules.size() < n;) {
    RetentionRule& rule = policy.rules.emplace_back();
    rule.name = "rule " + std::to_string(policy.rules.size());
    if (work.Chance(60)) rule.service = work.NewFact().service;
    if (work.Chance(30)) rule.customer_class = "free";
    rule.keep_raw_days = days();
    rule.archive_after_days = days();
    rule.keep_summaries_days = work.Chance(30) ? days() : 0;
    rule.delete_after_days = work.Chance(30) ? days() : 0;
  }
  policy.archive_keeps_ids = work.Chance(50);
  return policy;
}

TimeUs TraceTime(std::int64_t number) {
  static const std::array<TimeUs, 3> times = {At("2026-01-01"), At("2026-04-01"), At("2026-05-01")};
  return times[static_cast<std::size_t>(number) % times.size()];
}

QuerySpec TraceQuestion(std::int64_t number, bool loose) {
  Workload work(5000 + static_cast<std::uint64_t>(number));
  return work.Question(loose);
}

namespace {

class TraceMaker {
 public:
  TraceMaker(std::uint64_t seed, const TraceMix& mix) : random_(seed), mix_(mix) {
    trace_.seed = seed;
  }

  Trace Make(std::size_t ops) {
    if (Below(400) < mix_.cuts) Add(Cut());
    while (trace_.ops.size() < ops) Any();
    return std::move(trace_);
  }

 private:
  std::int64_t Below(std::int64_t n) {
    return static_cast<std::int64_t>(random_.Below(static_cast<std::uint64_t>(n)));
  }
  void Add(Op op) { trace_.ops.push_back(std::move(op)); }

  Op Cut() {
    static constexpr std::array<std::int64_t, 4> kPercent = {0, 100, 50, -1};
    const std::int64_t percent = kPercent[random_.Below(kPercent.size())];
    return {OpKind::kCut,
            {Below(Below(3) == 0 ? 60 : 16), percent < 0 ? Below(101) : percent, Below(1'000'000),
             Below(3) == 0 ? 1 + Below(12) : 0}};
  }

  Op Send() {
    const bool stamped = Below(3) == 0;
    Op op{stamped ? OpKind::kStamp : OpKind::kSend, {}};
    if (stamped) op.numbers.push_back(Below(2));
    for (std::int64_t n = 1 + Below(Below(4) == 0 ? 24 : 8); n > 0; --n) {
      const std::int64_t fact = Below(kTraceFacts);
      op.numbers.push_back(mix_.contradicts && Below(12) == 0 ? -fact : fact);
    }
    return op;
  }

  /// What may happen while a merge is under way.
  Op Within() {
    const std::int64_t kind = Below(100);
    if (kind < 45) return Send();
    if (kind < 60) return {OpKind::kWrite};
    if (kind < 75) return {OpKind::kSeal};
    if (kind < 80) return {OpKind::kSync};
    if (kind < 88) return {OpKind::kHold};
    if (kind < 95 || mix_.erases_at_once) return {OpKind::kRelease};
    return {OpKind::kErase, {Below(kTraceCustomers)}};
  }

  void WithInner(Op op, std::int64_t inner_max) {
    op.numbers.push_back(Below(inner_max + 1));
    const std::int64_t inner = op.numbers.back();
    Add(std::move(op));
    for (std::int64_t i = 0; i < inner; ++i) Add(Within());
  }

  void Any() {
    if (Below(100) < mix_.cuts) Add(Cut());
    const std::int64_t kind = Below(100);
    if (kind < 34) return Add(Send());
    if (kind < 38) return Add({OpKind::kWrite});
    if (kind < 40) return Add({OpKind::kSync});
    if (kind < 52) return Add({OpKind::kSeal});
    if (kind < 62) return WithInner({OpKind::kMerge}, 3);
    if (kind < 66) return WithInner({OpKind::kCompact}, 4);
    if (kind < 68) return Add({OpKind::kHold});
    if (kind < 70) return Add({OpKind::kRelease});
    if (kind < 73) return Add({OpKind::kReopen, {Below(2)}});
    if (kind < 79) return Add({OpKind::kAsk, {Below(100'000)}});
    if (kind < 82) return Add({OpKind::kFreeze, {Below(kTraceFreezes)}});
    if (kind < 83) return Add({OpKind::kThaw, {Below(kTraceFreezes)}});
    Live();
  }

  void Live() {
    switch (Below(12)) {
      case 0:
        return Add({OpKind::kAdvance, {(1 + Below(25)) * 86'400}});
      case 1:
        return Add({OpKind::kStep, {(Below(49) - 24) * 3600}});
      case 2:
        return Add({OpKind::kAdvance, {1 + Below(3)}});
      case 3:
      case 4:
        Add({OpKind::kPolicy, {Below(kTracePolicies)}});
        return Add({OpKind::kRetain, {0}});
      case 5:
        return Add({OpKind::kRetain, {0}});
      case 6:
        return Add({OpKind::kArchive, {Below(3), Below(3) == 0 ? 1 : 0, 0}});
      case 7:
        return Add({OpKind::kDetach});
      case 8:
        return Add({OpKind::kAttach});
      case 9:
        return Add({OpKind::kClass, {Below(kTraceCustomers), Below(2)}});
      case 10:
        Add({OpKind::kErase, {Below(kTraceCustomers)}});
        if (mix_.erases_at_once) Add({OpKind::kFinish, {0}});
        return;
      default:
        return Add({OpKind::kFinish, {0}});
    }
  }

  static constexpr std::int64_t kTraceFreezes = 4;
  Random random_;
  TraceMix mix_;
  Trace trace_;
};

}  // namespace

Trace RandomTrace(std::uint64_t seed, std::size_t ops, const TraceMix& mix) {
  return TraceMaker(seed, mix).Make(ops);
}

}  // namespace quipu
