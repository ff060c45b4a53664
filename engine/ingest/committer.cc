#include "ingest/committer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "ingest/batch_view.h"
#include "ingest/row_collector.h"
#include "ingest/validate.h"

namespace quipu {
namespace {

constexpr std::size_t kProblemsReportedMax = 100;
constexpr std::size_t kPendingNamesMax = 1'000'000;
constexpr std::size_t kProblemsInMessageMax = 3;
constexpr std::chrono::microseconds kShortestWait(
    100);  // for the next interval sync: no busy loop on a rounded clock

std::string DescribeProblems(const std::vector<EventProblem>& problems, std::size_t total) {
  std::string text = "batch refused, nothing of it was stored: ";
  for (std::size_t i = 0; i < problems.size() && i < kProblemsInMessageMax; ++i) {
    const EventProblem& p = problems[i];
    if (i > 0) text += "; ";
    text += "event " + std::to_string(p.index) + ": " + p.field + " " + p.message;
  }
  if (total > kProblemsInMessageMax) {
    text += "; and " + std::to_string(total - kProblemsInMessageMax) + " more";
  }
  return text;
}

ProducerState FreshProducer(std::uint64_t epoch) {
  ProducerState state;
  state.epoch = epoch;
  return state;
}

/// Events of this time and later are refused.
TimeUs TimeBound(TimeUs now, std::int64_t future_bound_us) {
  if (future_bound_us < 0 || future_bound_us > kTimeMax - now) return kTimeMax;
  return now + future_bound_us;
}

/// A batch whose names may not fit is refused by itself, before it adds a row: Intern failing half way would fail the group.
Status CheckNamesFit(const EventRows& rows, const Catalogue& catalogue) {
  constexpr std::array<const char*, kNameKinds> kWhat = {"customers", "services", "dimension names",
                                                         "measure names"};
  constexpr std::array<EventRows::Role, kNameKinds> kRoles = {
      EventRows::kCustomer, EventRows::kService, EventRows::kDimensionName,
      EventRows::kMeasureName};
  for (std::size_t k = 0; k < kNameKinds; ++k) {
    const auto kind = static_cast<NameKind>(k);
    const std::uint64_t room = NamesMax(kind) - catalogue.size(kind);
    if (rows.entries().size() <= room) continue;
    std::uint64_t added = 0;
    for (std::size_t e = 0; e < rows.entries().size(); ++e) {
      if (rows.entries()[e].role == kRoles[k] && !catalogue.Find(kind, rows.EntryText(e))) ++added;
    }
    if (added <= room) continue;
    return Status::Exhausted(
        "batch refused, nothing of it was stored: with its new ones the store would have more "
        "than " +
        std::to_string(NamesMax(kind)) + " " + kWhat[k] +
        "; put what varies into values instead of names");
  }
  return {};
}

}  // namespace

/// One request's part in a group commit.
struct Committer::Member {
  Status status;  // of a refused batch
  IngestReply reply;
  std::vector<std::uint32_t> positions;  // index in the batch of each of its rows in `rows`
  std::size_t first_row = 0;             // of its rows in `rows`
  bool settled = false;                  // refused or replayed: has no rows
  std::optional<std::size_t>
      repeats;  // an earlier request of this group with the same stamp: same reply
  void Refuse(Status why) {
    status = std::move(why);
    settled = true;
    positions.clear();
  }
};

/// One group commit in the making.
struct Committer::Group {
  Group(Catalogue* catalogue, KvBatch* new_names) : collector(catalogue, new_names) {}

  std::vector<Request> requests;
  std::vector<Member> members;
  CommitRequest commit;
  std::map<std::string, ProducerState> producers;  // as they will be after this group
  RowCollector collector;
  RowBatch rows;                    // candidates, before dedupe
  std::vector<std::uint8_t> facts;  // RowFact, per row of `rows`
};

Committer::Committer(Store* store, std::uint64_t random_seed)
    : store_(store), random_(random_seed), dedupe_(*store->view()) {
  last_sync_us_ = store_->clock()->MonotonicUs();
  hot_full_.store(store_->view()->hot_bytes() > store_->options().hot_bytes_max);
  thread_ = std::thread([this] { Run(); });
}

Committer::~Committer() {
  if (Status s = Stop(); !s.ok()) store_->Log(LogLevel::kError, "stopping ingest: " + s.ToString());
}

Status Committer::Submit(EventBatch batch, IngestDone done) {
  Request request;
  request.owned = std::move(batch);
  request.done = std::move(done);
  return Enqueue(std::move(request));
}

Result<IngestReply> Committer::SubmitAndWait(const EventBatch& batch) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<Result<IngestReply>> answer;
  Request request;
  request.batch = &batch;
  request.done = [&](Result<IngestReply> reply) {
    const std::lock_guard lock(mutex);
    answer.emplace(std::move(reply));
    answered.notify_one();
  };
  QUIPU_TRY(Enqueue(std::move(request)));
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return answer.has_value(); });
  return std::move(*answer);
}

