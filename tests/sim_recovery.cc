// What a world does after a crash or a failed write: reopens, finds out what became of what had no answer, and compares everything.
#include <algorithm>

#include "base/check.h"
#include "tests/expected_events.h"
#include "tests/sim_world.h"
#include "tests/surroundings.h"

namespace quipu {

Status World::Open() {
  const std::uint64_t seed = 1 + trace_.seed / 2 + report_.recoveries;
  const StoreEnvironment environment = disk_.Environment(seed);
  auto opened = setup_.engine == WorldSetup::Engine::kLayers
                    ? OpenLayers(disk_.store_path(), options_, environment, 1 + trace_.seed % 3)
                    : OpenDatabase(disk_.store_path(), options_, environment, !InFlight());
  if (!opened) return opened.error();
  engine_ = *std::move(opened);
  return {};
}

/// Opens the store again after whatever happened to it. During that the power fails at operation `cut_again` (0 = not).
void World::Reopen(std::uint64_t cut_again) {
  bool was_cut = false;
  const auto end_process = [&] {
    engine_.reset();
    was_cut = was_cut || disk_.is_cut();
    if (disk_.is_cut()) is_cut_planned_ = false;
  };
  end_process();
  if (was_cut || is_excuse_used_) disk_.Heal();
  if (cut_again != 0) disk_.PlanCut({cut_again, cut_.survive_percent, cut_.chance + 1});
  Status opened = Open();
  if (disk_.is_cut() || (!opened.ok() && Excused())) {  // trouble during the recovery
    ++report_.recoveries_cut;
    end_process();
    is_excuse_used_ = true;
    disk_.Heal();
    opened = Open();
  } else if (cut_again != 0) {
    disk_.Heal();  // it was to come later than the recovery took
  }
  Expect(opened.ok(), "open: " + opened.ToString());
  if (!failed()) ResolveCommits(was_cut);
}

void World::Recover() {
  ++report_.recoveries;
  const bool is_cut = disk_.is_cut();
  report_.cuts += is_cut;
  is_excuse_used_ = true;
  Reopen(is_cut ? cut_again_ : 0);
  if (failed()) return;
  if (!job_) CheckCount();
  if (job_) {
    const Op op = *job_;
    const Status status = Apply(op);
    Expect(status.ok(), Print(op) + " after a restart: " + status.ToString());
    if (failed()) return;
    job_.reset();
    Note(op);
  }
  SendAgain();
  if (!failed()) CheckAll();
}

/// Which commits are there?
void World::ResolveCommits(bool was_cut) {
  const std::uint64_t as_of = engine_->as_of();
  const std::uint64_t floor = was_cut ? durable_ : acknowledged_;
  Expect(as_of >= floor, "acknowledged commits are gone: " + std::to_string(as_of) +
                             " is the last one, there were " + std::to_string(floor));
  if (as_of < acknowledged_) {
    ++report_.suffix_lost;
    oracle_.ForgetAfter(as_of);
    for (auto& [producer, commits] : stamped_)
      std::erase_if(commits, [&](const StampedCommit& s) { return s.commit > as_of; });
  }
  std::move(under_way_.begin(), under_way_.end(), std::back_inserter(unknown_));
  under_way_.clear();
  std::uint64_t last = acknowledged_;
  for (Sent& sent : unknown_) {
    last = std::max(last, sent.ticket->commit);
    ResolveBatch(&sent, as_of);
  }
  Expect(as_of <= last || InFlight(), "commit " + std::to_string(as_of) + " was never sent");
  acknowledged_ = as_of;
  acknowledged_rows_ = std::min(acknowledged_rows_, as_of);
  if (was_cut) durable_ = as_of;
}

void World::ResolveBatch(Sent* sent, std::uint64_t as_of) {
  sent->was_stored = sent->ticket->commit != 0 && sent->ticket->commit <= as_of;
  ++(sent->was_stored ? report_.unknown_kept : report_.unknown_lost);
  if (!sent->was_stored) return;
  sent->expected = oracle_.Ingest(sent->facts, sent->ticket->commit, sent->producer >= 0,
                                  sent->ticket->prepared);
  if (sent->producer >= 0)
    stamped_[sent->producer].push_back({sent->batch.producer->sequence, sent->ticket->commit});
}

/// Whoever has no answer sends again.
void World::SendAgain() {
  std::vector<Sent> again = std::move(unknown_);
  unknown_.clear();
  for (Sent& sent : again) Submit(std::move(sent));
  engine_->Drain();
  Collect();
}

// ---- comparing

void World::CheckCount() {
  const std::uint64_t events = engine_->events();
  // Whose the rows in a detached folder are is not known: erased ones still count.
  const bool is_right =
      events == oracle_.size() || (is_detached_ && has_erased_ && events > oracle_.size());
  Expect(is_right, std::to_string(events) + " events, expected " + std::to_string(oracle_.size()));
}

void World::CheckAll() {
  CheckCount();
  if (!failed()) CheckEvents();
  if (!failed())
    (void)Ask(TraceQuestion(static_cast<std::int64_t>(random_.Below(100'000)), false), "", oracle_);
  if (!failed()) CheckFreezes();
  if (!failed() && random_.Below(8) == 0) CheckStore();
}

/// Those that were acknowledged are there, unmoved, and each is what the oracle knew then.
void World::CheckFreezes() {
  const auto there = engine_->Freezes();
  Expect(there == freezes_, std::to_string(there.size()) +
                                " freezes are there, or others than the " +
                                std::to_string(freezes_.size()) + " that were made");
  for (const auto& [name, commit] : freezes_) {
    if (failed()) return;
    const auto question = static_cast<std::int64_t>(random_.Below(100'000));
    (void)Ask(TraceQuestion(question, false), name, oracle_.Part(0, commit));
    ++report_.of_freezes;
  }
}

void World::CheckStore() {
  const auto report = engine_->Verify();
  Expect(report.has_value(), "verify: " + report.error().ToString());
  if (!report) return;
  for (const VerifyProblem& p : report->problems) Fail("verify: " + p.place + ": " + p.message);
}

void World::CheckEvents() {
  EventQuery all;
  all.limit = 10'000;
  const auto page = engine_->Events(all);
  if (!IsReached(oracle_.ReachOf(all), page.error()) || failed()) return;
  ExpectedEvents expected(oracle_, all);
  for (const StoredEvent& e : page->events) {
    const std::string wrong = expected.Take(e);
    Expect(wrong.empty(), wrong);
  }
  Expect(expected.size() == 0, std::to_string(expected.size()) + " events are gone");
}

/// Whether there is an answer; a failure if there must or must not be one.
bool World::IsReached(Reach reach, const Status& status) {
  if (status.ok()) {
    Expect(reach != Reach::kError, "an answer without what has expired or is detached");
    return true;
  }
  Expect(status.code() == StatusCode::kOutOfRange && reach != Reach::kAnswer, status.ToString());
  return false;
}

/// The answer as text, "?" if it depends on the layout whether there is one.
std::string World::Ask(QuerySpec question, const std::string& freeze, const Oracle& oracle) {
  // Where events have expired, the store knows from when to when it had any, erased customers' among them; the oracle knows only who is left. So
  // nothing is filled up to an open end.
  question.fill = question.fill && question.from && question.to;
  question.as_of.freeze = freeze;
  const auto answer = engine_->Query(question);
  const bool is_excused = Excused() && !answer && answer.error().code() == StatusCode::kIoError;
  const auto expected = oracle.Ask(question);
  const Reach reach = oracle.ReachOf(question);
  question.raw_only = true;
  const auto raw = engine_->Query(question);
  if (is_excused || (!raw && raw.error().code() == StatusCode::kIoError && Excused())) return "?";
  if (!expected) {
    Expect(answer.error().code() == StatusCode::kOutOfRange, "a sum that does not fit is answered");
    return "a sum does not fit";
  }
  const bool is_answered = IsReached(reach, answer.error());
  const bool is_raw = IsReached(oracle.ReachOf(question), raw.error());
  if (failed()) return "?";
  if (!is_answered) return reach == Reach::kError ? answer.error().ToString() : "?";
  if (expected->is_ambiguous) return "?";
  if (is_raw) Expect(AnswerText(*answer) == AnswerText(*raw), "summaries and rows disagree");
  const std::string wrong = Disagreement(*expected, *answer);
  Expect(wrong.empty(),
         Describe(question) + (freeze.empty() ? "" : " as of " + freeze) + ": " + wrong);
  report_.from_cells += answer->stats.cells > 0;
  return reach == Reach::kAnswer ? AnswerText(*answer) : "?";
}

/// The end: one more crash, then everything that can be finished is.
void World::Finish() {
  Settle();
  if (failed()) return;
  if (InFlight()) {
    Reopen(0);
  } else {
    disk_.Heal();
    is_cut_planned_ = false;
    cut_again_ = 0;
    if (setup_.fault.n == 0)
      disk_.CutNow({1, static_cast<int>(random_.Below(101)), random_.Next()});
    report_.fault_fired = disk_.fired() && setup_.fault.n != 0;
    Recover();
  }
  for (const Op& op : {Op{OpKind::kAttach}, Op{OpKind::kCompact, {0}}, Op{OpKind::kFinish, {0}}})
    if (!failed()) Job(op);
  MoveOn();
  if (!failed()) CheckStore();
  if (!failed()) CheckAll();
  report_.events = oracle_.size();
}

}  // namespace quipu
