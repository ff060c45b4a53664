#include "tests/crash_look.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <utility>

#include "base/calendar.h"
#include "tests/crash_load.h"
#include "tests/oracle.h"

namespace quipu {
namespace {

struct Sums {
  std::int64_t count = 0;
  Total tokens, cost;
  void Add(const Fact& f) {
    ++count;
    tokens.Add(f.measures.at("tokens"));
    if (f.cost) cost.Add(*f.cost);
  }
  [[nodiscard]] std::string Text() const {
    return std::to_string(count) + " " + cost.ToDecimal()->ToString() + " " +
           tokens.ToDecimal()->ToString();
  }
};

void AttachAll(Database* db) {
  const auto archives = db->Archives();
  ASSERT_TRUE(archives.has_value()) << archives.error().ToString();
  for (const ArchiveInfo& archive : *archives) {
    if (archive.attached) continue;
    const Status attached = db->AttachArchive(archive.folder);
    ASSERT_TRUE(attached.ok()) << attached.ToString();
  }
}

}  // namespace

void CrashLook::Look(const std::string& store, Durability durability, bool is_last) {
  Options options = CrashOptions(durability);
  options.background_upkeep = false;
  auto db = OpenCrashStore(store, options);
  ASSERT_TRUE(db.has_value()) << db.error().ToString();
  ASSERT_NO_FATAL_FAILURE(AttachAll(&*db));
  seen_ = {std::vector<bool>(record_.sent(0)), std::vector<bool>(record_.sent(1))};
  ASSERT_NO_FATAL_FAILURE(ReadEvents(*db));
  const auto info = db->Info();
  ASSERT_TRUE(info.has_value()) << info.error().ToString();
  ASSERT_EQ(record_.Compare(seen_, info->as_of), "");
  ASSERT_NO_FATAL_FAILURE(CheckTotals(*db));
  ASSERT_NO_FATAL_FAILURE(CheckFreezes(*db));
  if (is_last) {
    ASSERT_NO_FATAL_FAILURE(Finish(store, &*db));
  }
  ASSERT_TRUE(db->Close().ok());
}

/// The store at the end of its life: erasures end, nothing is damaged, and what is left is what was there.
void CrashLook::Finish(const std::string& store, Database* db) {
  // What a kill left half written stands in the way of an erasure until somebody removes it.
  for (const char* folder : {"/quarantine", "/archive/quarantine"}) {
    if (!std::filesystem::exists(store + folder)) continue;
    for (const auto& file : std::filesystem::directory_iterator(store + folder))
      std::filesystem::remove(file.path());
  }
  const Status finished = db->FinishErasures();
  ASSERT_TRUE(finished.ok()) << finished.ToString();
  const auto erasures = db->Erasures();
  ASSERT_TRUE(erasures.has_value());
  for (const ErasureInfo& e : *erasures)
    EXPECT_TRUE(e.done.has_value()) << "erasure " << e.id << " waits for " << e.waits_for;
  const auto report = db->Verify();
  ASSERT_TRUE(report.has_value()) << report.error().ToString();
  for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
  ASSERT_NO_FATAL_FAILURE(CheckTotals(*db));
}

/// Fills seen_.
void CrashLook::ReadEvents(const Database& db) {
  EventQuery query;
  query.limit = 10'000;
  query.services = {"api", "llm", "storage", "debug"};
  ASSERT_NO_FATAL_FAILURE(ReadPages(db, query));
  query.services = {"trace"};
  query.from = CrashExpiryEnd();
  ASSERT_NO_FATAL_FAILURE(ReadPages(db, query));
  for (const char* month : {"2026-01-01", "2026-02-01"}) {
    query.from = ParseTime(month)->time_us;
    query.to = MonthStart(MonthOf(*query.from) + 1);
    if (db.Events(query).error().code() == StatusCode::kOutOfRange) {
      ASSERT_TRUE(record_.policy_told());
      SeeBySibling(*query.from, *query.to);
    } else {
      ASSERT_NO_FATAL_FAILURE(ReadPages(db, query));
    }
    ASSERT_NO_FATAL_FAILURE(CheckTraces(db, *query.from, *query.to));
  }
}

void CrashLook::ReadPages(const Database& db, EventQuery query) {
  do {
    const auto page = db.Events(query);
    ASSERT_TRUE(page.has_value()) << page.error().ToString();
    for (const StoredEvent& e : page->events) {
      const auto found = FindCrashEvent(e.id);
      ASSERT_TRUE(found.has_value()) << e.id;
      const auto [which, index] = *found;
      ASSERT_LT(index, seen_[which].size()) << e.id << " was never sent";
      ASSERT_FALSE(seen_[which][index]) << e.id << " is there twice";
      ASSERT_EQ(Difference(e, CrashFact(which, index)), "");
      seen_[which][index] = true;
    }
    query.cursor = page->next_cursor;
  } while (!query.cursor.empty());
}

/// Rows that have expired share the fate of the first event of their customer in their batch, which cannot expire.
void CrashLook::SeeBySibling(TimeUs from, TimeUs to) {
  for (std::size_t i = 0; i < seen_[1].size(); ++i) {
    const Fact f = CrashFact(1, i);
    if (f.service != "trace" || f.time < from || f.time >= to) continue;
    const std::size_t batch = i / kStampedBatch * kStampedBatch;
    seen_[1][i] = seen_[1][batch + (i - batch) % 5];
    summarised_ += seen_[1][i];
  }
}

/// By customer and day, from rows or from the summaries that are left of them.
void CrashLook::CheckTraces(const Database& db, TimeUs from, TimeUs to) {
  std::map<std::pair<TimeUs, std::string>, Sums> expected;
  for (std::size_t i = 0; i < seen_[1].size(); ++i) {
    const Fact f = CrashFact(1, i);
    if (f.service == "trace" && seen_[1][i] && f.time >= from && f.time < to)
      expected[{FloorTo(f.time, kDayUs), f.customer}].Add(f);
  }
  if (expected.empty()) return;
  const auto answer = db.Query(Query()
                                   .Select("count, sum(cost), sum(tokens)")
                                   .Service("trace")
                                   .From(FormatTime(from))
                                   .To(FormatTime(to))
                                   .Every("day")
                                   .GroupBy("customer"));
  ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
  ASSERT_EQ(answer->rows(), expected.size());
  for (std::size_t row = 0; row < answer->rows(); ++row) {
    const auto text = [&](const char* column) { return answer->Find(column)->Text(row); };
    const std::string cell = text("window_start") + " " + text("customer");
    const auto it = expected.find(
        {answer->Find("window_start")->times[row], answer->Find("customer")->Text(row)});
    ASSERT_NE(it, expected.end()) << cell;
    const std::string cost = text("sum(cost)").empty() ? "0" : text("sum(cost)");
    ASSERT_EQ(text("count") + " " + cost + " " + text("sum(tokens)"), it->second.Text()) << cell;
  }
}

void CrashLook::CheckTotals(const Database& db) {
  Sums sums;
  Total quantity;
  for (int w = 0; w < 2; ++w) {
    for (std::size_t i = 0; i < seen_[w].size(); ++i) {
      if (!seen_[w][i]) continue;
      const Fact f = CrashFact(w, i);
      sums.Add(f);
      quantity.Add(f.quantity);
    }
  }
  const auto answer = db.Query(Query().Select("count, sum(cost), sum(tokens), sum(quantity)"));
  if (sums.count == 0 && !answer.has_value()) return;  // names that no event has yet
  ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
  ASSERT_EQ(answer->rows(), 1u);
  const auto& c = answer->columns;
  ASSERT_EQ(c[0].integers[0], sums.count);
  if (sums.count == 0) return;
  // The sum of costs that no event has is absent.
  const std::string cost = c[1].Text(0).empty() ? "0" : c[1].Text(0);
  ASSERT_EQ(c[0].Text(0) + " " + cost + " " + c[2].Text(0), sums.Text());
  ASSERT_EQ(c[3].Text(0), quantity.ToDecimal()->ToString());
  const auto info = db.Info();
  ASSERT_TRUE(info.has_value());
  ASSERT_EQ(static_cast<std::int64_t>(info->events), sums.count);
}

void CrashLook::CheckFreezes(const Database& db) {
  const auto freezes = db.Freezes();
  ASSERT_TRUE(freezes.has_value()) << freezes.error().ToString();
  std::map<std::string, std::string> found;
  for (const FreezeInfo& freeze : *freezes) {
    const auto answer = AnswerOfFreeze(db, freeze.name);
    ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
    found[freeze.name] = *answer;
  }
  ASSERT_EQ(record_.CompareFreezes(found), "");
}

}  // namespace quipu
