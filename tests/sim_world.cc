#include "tests/sim_world.h"

#include <algorithm>
#include <array>

#include "base/calendar.h"
#include "base/check.h"
#include "tests/surroundings.h"

namespace quipu {
namespace {

bool MayBeWithin(OpKind kind) {
  return kind == OpKind::kSend || kind == OpKind::kStamp || kind == OpKind::kWrite ||
         kind == OpKind::kSeal || kind == OpKind::kSync || kind == OpKind::kHold ||
         kind == OpKind::kRelease || kind == OpKind::kErase;
}

bool IsJob(OpKind kind) {
  return kind == OpKind::kSeal || kind == OpKind::kSync || kind == OpKind::kErase;
}

/// Options that change what a store must do are the trace's; the others are the setup's.
Options OptionsOf(const Trace& trace, const WorldSetup& setup) {
  Random random(setup.options_seed != 0 ? setup.options_seed : trace.seed);
  Options o = RandomOptions(random);
  o.compact_threads = 1;  // one thread, as the simulation promises
  o.query_threads = 1;
  o.identity_window_us = std::array<std::int64_t, 3>{20, 100, 250}[trace.seed % 3] * kDayUs;
  const WorldSetup::Engine engine = setup.engine;
  o.background_upkeep = engine == WorldSetup::Engine::kDatabaseInFlight;
  if (!o.background_upkeep) o.hot_bytes_max = 64u << 20;
  if (engine == WorldSetup::Engine::kDatabase) o.durability = Durability::kSync;
  if (o.background_upkeep) o.seal_bytes = 2000 + random.Below(20'000);
  o.disk_reserve_bytes = 0;
  return o;
}

}  // namespace

World::World(const Trace& trace, const WorldSetup& setup)
    : trace_(trace),
      setup_(setup),
      random_(trace.seed + 77 + setup.schedule_seed),
      options_(OptionsOf(trace, setup)),
      disk_(setup.real, setup.lies) {}

World::~World() { engine_.reset(); }

void World::Fail(const std::string& what) {
  if (failed()) return;
  report_.failure = what;
  if (next_ > 0 && next_ <= trace_.ops.size())
    report_.failure += "\n  at operation " + std::to_string(next_) + ": " +
                       Print(trace_.ops[next_ - 1]) + (job_ ? ", within " + Print(*job_) : "");
  report_.failure += "\n  " + Describe(options_);
}

WorldReport World::Run() {
  disk_.PlanFault(setup_.fault);
  // A cut at the very beginning hits the creation of the store.
  if (!trace_.ops.empty() && trace_.ops[0].kind == OpKind::kCut) Do(trace_.ops[next_++]);
  Reopen(0);
  // Names of all columns, for the questions; durable before anything else happens.
  while (!failed() && oracle_.size() == 0) {
    Send({TraceFact(0)}, -1);
    Job({OpKind::kSync});
    MoveOn();
  }
  while (next_ < trace_.ops.size() && !failed()) {
    if (setup_.schedule_seed != 0) Disturb();
    const Op op = trace_.ops[next_++];
    Do(op);
    MoveOn();
  }
  if (!failed()) Finish();
  return std::move(report_);
}

/// What follows each step: the answers that have come, and recovery if there was a cut.
void World::MoveOn() {
  if (failed()) return;
  if (!InFlight()) Collect();
  if (!failed() && (disk_.is_cut() || !unknown_.empty())) Recover();
}

/// Everything sent has an answer.
void World::Settle() {
  if (failed()) return;
  engine_->Drain();
  Collect();
  MoveOn();
}

bool World::Excused() const {
  return disk_.is_cut() || (setup_.fault.n != 0 && disk_.fired() && !is_excuse_used_);
}

/// Work between the operations, of which the answers must not tell anything.
void World::Disturb() {
  if (job_ || failed()) return;
  const std::uint64_t kind = random_.Below(20);
  if (kind < 3) Job({OpKind::kSeal});
  if (kind == 4) Job({OpKind::kCompact});
  if (kind == 5) Do({OpKind::kReopen, {static_cast<std::int64_t>(random_.Below(2))}});
}

void World::Do(const Op& op) {
  switch (op.kind) {
    case OpKind::kSend:
    case OpKind::kStamp: {
      std::vector<Fact> facts;
      const std::size_t first = op.kind == OpKind::kStamp ? 1 : 0;
      for (std::size_t i = first; i < op.numbers.size(); ++i)
        facts.push_back(TraceFact(op.numbers[i]));
      return Send(std::move(facts), op.kind == OpKind::kStamp ? op.Number(0) : -1);
    }
    case OpKind::kWrite:
      return engine_->WriteOne();
    case OpKind::kAdvance:
    case OpKind::kStep:
      Settle();
      if (op.kind == OpKind::kAdvance) return disk_.clock().Advance(op.Number(0) * kSecondUs);
      return disk_.clock().SetWall(disk_.clock().NowUs() + op.Number(0) * kSecondUs);
    case OpKind::kHold:
      return engine_->Hold();
    case OpKind::kRelease: {
      const std::string changed = engine_->Release();
      return Expect(changed.empty() || Excused(), changed);
    }
    case OpKind::kReopen:
      Settle();
      if (failed()) return;
      if (op.Number(0) == 1) {
        const Status closed = engine_->Close();
        Expect(closed.ok() || Excused(), "close: " + closed.ToString());
        if (closed.ok() && !disk_.is_cut()) durable_ = acknowledged_;
      }
      if (!disk_.is_cut()) Reopen(0);
      return;
    case OpKind::kCut:
      if (is_cut_planned_ || setup_.fault.n != 0) return;
      cut_ = {static_cast<std::uint64_t>(op.Number(0)) + 1, static_cast<int>(op.Number(1)),
              static_cast<std::uint64_t>(op.Number(2))};
      cut_again_ = static_cast<std::uint64_t>(op.Number(3));
      is_cut_planned_ = true;
      return disk_.PlanCut(cut_);
    case OpKind::kAsk: {
      Settle();
      if (!failed())
        report_.answers.push_back(Ask(TraceQuestion(op.Number(0), false), "", oracle_));
      if (!failed()) CheckFreezes();
      return;
    }
    default:
      return Job(op);
  }
}

// ---- batches

void World::Send(std::vector<Fact> facts, std::int64_t producer) {
  // What would be counted again (decision 0019): an event whose id was forgotten, if it has no time of its own, or a stamp.
  const auto is_forgotten = [&](const Fact& f) {
    const Fact* const known = oracle_.Find(f.customer, f.source, f.id);
    return known != nullptr && !known->HasId();
  };
  std::erase_if(facts, [&](const Fact& f) { return !f.time_given && is_forgotten(f); });
  if (facts.empty()) return;
  if (std::any_of(facts.begin(), facts.end(), is_forgotten)) producer = -1;
  Sent sent;
  sent.facts = std::move(facts);
  sent.producer = producer;
  for (const Fact& f : sent.facts) AddTo(&sent.batch, f);
  Submit(std::move(sent));
}

/// Of a producer's next batch.
ProducerStamp World::NextStamp(std::int64_t producer) {
  std::uint64_t last = 0;
  for (const StampedCommit& s : stamped_[producer]) last = std::max(last, s.sequence);
  for (const Sent& s : under_way_)
    if (s.producer == producer) last = std::max(last, s.batch.producer->sequence);
  return {"p" + std::to_string(producer), 1, last + 1};
}

void World::Submit(Sent sent) {
  // What is stored is sent again with the stamp that it has. (In interval mode others may get another one, since those before may be lost.)
  if (sent.producer >= 0 && !sent.was_stored) sent.batch.producer = NextStamp(sent.producer);
  const TimeUs now = disk_.clock().NowUs();
  for (Fact& f : sent.facts)
    if (!f.time_given) f.time = now;
  sent.ticket = engine_->Ingest(sent.batch);
  under_way_.push_back(std::move(sent));
}

/// Takes the answers that have come, in order.
void World::Collect() {
  while (!under_way_.empty() && under_way_.front().ticket->answer && !failed()) {
    Sent sent = std::move(under_way_.front());
    under_way_.pop_front();
    const Result<IngestReply>& answer = *sent.ticket->answer;
    if (answer) {
      Learn(sent, *answer);
      continue;
    }
    Expect(Excused() && answer.error().code() == StatusCode::kIoError,
           "ingest: " + answer.error().ToString());
    unknown_.push_back(std::move(sent));
  }
}

/// A batch was answered.
void World::Learn(const Sent& sent, const IngestReply& reply) {
  acknowledged_ = std::max({acknowledged_, reply.seq, sent.ticket->commit});
  acknowledged_rows_ = std::max(acknowledged_rows_, reply.seq);
  if (options_.durability == Durability::kSync) durable_ = std::max(durable_, acknowledged_);
  if (reply.replayed) {
    Expect(sent.was_stored && reply.outcomes == sent.expected,
           "a producer's batch is answered from a reply that it never got");
    return;
  }
  Expect(!sent.was_stored || sent.producer < 0, "a stored batch of a producer is not known");
  if (sent.producer >= 0) {
    stamped_[sent.producer].push_back(
        {sent.batch.producer->sequence, std::max(reply.seq, sent.ticket->commit)});
  }
  const std::vector<Outcome> expected =
      oracle_.Ingest(sent.facts, reply.seq, sent.producer >= 0, reply.outcomes);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (reply.outcomes.at(i) == expected[i]) continue;
    Fail("event " + sent.facts[i].id + " has outcome " +
         std::to_string(static_cast<int>(reply.outcomes[i])) + ", expected " +
         std::to_string(static_cast<int>(expected[i])));
  }
}

// ---- jobs

/// Called by a merge now and then: one of the operations that the trace has within it.
void World::DoWithin() {
  if (within_left_ == 0 || is_within_ || disk_.is_cut() || failed()) return;
  if (next_ == trace_.ops.size() || !MayBeWithin(trace_.ops[next_].kind)) return;
  --within_left_;
  is_within_ = true;
  ++report_.within;
  const Op op = trace_.ops[next_++];
  if (IsJob(op.kind)) {
    JobWithin(op);
  } else {
    Do(op);
  }
  if (!InFlight()) Collect();
  is_within_ = false;
}

/// A job within a job: if it is interrupted, it is what must be done again (a merge need not be).
void World::JobWithin(const Op& op) {
  if (op.kind == OpKind::kErase) {
    engine_->Drain();
    Collect();
    if (failed() || !unknown_.empty() || disk_.is_cut()) return;
  }
  const Status status = Apply(op);
  if (status.ok() && !disk_.is_cut()) return Note(op);
  Expect(Excused(), Print(op) + ": " + status.ToString());
  if (op.kind == OpKind::kErase) inner_job_ = op;
}

void World::Job(const Op& op) {
  if (op.kind != OpKind::kSeal && op.kind != OpKind::kMerge) Settle();
  if (failed()) return;
  job_ = op;
  const bool is_merge = op.kind == OpKind::kMerge || op.kind == OpKind::kCompact;
  within_left_ = is_merge ? static_cast<std::size_t>(op.Number(0)) : 0;
  const Status status = Apply(op);
  within_left_ = 0;
  if (status.ok() && !inner_job_ && !disk_.is_cut()) {
    job_.reset();
    return Note(op);
  }
  ++report_.jobs_interrupted;
  Expect(Excused(), Print(op) + ": " + status.ToString());
  if (inner_job_) job_ = inner_job_;
  inner_job_.reset();
  if (failed() || disk_.is_cut()) return;  // MoveOn recovers
  // A failed operation: the job is done again, on this store if that can be.
  is_excuse_used_ = !setup_.fault.persistent;
  const Op again = *job_;
  if (setup_.fault.persistent || !Apply(again).ok()) return Recover();
  job_.reset();
  Note(again);
}

/// Does it to the store. OK also if there was nothing to do.
Status World::Apply(const Op& op) {
  const Within within = [this] { DoWithin(); };
  const auto or_ok = [](const Status& status, StatusCode code) {
    return status.code() == code ? Status() : status;
  };
  switch (op.kind) {
    case OpKind::kSync:
      return engine_->Sync();
    case OpKind::kSeal:
      return engine_->Seal();
    case OpKind::kMerge:
      return engine_->Merge(within);
    case OpKind::kCompact:
      return engine_->Compact(within);
    case OpKind::kRetain:
      return engine_->Retain();
    case OpKind::kArchive:
      return is_detached_ ? Status()
                          : engine_->Archive(
                                {.before = TraceTime(op.Number(0)), .drop_ids = op.Number(1) == 1});
    case OpKind::kDetach:
      return is_detached_ || engine_->is_detached() ? Status() : ApplyDetach();
    case OpKind::kAttach:
      return engine_->is_detached() ? engine_->Attach() : Status();
    case OpKind::kPolicy:
      return or_ok(engine_->SetRetention(TracePolicy(op.Number(0))), StatusCode::kInvalidArgument);
    case OpKind::kClass:
    case OpKind::kErase: {
      const std::string customer = TraceCustomer(op.Number(0));
      const Status status = op.kind == OpKind::kErase
                                ? engine_->Erase(customer)
                                : engine_->SetClass(customer, op.Number(1) == 1 ? "free" : "");
      is_customer_known_ = status.ok();
      return or_ok(status, StatusCode::kNotFound);
    }
    case OpKind::kFreeze:
      return engine_->Freeze("f" + std::to_string(op.Number(0)));
    case OpKind::kThaw:
      return engine_->DropFreeze("f" + std::to_string(op.Number(0)));
    case OpKind::kFinish:
      if (is_detached_) return {};
      disk_.EmptyQuarantine();
      return engine_->FinishErasures();
    default:
      return {};
  }
}

Status World::ApplyDetach() {
  const Status status = engine_->Detach();
  if (status.code() == StatusCode::kNotFound) return {};
  const bool may = oracle_.MayDetach(disk_.clock().NowUs(), options_.identity_window_us);
  if (status.code() == StatusCode::kConflict) {
    // Rows of an erased customer lie in the folder until that is done, and the oracle has forgotten them.
    Expect(!may || has_erased_, "detach: " + status.ToString());
    return {};
  }
  Expect(may || !status.ok(), "the archive was detached while its ids are needed");
  return status;
}

/// It was done: the oracle's side.
void World::Note(const Op& op) {
  if (op.kind == OpKind::kSync) durable_ = acknowledged_;
  // What seals makes the rows durable; a commit without rows may have to wait for the next sync.
  if (op.kind == OpKind::kSeal || op.kind == OpKind::kCompact || op.kind == OpKind::kFreeze)
    durable_ = std::max(durable_, acknowledged_rows_);
  const TimeUs now = disk_.clock().NowUs();
  switch (op.kind) {
    case OpKind::kRetain:
      return oracle_.Retain(policy_, now, options_.identity_window_us, !is_detached_);
    case OpKind::kArchive:
      if (!is_detached_)
        oracle_.Archive({.before = TraceTime(op.Number(0)), .drop_ids = op.Number(1) == 1}, now,
                        options_.identity_window_us);
      return;
    case OpKind::kDetach:
    case OpKind::kAttach: {
      const bool was = is_detached_;
      is_detached_ = engine_->is_detached();
      if (is_detached_ && !was) oracle_.Detach();
      if (was && !is_detached_) oracle_.Attach();
      return;
    }
    case OpKind::kPolicy: {
      const RetentionPolicy policy = TracePolicy(op.Number(0));
      const Result<RetentionPolicy> now_is = engine_->Retention();
      if (now_is && *now_is == policy) policy_ = policy;  // else its steps contradict each other
      return;
    }
    case OpKind::kClass:
      if (is_customer_known_)
        oracle_.SetClass(TraceCustomer(op.Number(0)), op.Number(1) == 1 ? "free" : "");
      return;
    case OpKind::kErase: {
      has_erased_ = has_erased_ || is_customer_known_;
      const std::size_t events = oracle_.Erase(TraceCustomer(op.Number(0)));
      return Expect(events == 0 || is_customer_known_, "the store does not know a customer");
    }
    case OpKind::kFinish:
      if (!is_detached_) oracle_.FinishErasures();
      return;
    case OpKind::kFreeze:
    case OpKind::kThaw: {
      const std::string name = "f" + std::to_string(op.Number(0));
      const auto there = engine_->Freezes();
      const auto known = freezes_.find(name);
      if (op.kind == OpKind::kFreeze && known != freezes_.end())
        return Expect(there.contains(name) && there.at(name) == known->second, "a freeze moved");
      freezes_.erase(name);
      if (op.kind == OpKind::kFreeze && there.contains(name)) freezes_[name] = there.at(name);
      return;
    }
    default:
      return;
  }
}

WorldReport Play(const Trace& trace, const WorldSetup& setup) { return World(trace, setup).Run(); }

}  // namespace quipu