Status Committer::Enqueue(Request request) {
  const EventBatch& events = request.events();
  if (events.empty()) return Status::InvalidArgument("the batch has no events");
  if (events.size() > kBatchEventsMax || events.bytes() > kBatchBytesMax) {
    return Status::InvalidArgument("the batch is too large (" + std::to_string(events.size()) +
                                   " events, " + std::to_string(events.bytes()) +
                                   " bytes); at most 65536 events and 64 MiB");
  }
  request.bytes = events.bytes();
  QUIPU_TRY(store_->CheckDiskFor(request.bytes));
  std::unique_lock lock(mutex_);
  if (!HasRoom(request.bytes)) QUIPU_TRY(WaitForRoom(lock, request.bytes));
  queued_bytes_ += request.bytes;
  const bool was_empty = queue_.empty();
  queue_.push_back(std::move(request));
  lock.unlock();
  if (was_empty) work_.notify_one();  // else the committer is busy, or woken already
  return {};
}

/// The usual case, without asking anyone but this object.
bool Committer::HasRoom(std::size_t bytes) const {
  return !stopping_ && !store_->has_failed() && !hot_full_.load(std::memory_order_relaxed) &&
         (queued_bytes_ == 0 || queued_bytes_ + bytes <= store_->options().queue_bytes_max);
}

Status Committer::WaitForRoom(std::unique_lock<std::mutex>& lock, std::size_t bytes) {
  const Options& options = store_->options();
  Clock* clock = store_->clock();
  const std::int64_t deadline =
      clock->MonotonicUs() + std::int64_t{options.ingest_wait_ms_max} * 1000;
  for (;;) {
    if (stopping_) return Status::Cancelled("the store is being closed");
    QUIPU_TRY(store_->write_error());
    // A batch larger than the whole queue may pass when it is alone.
    const bool queue_full = queued_bytes_ > 0 && queued_bytes_ + bytes > options.queue_bytes_max;
    const ViewPtr view = store_->view();
    const bool hot_full = view->hot_bytes() > options.hot_bytes_max;
    hot_full_.store(hot_full, std::memory_order_relaxed);
    if (!queue_full && !hot_full) return {};
    if (clock->MonotonicUs() >= deadline) {
      return Status::Exhausted(std::string(hot_full ? "sealing" : "committing") +
                               " has not kept up for " +
                               std::to_string(options.ingest_wait_ms_max) +
                               " ms; nothing of the batch was stored, send it again later");
    }
    if (hot_full) {  // sealing changes the view, not the queue
      lock.unlock();
      store_->WaitForChange(view.get(), 20'000);
      lock.lock();
    } else {
      room_.wait_for(lock, std::chrono::milliseconds(20));
    }
  }
}

Status Committer::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    room_.notify_all();
  }
  if (!thread_.joinable()) return {};
  thread_.join();
  return unsynced_ ? store_->SyncNow() : Status();
}

Status Committer::RunBetweenCommits(const std::function<Status(KvBatch* names)>& task) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<Status> answer;
  const auto run = [&] {
    Status status = task(&pending_names_);
    const std::lock_guard lock(mutex);
    answer = std::move(status);
    answered.notify_one();
  };
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Status::Cancelled("the store is being closed");
    tasks_.emplace_back(run);
    work_.notify_one();
  }
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return answer.has_value(); });
  return std::move(*answer);
}

void Committer::Run() {
  for (;;) {
    std::vector<Request> requests = TakeGroup();
    RunTasks();
    if (!requests.empty()) {
      CommitGroup(std::move(requests));
      SyncIfDue();
      continue;
    }
    const std::lock_guard lock(mutex_);
    if (stopping_ && queue_.empty() && tasks_.empty()) return;
  }
}

void Committer::RunTasks() {
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const std::function<void()>& task : tasks) task();
}

