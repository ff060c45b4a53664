// Every question answered by a plain loop over the workload's rows: the truth that needs no engine. It checks Quipu's answers
// in CI, and it is what a user of one-key-per-event RocksDB would write.
#pragma once

#include <functional>

#include "usage/question.h"

namespace quipu::usage {

/// Calls its argument for each different event, in any order; at least for those in the question's Scope.
using RowSource = std::function<void(const std::function<void(const WorkloadRow&)>& take)>;

Answer AnswerNaively(Question question, const Subjects& subjects, const RowSource& source);

/// All questions in one pass over the file. In the order of kQuestions.
std::vector<Answer> AnswerAllNaively(const Subjects& subjects, const RowFile& file);

}  // namespace quipu::usage
