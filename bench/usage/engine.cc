#include "usage/engine.h"

#include <algorithm>

#include "cli/try.h"
#include "usage/stopwatch.h"

namespace quipu::usage {

Result<double> MedianMs(int runs, const std::function<Status()>& ask) {
  const Stopwatch all;
  SERVER_TRY(ask());
  std::vector<double> times;
  for (int i = 0; i < runs && (times.empty() || all.Seconds() < kQuestionSecondsMax); ++i) {
    const Stopwatch one;
    SERVER_TRY(ask());
    times.push_back(one.Seconds() * 1e3);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void KeepBest(EngineReport* report, const std::string& metric, double value) {
  const auto [it, fresh] = report->metrics.emplace(metric, value);
  if (!fresh) it->second = std::min(it->second, value);
}

std::string MetricName(Question question) { return std::string(Name(question)) + "_ms"; }

}  // namespace quipu::usage