/// Waits until the backlog has something, taking all that has been queued at once; false if there are only tasks, or if it is time to stop.
bool Committer::FillBacklog() {
  if (!backlog_.empty()) return true;
  const auto interval = std::chrono::milliseconds(store_->options().sync_interval_ms);
  std::vector<Request> taken;
  std::unique_lock lock(mutex_);
  while (queue_.empty() && tasks_.empty() && !stopping_) {
    if (unsynced_ &&
        store_->write_error()
            .ok()) {  // interval mode: the last commits must not wait for the next ones
      const std::chrono::microseconds since(store_->clock()->MonotonicUs() - last_sync_us_);
      work_.wait_for(lock, std::clamp<std::chrono::microseconds>(
                               interval - since, kShortestWait,
                               std::max<std::chrono::microseconds>(interval, kShortestWait)));
      lock.unlock();
      SyncIfDue();
      lock.lock();
    } else {
      work_.wait(lock);
    }
  }
  taken.swap(queue_);
  lock.unlock();
  for (Request& request : taken) backlog_.push_back(std::move(request));
  return !backlog_.empty();
}

/// Waits for work; none if there are only tasks, or if it is time to stop.
std::vector<Committer::Request> Committer::TakeGroup() {
  std::vector<Request> taken;
  if (!FillBacklog()) return taken;
  std::size_t bytes = 0;
  std::size_t events = 0;
  while (!backlog_.empty()) {
    const Request& next = backlog_.front();
    const bool fits = bytes + next.bytes <= store_->options().commit_bytes_max &&
                      events + next.events().size() <= kBatchEventsMax;
    if (!taken.empty() && !fits) break;
    bytes += next.bytes;
    events += next.events().size();
    taken.push_back(std::move(backlog_.front()));
    backlog_.pop_front();
  }
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_ -= bytes;
  }
  room_.notify_all();
  return taken;
}

void Committer::SyncIfDue() {
  if (!unsynced_ || !store_->write_error().ok()) return;
  const std::int64_t now = store_->clock()->MonotonicUs();
  if (now - last_sync_us_ < std::int64_t{store_->options().sync_interval_ms} * 1000) return;
  if (Status s = store_->SyncNow(); !s.ok()) {
    store_->Log(LogLevel::kError, "interval sync: " + s.ToString());
    return;  // still unsynced: Stop reports it
  }
  unsynced_ = false;
  last_sync_us_ = now;
}

void Committer::CommitGroup(std::vector<Request> requests) {
  Group group(&store_->catalogue(), &pending_names_);
  group.requests = std::move(requests);
  group.members.resize(group.requests.size());
  Status status = store_->write_error();
  if (status.ok() && pending_names_.ops().size() > kPendingNamesMax) {
    // Commits have been failing (a damaged segment): more new names must not pile up in memory.
    status = Status::Exhausted("commits have failed too often; see the log and reopen the store");
  }
  if (status.ok()) status = Prepare(&group);
  if (status.ok()) status = CheckAndCommit(&group);
  // Before the replies: who has one must find the hot tier as full as it is.
  hot_full_.store(store_->view()->hot_bytes() > store_->options().hot_bytes_max,
                  std::memory_order_relaxed);
  for (Member& member : group.members) {
    if (!member.repeats || !status.ok()) continue;
    member.reply = group.members[*member.repeats].reply;
    member.reply.replayed = true;
  }
  for (std::size_t r = 0; r < group.requests.size(); ++r) {
    Member& member = group.members[r];
    const Status& failure = member.status.ok() ? status : member.status;
    if (failure.ok() || (member.reply.replayed && member.status.ok())) {
      group.requests[r].done(std::move(member.reply));
    } else {
      group.requests[r].done(failure);
    }
  }
}

Status Committer::Prepare(Group* group) {
  for (std::size_t r = 0; r < group->requests.size(); ++r) {
    Member& member = group->members[r];
    bool replayed = false;
    member.status = CheckProducer(group, r, &replayed);
    member.settled = !member.status.ok() || replayed;
    if (!member.settled) QUIPU_TRY(PrepareBatch(group, r));
  }
  group->rows = group->collector.Finish();
  return {};
}

