// What every engine under test is given and what it gives back.
//
// Each engine runs in a process of its own (child.h), so that memory is its own, a crash is its own, and nothing of one engine
// warms or disturbs the next. The report travels back as JSON.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "usage/question.h"

namespace quipu::usage {

/// A question that is asked once, in a process that has just opened the store.
struct FirstAsk {
  Question question = Question::kQ1;
  std::string way;    ///< As in GivenAnswer.
  bool cold = false;  ///< The files leave the page cache before the store is opened.
};

struct EngineTask {
  RowFile rows;
  Subjects subjects;
  std::string dir;     ///< An empty folder of the engine's own.
  int threads = 2;     ///< For engines that can be told.
  int runs = 5;        ///< Of each question, after a warm-up; the median counts.
  bool ingest = true;  ///< False: the folder holds what an earlier run left.
  bool questions = true;
  std::optional<FirstAsk> first_ask;  ///< Only this, of what an earlier run left.
  bool restart = false;               ///< Quipu: close and open again half-way through ingest.
  std::string peers_dir;              ///< Where `make peers` puts the libraries.
};

/// One answer, to be compared.
struct GivenAnswer {
  Question question = Question::kQ1;
  std::string way;  ///< "raw", "rollup", "sketch", "exact", "default".
  Exactness exactness = Exactness::kExact;
  Answer answer;
};

struct EngineReport {
  std::string version;
  std::string durable, repeats, exact;    ///< What the engine promises here, in a few words.
  std::map<std::string, double> metrics;  ///< By the names of metric.h.
  std::vector<GivenAnswer> answers;
  /// On disk, by column and by what is not a column; empty if the engine cannot say.
  std::map<std::string, double> column_bytes;
  std::map<std::string, double> archived_column_bytes;  ///< Quipu: archived without ids.
  std::string note;                                     ///< About the run, for the reader.
};

/// The engine's part of the benchmark. kNotFound: the engine is not on this machine; the message says how to get it.
using RunEngine = std::function<Result<EngineReport>(const EngineTask&)>;

/// Runs `ask` once to warm up and then `runs` times (fewer once they have taken `kQuestionSecondsMax` in all); returns the
/// median in milliseconds.
Result<double> MedianMs(int runs, const std::function<Status()>& ask);
inline constexpr double kQuestionSecondsMax = 20;

/// What a user waits for who opens a store to ask one thing. Opens and asks once, and notes cold_Qn_ms (opening and the answer, with nothing of
/// `path` in the page cache before) or first_Qn_ms (the answer alone, with whatever the page cache has).
Status NoteFirstAsk(const FirstAsk& first, const std::string& path,
                    const std::function<Status()>& open, const std::function<Status()>& ask,
                    EngineReport* report);
inline constexpr const char* kFirstPrefix = "first_";
inline constexpr const char* kColdPrefix = "cold_";

/// Keeps the smaller of the metric's value and `value`: a peer's figure is the better of its ways to answer.
void KeepBest(EngineReport* report, const std::string& metric, double value);

/// ack_p50_ms, ack_p99_ms and ack_p999_ms from the times of all batches; sorts them.
void NoteAcknowledgements(std::vector<double>* milliseconds, EngineReport* report);

/// "Q3_largest_ms"
std::string MetricName(Question question);

}  // namespace quipu::usage
