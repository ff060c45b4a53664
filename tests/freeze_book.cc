#include "tests/freeze_book.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/surroundings.h"

namespace quipu {
namespace {

constexpr int kQuestionsKept = 3;

}  // namespace

void FreezeBook::Freeze(Database* db, const Oracle& oracle, bool is_detached, Workload* work) {
  Frozen frozen;
  frozen.name = "f" + std::to_string(++made_);
  for (int i = 0; i < kQuestionsKept; ++i) {
    QuerySpec spec = work->Question();
    const auto answer = db->Query(spec);
    if (!answer) continue;
    const auto expected = oracle.Ask(spec);
    if (expected && !expected->is_ambiguous)
      frozen.answers.emplace_back(std::move(spec), AnswerText(*answer));
  }
  const auto before = db->Info();
  ASSERT_TRUE(before.has_value());
  const auto info = db->Freeze(frozen.name);
  ASSERT_TRUE(info.has_value()) << info.error().ToString();
  ASSERT_LE(info->commit, before->as_of);
  ASSERT_EQ(oracle.Part(info->commit, before->as_of).size(), 0u) << "something is not in it";
  ASSERT_TRUE(is_detached || info->events == oracle.size())
      << info->events << " of " << oracle.size();
  frozen.commit = info->commit;
  frozen_.push_back(std::move(frozen));
  ASSERT_NO_FATAL_FAILURE(Check(*db, oracle, is_detached));
}

void FreezeBook::Drop(Database* db, Workload* work) {
  if (frozen_.empty()) return;
  const std::size_t which = work->Below(frozen_.size());
  const Status dropped = db->DropFreeze(frozen_[which].name);
  ASSERT_TRUE(dropped.ok()) << dropped.ToString();
  frozen_.erase(frozen_.begin() + static_cast<std::ptrdiff_t>(which));
}

void FreezeBook::Check(const Database& db, const Oracle& oracle, bool is_detached) {
  const auto list = db.Freezes();
  ASSERT_TRUE(list.has_value()) << list.error().ToString();
  ASSERT_EQ(list->size(), frozen_.size());
  for (Frozen& frozen : frozen_) {
    const auto info = std::find_if(list->begin(), list->end(),
                                   [&](const FreezeInfo& i) { return i.name == frozen.name; });
    ASSERT_NE(info, list->end()) << frozen.name;
    ASSERT_EQ(info->commit, frozen.commit) << frozen.name;
    const Oracle then = oracle.Part(0, frozen.commit);
    ASSERT_TRUE(is_detached || info->events == then.size())
        << frozen.name << ": " << info->events << " of " << then.size();
    // An erased customer may have had nothing but events that were deleted before.
    if (info->altered_by_erasure || info->altered_by_retention) frozen.answers.clear();
    ASSERT_TRUE(is_detached || info->events == info->events_at_freeze || frozen.answers.empty());
    for (const auto& [question, text] : frozen.answers)
      ASSERT_NO_FATAL_FAILURE(Reproduce(db, frozen.name, then, question, text));
  }
}

void FreezeBook::Reproduce(const Database& db, const std::string& freeze, const Oracle& then,
                           QuerySpec spec, const std::string& text) {
  SCOPED_TRACE(freeze + ": " + Describe(spec));
  // Ids that are gone decided between events of one instant.
  if (const auto expected = then.Ask(spec); expected && expected->is_ambiguous) return;
  const Reach reach = then.ReachOf(spec);
  spec.as_of.freeze = freeze;
  const auto answer = db.Query(spec);
  if (!IsReached(reach, answer.error())) return;
  ASSERT_EQ(AnswerText(*answer), text);
  ++reproduced_;
}

bool FreezeBook::Choose(Workload* work, AsOf* state, std::uint64_t* commit) const {
  if (frozen_.empty()) return false;
  const Frozen& frozen = frozen_[work->Below(frozen_.size())];
  state->freeze = frozen.name;
  *commit = frozen.commit;
  return true;
}

std::optional<Oracle> FreezeBook::ChooseState(const Oracle& oracle, std::uint64_t last,
                                              Workload* work, QuerySpec* spec,
                                              std::uint64_t* through) const {
  *through = last;
  std::uint64_t after = 0;
  const auto choose = [&](AsOf* state, std::uint64_t* commit) {
    if (work->Chance(70) && Choose(work, state, commit)) return;
    *commit = last - work->Below(std::min<std::uint64_t>(last, 12) + 1);
    state->commit = *commit;
  };
  if (work->Chance(25)) choose(&spec->as_of, through);
  if (work->Chance(12)) choose(&spec->since, &after);
  if (spec->as_of.IsNow() && spec->since.IsNow()) return std::nullopt;
  return oracle.Part(after, *through);
}

bool IsReached(Reach reach, const Status& status) {
  if (status.ok()) {
    EXPECT_NE(reach, Reach::kError) << "an answer without what has expired or is detached";
    return reach != Reach::kError;
  }
  EXPECT_EQ(status.code(), StatusCode::kOutOfRange) << status.ToString();
  EXPECT_NE(reach, Reach::kAnswer) << status.ToString();
  return false;
}

bool IsTooLarge(const QuerySpec& spec, const OracleAnswer& expected, const Status& status,
                const Status& raw_status) {
  if (status.code() != StatusCode::kExhausted) return false;
  EXPECT_EQ(raw_status.code(), StatusCode::kExhausted);
  EXPECT_TRUE(spec.fill && (expected.limited || expected.rows.size() > spec.groups_max))
      << status.ToString();
  return true;
}

bool IsStateRefused(const QuerySpec& spec, const Status& status) {
  const auto says = [&](const char* text) {
    return status.message().find(text) != std::string_view::npos;
  };
  if (says("is later than as of")) return !spec.as_of.IsNow() && !spec.since.IsNow();
  return (spec.as_of.commit || spec.since.commit) && says("cannot be asked for any more");
}

}  // namespace quipu