Status Committer::CheckProducer(Group* group, std::size_t request, bool* replayed) {
  const auto& stamp = group->requests[request].events().producer;
  if (!stamp) return {};
  if (stamp->id.empty() || stamp->id.size() > kNameBytesMax || stamp->sequence == 0) {
    return Status::InvalidArgument(
        "a producer needs an id of 1 to 256 bytes and sequences from 1 on");
  }
  auto it = group->producers.find(stamp->id);
  if (it == group->producers.end()) {
    QUIPU_TRY_ASSIGN(std::optional<ProducerState> stored, store_->Producer(stamp->id));
    it = group->producers.emplace(stamp->id, stored.value_or(ProducerState())).first;
  }
  ProducerState& state = it->second;
  const std::string who = "producer " + stamp->id + ": ";
  if (stamp->epoch < state.epoch) {
    return Status::Conflict(who + "epoch " + std::to_string(stamp->epoch) + " is fenced by epoch " +
                            std::to_string(state.epoch));
  }
  if (stamp->epoch > state.epoch) {
    if (stamp->sequence != 1) return Status::Conflict(who + "a new epoch starts at sequence 1");
    return {};
  }
  if (stamp->sequence == state.last_sequence + 1) return {};
  if (stamp->sequence > state.last_sequence) {
    return Status::Conflict(who + "sequence " + std::to_string(stamp->sequence) +
                            " leaves a gap after " + std::to_string(state.last_sequence) +
                            "; send the missing batches first");
  }
  const std::uint64_t content = BatchView(group->requests[request].events()).ContentHash();
  const Status differs = Status::Conflict(
      who + "sequence " + std::to_string(stamp->sequence) +
      " was used for a batch with other content; count on, or start a higher epoch");
  if (const auto earlier = FindSameStamp(*group, request)) {
    if (BatchView(group->requests[*earlier].events()).ContentHash() != content) return differs;
    group->members[request].repeats = earlier;
    *replayed = true;
    return {};
  }
  for (const ProducerState::Reply& reply : state.replies) {
    if (reply.sequence != stamp->sequence) continue;
    if (reply.content != content) return differs;
    IngestReply& answer = group->members[request].reply;
    answer.seq = reply.seq;
    for (const std::uint8_t o : reply.outcomes) answer.outcomes.push_back(static_cast<Outcome>(o));
    for (const auto& [index, id] : reply.generated_ids) answer.generated_ids.push_back({index, id});
    answer.replayed = true;
    *replayed = true;
    return {};
  }
  return Status::Conflict(
      who + "sequence " + std::to_string(stamp->sequence) +
      " is older than the stored replies; its events may be sent again without the stamp");
}

/// An earlier batch of the group with the same stamp, to be committed with it: a retry that overtook the reply.
std::optional<std::size_t> Committer::FindSameStamp(const Group& group, std::size_t request) {
  const ProducerStamp& stamp = *group.requests[request].events().producer;
  for (std::size_t r = 0; r < request; ++r) {
    const auto& other = group.requests[r].events().producer;
    if (group.members[r].settled || !other || other->sequence != stamp.sequence) continue;
    if (other->epoch == stamp.epoch && other->id == stamp.id) return r;
  }
  return std::nullopt;
}

/// The answers of Validate: fills outcomes and problems, and the positions of the valid events.
std::size_t Committer::ValidateBatch(const BatchView& batch, TimeUs now, Member* member) {
  const TimeUs time_bound = TimeBound(now, store_->options().future_bound_us);
  IngestReply& reply = member->reply;
  reply.outcomes.assign(batch.size(), Outcome::kAccepted);
  member->positions.resize(batch.size());
  std::iota(member->positions.begin(), member->positions.end(), 0u);
  if (IsAllValid(batch.rows(), time_bound)) return 0;
  member->positions.clear();
  std::size_t invalid = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto problem = Validate(batch, i, time_bound);
    if (!problem) {
      member->positions.push_back(static_cast<std::uint32_t>(i));
      continue;
    }
    ++invalid;
    reply.outcomes[i] = Outcome::kInvalid;
    if (reply.problems.size() < kProblemsReportedMax) reply.problems.push_back(std::move(*problem));
  }
  return invalid;
}

/// Validates one batch and adds its valid events to the candidates. A refused batch adds nothing.
Status Committer::PrepareBatch(Group* group, std::size_t request) {
  Member& member = group->members[request];
  const EventBatch& events = group->requests[request].events();
  const BatchView batch(events);
  const TimeUs now = store_->clock()->NowUs();
  const std::size_t invalid = ValidateBatch(batch, now, &member);
  if (invalid > 0 && !events.partial) {
    member.Refuse(Status::InvalidArgument(DescribeProblems(member.reply.problems, invalid)));
    return {};
  }
  if (Status fits = CheckNamesFit(batch.rows(), store_->catalogue()); !fits.ok()) {
    member.Refuse(std::move(fits));
    return {};
  }
  member.first_row = group->collector.size();
  std::vector<std::string> generated_ids;
  for (const std::uint32_t i : member.positions) {
    const EventRows::Row& row = batch.rows().rows()[i];
    group->facts.push_back(static_cast<std::uint8_t>((row.has_time ? kTimeGiven : 0) |
                                                     (row.id_length == 0 ? kIdGenerated : 0) |
                                                     (events.producer ? kStamped : 0)));
    if (row.id_length != 0) continue;
    generated_ids.push_back(MakeUuidV7(now, random_));
    member.reply.generated_ids.push_back({i, generated_ids.back()});
  }
  QUIPU_TRY(group->collector.Add(batch.rows(), {member.positions, generated_ids, now}));
  if (events.producer) {  // later batches of the same producer in this group build on it
    ProducerState& state = group->producers[events.producer->id];
    if (events.producer->epoch > state.epoch) state = FreshProducer(events.producer->epoch);
    state.last_sequence = events.producer->sequence;
  }
  return {};
}

