#include "usage/peers/sql.h"

#include <algorithm>
#include <cstdlib>

#include "cli/try.h"
#include "usage/process.h"
#include "usage/stopwatch.h"

namespace quipu::usage {
namespace {

void Replace(const std::string& from, const std::string& to, std::string* text) {
  for (std::size_t at = text->find(from); at != std::string::npos;
       at = text->find(from, at + to.size())) {
    text->replace(at, from.size(), to);
  }
}

void Tidy(const SqlQuestion& question, Answer* answer) {
  for (Row& row : answer->rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool scaled = c < question.scales.size() && question.scales[c] > 0 && !row[c].empty();
      row[c] = scaled ? DecimalText(std::strtoll(row[c].c_str(), nullptr, 10), question.scales[c])
                      : Canonical(std::move(row[c]));
    }
  }
}

bool IsSketch(const SqlQuestion& question) { return question.way == "sketch"; }

void NoteAnswer(const SqlQuestion& question, SqlEngine* engine, EngineReport* report) {
  Answer answer = engine->LastResult();
  Tidy(question, &answer);
  report->answers.push_back({question.question, question.way,
                             IsSketch(question) ? Exactness::kSketch : Exactness::kExact,
                             std::move(answer)});
}

}  // namespace

void AddBothWays(Question question, const std::string& sql, const std::string& count,
                 std::vector<SqlQuestion>* questions) {
  const auto filled = [&](const char* table, const char* time, const std::string& n) {
    std::string text = sql;
    Replace("{table}", table, &text);
    Replace("{t}", time, &text);
    Replace("{count}", n, &text);
    return text;
  };
  questions->push_back({question, "raw", filled("ev", "ts", count)});
  questions->push_back({question, "rollup", filled("rollup", "h", "sum(n)")});
}

Status AskAllInSql(const EngineTask& task, const std::vector<SqlQuestion>& questions,
                   SqlEngine* engine, EngineReport* report) {
  for (const SqlQuestion& question : questions) {
    const std::string sql = Fill(question.sql, task.subjects);
    auto ms = MedianMs(task.runs, [&] { return engine->Execute(sql); });
    if (!ms) {
      return ms.error().WithContext(std::string(Name(question.question)) + " " + question.way);
    }
    KeepBest(report, MetricName(question.question), *ms);
    if (Approximates(question.question) && !IsSketch(question)) {
      KeepBest(report, std::string(Name(question.question)) + "_exact_ms", *ms);
    }
    NoteAnswer(question, engine, report);
  }
  return {};
}

namespace {

Status AskFirstInSql(const EngineTask& task, const std::vector<SqlQuestion>& questions,
                     SqlEngine* engine, EngineReport* report) {
  const FirstAsk& first = *task.first_ask;
  const auto asked = std::find_if(questions.begin(), questions.end(), [&](const SqlQuestion& q) {
    return q.question == first.question && q.way == first.way;
  });
  if (asked == questions.end()) return Status::Internal("no such way to ask: " + first.way);
  const std::string sql = Fill(asked->sql, task.subjects);
  SERVER_TRY(NoteFirstAsk(
      first, task.dir, [&] { return engine->Open(); }, [&] { return engine->Execute(sql); },
      report));
  NoteAnswer(*asked, engine, report);
  return {};
}

}  // namespace

Status AskColdInSql(const EngineTask& task, const std::vector<SqlQuestion>& questions,
                    SqlEngine* engine, EngineReport* report) {
  if (task.first_ask) return AskFirstInSql(task, questions, engine, report);
  DropFromCache(task.dir);
  const Stopwatch opening;
  SERVER_TRY(engine->Open());
  SERVER_TRY(engine->Execute("select service from ev limit 1"));
  report->metrics["cold_open_ms"] = opening.Seconds() * 1e3;
  if (task.questions) SERVER_TRY(AskAllInSql(task, questions, engine, report));
  report->metrics["resident_bytes_max"] = static_cast<double>(ResidentBytesMax());
  return {};
}

std::string Fill(std::string text, const Subjects& s) {
  std::string id, customer;
  generate::AppendId(s.event, &id);
  generate::AppendCustomer(s.event.customer, s.customer_digits, &customer);
  const auto range = [&](const std::string& name, const Range& r) {
    Replace("{from" + name + "}", r.from, &text);
    Replace("{to" + name + "}", r.to, &text);
    Replace("{from" + name + "_us}", std::to_string(r.from_us), &text);
    Replace("{to" + name + "_us}", std::to_string(r.to_us), &text);
  };
  range("30", s.thirty_days);
  range("_month", s.month);
  range("_week", s.week);
  Replace("{middling}", s.middling_name, &text);
  Replace("{largest}", s.largest_name, &text);
  Replace("{event_customer}", customer, &text);
  Replace("{event_us}", std::to_string(s.event.time), &text);
  Replace("{event_id}", id, &text);
  std::erase(id, '-');
  Replace("{event_hex}", id, &text);
  return text;
}

}  // namespace quipu::usage
