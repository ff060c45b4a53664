#include "usage/engine.h"

#include <algorithm>

#include "cli/try.h"
#include "usage/process.h"
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

Status NoteFirstAsk(const FirstAsk& first, const std::string& path,
                    const std::function<Status()>& open, const std::function<Status()>& ask,
                    EngineReport* report) {
  if (first.cold) DropFromCache(path);
  const Stopwatch opening;
  SERVER_TRY(open());
  const Stopwatch asking;
  SERVER_TRY(ask());
  const Stopwatch& since = first.cold ? opening : asking;
  report->metrics[(first.cold ? kColdPrefix : kFirstPrefix) + MetricName(first.question)] =
      since.Seconds() * 1e3;
  return {};
}

void KeepBest(EngineReport* report, const std::string& metric, double value) {
  const auto [it, fresh] = report->metrics.emplace(metric, value);
  if (!fresh) it->second = std::min(it->second, value);
}

void NoteAcknowledgements(std::vector<double>* milliseconds, EngineReport* report) {
  if (milliseconds->empty()) return;
  std::sort(milliseconds->begin(), milliseconds->end());
  const auto at = [&](double q) {
    return (
        *milliseconds)[static_cast<std::size_t>(q * static_cast<double>(milliseconds->size() - 1))];
  };
  report->metrics["ack_p50_ms"] = at(0.5);
  report->metrics["ack_p99_ms"] = at(0.99);
  report->metrics["ack_p999_ms"] = at(0.999);
}

std::string MetricName(Question question) { return std::string(Name(question)) + "_ms"; }

}  // namespace quipu::usage