Status Committer::CheckAndCommit(Group* group) {
  const ViewPtr view = store_->view();
  dedupe_.Forget(*view);
  const bool checks = store_->options().check_identities;
  std::vector<Outcome> outcomes(group->rows.size(), Outcome::kAccepted);
  if (checks) {
    const TimeUs late_before =
        LateBefore(store_->clock()->NowUs(), store_->options().late_bound_us);
    QUIPU_TRY_ASSIGN(outcomes, dedupe_.Check(*view, group->facts, late_before, &group->rows));
  }
  std::vector<RowRef> kept;
  for (std::uint32_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i] == Outcome::kAccepted) kept.push_back({0, i});
  }
  for (Member& member : group->members) {
    for (std::size_t k = 0; k < member.positions.size(); ++k) {
      member.reply.outcomes[member.positions[k]] = outcomes[member.first_row + k];
    }
  }
  if (kept.size() == outcomes.size()) {
    group->commit.rows = std::move(group->rows);
  } else if (!kept.empty()) {
    const RowBatch* const source = &group->rows;
    group->commit.rows = Gather({&source, 1}, kept);
  }
  const bool stamped =
      std::any_of(group->members.begin(), group->members.end(), [&](const Member& m) {
        return !m.settled && group->requests[static_cast<std::size_t>(&m - group->members.data())]
                                 .events()
                                 .producer;
      });
  if (kept.empty() && !stamped) return {};  // nothing but duplicates: nothing to make durable
  RecordProducers(group, view->as_of + 1);
  group->commit.sync = store_->options().durability == Durability::kSync;
  group->commit.extra = pending_names_;
  const std::vector<Hash128> identities =
      group->commit.rows.identities;  // the store takes the rows
  QUIPU_TRY_ASSIGN(const CommitResult done, store_->Commit(std::move(group->commit)));
  QUIPU_CHECK(done.seq == view->as_of + 1);  // only this thread commits
  pending_names_ = {};
  unsynced_ = unsynced_ || store_->options().durability != Durability::kSync;
  if (checks) dedupe_.Remember(identities, done.first_row);
  for (Member& member : group->members) {
    if (!member.settled && member.reply.Count(Outcome::kAccepted) > 0) member.reply.seq = done.seq;
  }
  return {};
}

/// The replies that a replay will be given, in the same durable write as the events.
void Committer::RecordProducers(Group* group, std::uint64_t seq) {
  std::set<std::string> changed;  // a refused batch leaves no trace of its producer
  for (std::size_t r = 0; r < group->requests.size(); ++r) {
    const auto& stamp = group->requests[r].events().producer;
    const Member& member = group->members[r];
    if (!stamp || member.settled) continue;
    changed.insert(stamp->id);
    ProducerState& state = group->producers[stamp->id];
    if (stamp->epoch != state.epoch) continue;  // fenced by a later batch of this group
    ProducerState::Reply reply;
    reply.sequence = stamp->sequence;
    reply.seq = member.reply.Count(Outcome::kAccepted) > 0 ? seq : 0;
    reply.content = BatchView(group->requests[r].events()).ContentHash();
    for (const Outcome o : member.reply.outcomes)
      reply.outcomes.push_back(static_cast<std::uint8_t>(o));
    for (const GeneratedId& g : member.reply.generated_ids) {
      reply.generated_ids.emplace_back(static_cast<std::uint32_t>(g.index), g.id);
    }
    state.replies.push_back(std::move(reply));
    if (state.replies.size() > ProducerState::kRepliesKept)
      state.replies.erase(state.replies.begin());
  }
  for (const std::string& id : changed)
    group->commit.producers.emplace_back(id, std::move(group->producers[id]));
}

}  // namespace quipu
