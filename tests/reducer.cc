#include "tests/reducer.h"

#include <algorithm>
#include <sstream>

#include "base/check.h"

namespace quipu {
namespace {

class Reducer {
 public:
  Reducer(Trace failing, const TraceCheck& check, std::size_t tries_max)
      : best_(std::move(failing)), check_(check), tries_max_(tries_max) {}

  Reduction Run() {
    failure_ = check_(best_);
    QUIPU_CHECK(!failure_.empty());
    for (bool smaller = true; smaller && tries_ < tries_max_;) {
      smaller = DropOperations();
      smaller = DropNumbers() || smaller;
      smaller = LowerNumbers() || smaller;
    }
    return {std::move(best_), std::move(failure_), tries_};
  }

 private:
  /// Keeps the candidate if it fails, too.
  bool Try(Trace candidate) {
    if (tries_ >= tries_max_) return false;
    ++tries_;
    std::string failure = check_(candidate);
    if (failure.empty()) return false;
    best_ = std::move(candidate);
    failure_ = std::move(failure);
    return true;
  }

  /// Chunks of half the trace, then of a quarter, ... then single operations.
  bool DropOperations() {
    bool smaller = false;
    for (std::size_t chunk = std::max<std::size_t>(1, best_.ops.size() / 2);; chunk /= 2) {
      // From the end: what comes after the failure goes first.
      for (std::size_t end = best_.ops.size(); end > 0;) {
        const std::size_t begin = end > chunk ? end - chunk : 0;
        Trace candidate = best_;
        candidate.ops.erase(candidate.ops.begin() + static_cast<std::ptrdiff_t>(begin),
                            candidate.ops.begin() + static_cast<std::ptrdiff_t>(end));
        smaller = Try(std::move(candidate)) || smaller;
        end = std::min(begin, best_.ops.size());
      }
      if (chunk == 1) return smaller;
    }
  }

  static bool IsBatch(const Op& op) {
    return op.kind == OpKind::kSend || op.kind == OpKind::kStamp;
  }

  /// Events of batches.
  bool DropNumbers() {
    bool smaller = false;
    for (std::size_t i = 0; i < best_.ops.size(); ++i) {
      const std::size_t first = best_.ops[i].kind == OpKind::kStamp ? 1 : 0;
      if (!IsBatch(best_.ops[i])) continue;
      for (std::size_t n = best_.ops[i].numbers.size(); n > first; --n) {
        if (best_.ops[i].numbers.size() == first + 1) break;  // an empty batch is none
        Trace candidate = best_;
        std::vector<std::int64_t>& numbers = candidate.ops[i].numbers;
        numbers.erase(numbers.begin() + static_cast<std::ptrdiff_t>(n - 1));
        smaller = Try(std::move(candidate)) || smaller;
      }
    }
    return smaller;
  }

  /// Numbers of other operations, towards 0.
  bool LowerNumbers() {
    bool smaller = false;
    for (std::size_t i = 0; i < best_.ops.size(); ++i) {
      if (IsBatch(best_.ops[i])) continue;
      for (std::size_t n = 0; n < best_.ops[i].numbers.size(); ++n) {
        for (const std::int64_t divisor : {0, 2}) {
          const std::int64_t old = best_.ops[i].numbers[n];
          Trace candidate = best_;
          candidate.ops[i].numbers[n] = divisor == 0 ? 0 : old / divisor;
          if (candidate.ops[i].numbers[n] != old) smaller = Try(std::move(candidate)) || smaller;
        }
      }
    }
    return smaller;
  }

  Trace best_;
  std::string failure_;
  const TraceCheck& check_;
  std::size_t tries_ = 0, tries_max_;
};

}  // namespace

Reduction Reduce(Trace failing, const TraceCheck& check, std::size_t tries_max) {
  return Reducer(std::move(failing), check, tries_max).Run();
}

std::string AsTest(const Trace& trace, const std::string& failure) {
  std::string text;
  std::istringstream lines(failure);
  for (std::string line; std::getline(lines, line);) text += "// " + line + "\n";
  return text + "TEST(SimRegressions, NameIt) {\n  ExpectPasses(R\"(\n" + Print(trace) +
         ")\");\n}\n";
}

}  // namespace quipu
