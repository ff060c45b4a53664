// What the peers that speak SQL have in common: a question in their dialect is text, and asking it is timed apart from turning
// its result into text for comparison.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "usage/engine.h"

namespace quipu::usage {

struct SqlQuestion {
  Question question = Question::kQ1;
  std::string way;  ///< "raw", "rollup" or "sketch"; a sketch is compared loosely.
  std::string sql;
  std::vector<int> scales{};  ///< Columns that are whole numbers of 10^-scale; empty = none.
};

/// The same question of the table of events and of the hourly rollup: `sql` with {table}, {t} (its time) and {count} filled in
/// as "ev", "ts", `count` and as "rollup", "h", "sum(n)".
void AddBothWays(Question question, const std::string& sql, const std::string& count,
                 std::vector<SqlQuestion>* questions);

class SqlEngine {
 public:
  SqlEngine() = default;
  SqlEngine(const SqlEngine&) = delete;
  SqlEngine& operator=(const SqlEngine&) = delete;
  virtual ~SqlEngine() = default;
  virtual Status Open() = 0;
  /// Runs one statement to its end and keeps the result: this is what is timed.
  virtual Status Execute(const std::string& sql) = 0;
  /// The last result as text, "" for NULL.
  virtual Answer LastResult() = 0;
};

/// Times every question and notes its answer. Questions that approximate (Q2, Q3, Q10) count as `Qn_exact_ms` when the way is
/// not "sketch", and as `Qn_ms` in any way.
Status AskAllInSql(const EngineTask& task, const std::vector<SqlQuestion>& questions,
                   SqlEngine* engine, EngineReport* report);

/// What an engine with files in the task's folder does after its ingest: opens cold, asks everything if the task says so, notes
/// the memory. Or, with EngineTask::first_ask, that alone.
Status AskColdInSql(const EngineTask& task, const std::vector<SqlQuestion>& questions,
                    SqlEngine* engine, EngineReport* report);

/// `text` with each {name} replaced by what the questions are about: {middling}, {largest}, {from30}, {to30}, {from_month},
/// {to_month}, {from_week}, {to_week} (dates), the same with _us in front of the } (microseconds), {event_customer},
/// {event_us}, {event_id} (36 characters), {event_hex} (32 digits).
std::string Fill(std::string text, const Subjects& subjects);

}  // namespace quipu::usage
