#include "ingest/group_preparer.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <utility>

#include "base/check.h"
#include "ingest/batch_view.h"
#include "ingest/validate.h"

namespace quipu {
namespace {

constexpr std::size_t kProblemsReportedMax = 100;
constexpr std::size_t kPendingNamesMax = 1'000'000;
constexpr std::size_t kProblemsInMessageMax = 3;

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

/// What a batch of few events costs is mostly waiting for the memory of another thread.
void PrefetchAhead(const CommitGroup& group, std::size_t request) {
  constexpr std::size_t kContentsAhead = 2, kSelfAhead = 4;
  const std::size_t end = group.requests.size();
  if (request + kSelfAhead < end)
    BatchView(group.requests[request + kSelfAhead].events()).rows().PrefetchSelf();
  if (request + kContentsAhead < end)
    BatchView(group.requests[request + kContentsAhead].events()).rows().PrefetchContents();
}

/// An earlier batch of the group with the same stamp, to be committed with it: a retry that overtook the reply.
std::optional<std::size_t> FindSameStamp(const CommitGroup& group, std::size_t request) {
  const ProducerStamp& stamp = *group.requests[request].events().producer;
  for (std::size_t r = 0; r < request; ++r) {
    const auto& other = group.requests[r].events().producer;
    if (group.members[r].settled || !other || other->sequence != stamp.sequence) continue;
    if (other->epoch == stamp.epoch && other->id == stamp.id) return r;
  }
  return std::nullopt;
}

}  // namespace

/// What is known of a group while its commit is made.
struct GroupPreparer::Draft {
  CommitGroup* group;
  TimeUs now;
  Producers producers;              // as they will be after the group
  RowBatch rows;                    // candidates, then those that are accepted
  std::vector<std::uint8_t> facts;  // RowFact, per candidate

  [[nodiscard]] bool IsAnyStamped() const {
    for (std::size_t r = 0; r < group->requests.size(); ++r) {
      if (!group->members[r].settled && group->requests[r].events().producer) return true;
    }
    return false;
  }
};

GroupPreparer::GroupPreparer(Store* store, std::uint64_t random_seed)
    : store_(store),
      random_(random_seed),
      dedupe_(*store->view()),
      collector_(&store->catalogue(), &pending_names_) {}

void GroupPreparer::Prepare(CommitGroup* group) {
  group->members.resize(group->requests.size());
  Draft draft{group, store_->clock()->NowUs(), {}, {}, {}};
  group->status = store_->write_error();
  if (group->status.ok() && pending_names_.ops().size() > kPendingNamesMax) {
    // Commits have been failing (a damaged segment): more new names must not pile up in memory.
    group->status =
        Status::Exhausted("commits have failed too often; see the log and reopen the store");
  }
  if (!group->status.ok()) return;
  UpdateStored();
  group->status = PrepareBatches(&draft);
  if (group->status.ok()) group->status = CheckRows(&draft);
  if (group->status.ok() && (!draft.rows.empty() || draft.IsAnyStamped()))
    group->status = MakeCommit(&draft);
  stored_ = {};  // or files that it shows could not be removed
  if (!group->status.ok()) return;
  for (GroupMember& member : group->members) {
    if (!member.repeats) continue;
    member.reply = group->members[*member.repeats].reply;
    member.reply.replayed = true;
  }
}

void GroupPreparer::ForgetWritten(std::uint64_t as_of) {
  while (!under_way_.empty() && under_way_.front().seq <= as_of) under_way_.pop_front();
}

void GroupPreparer::UpdateStored() {
  stored_.view = store_->view();
  ForgetWritten(stored_.view->as_of);
  stored_.next_row = stored_.view->next_row;
  next_seq_ = stored_.view->as_of + 1;
  for (const UnderWay& commit : under_way_) {
    next_seq_ = commit.seq + 1;
    if (!commit.hot) continue;
    stored_.under_way.push_back(commit.hot);
    stored_.next_row = commit.hot->first_row + commit.hot->rows.size();
  }
}

Status GroupPreparer::PrepareBatches(Draft* draft) {
  Status status;
  for (std::size_t r = 0; status.ok() && r < draft->group->requests.size(); ++r) {
    PrefetchAhead(*draft->group, r);
    GroupMember& member = draft->group->members[r];
    bool replayed = false;
    member.status = CheckProducer(draft, r, &replayed);
    member.settled = !member.status.ok() || replayed;
    if (!member.settled) status = PrepareBatch(draft, r);
  }
  draft->rows = collector_.Finish();
  return status;
}

/// The state after everything that is stored or under way.
Result<ProducerState> GroupPreparer::FindProducer(const std::string& id) const {
  for (auto commit = under_way_.rbegin(); commit != under_way_.rend(); ++commit) {
    const auto found = commit->producers.find(id);
    if (found != commit->producers.end()) return found->second;
  }
  QUIPU_TRY_ASSIGN(std::optional<ProducerState> stored, store_->Producer(id));
  return std::move(stored).value_or(ProducerState());
}

Status GroupPreparer::CheckProducer(Draft* draft, std::size_t request, bool* replayed) {
  const auto& stamp = draft->group->requests[request].events().producer;
  if (!stamp) return {};
  if (stamp->id.empty() || stamp->id.size() > kNameBytesMax || stamp->sequence == 0) {
    return Status::InvalidArgument(
        "a producer needs an id of 1 to 256 bytes and sequences from 1 on");
  }
  auto it = draft->producers.find(stamp->id);
  if (it == draft->producers.end()) {
    QUIPU_TRY_ASSIGN(ProducerState known, FindProducer(stamp->id));
    it = draft->producers.emplace(stamp->id, std::move(known)).first;
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
  const std::uint64_t content = BatchView(draft->group->requests[request].events()).ContentHash();
  const Status differs = Status::Conflict(
      who + "sequence " + std::to_string(stamp->sequence) +
      " was used for a batch with other content; count on, or start a higher epoch");
  if (const auto earlier = FindSameStamp(*draft->group, request)) {
    if (BatchView(draft->group->requests[*earlier].events()).ContentHash() != content)
      return differs;
    draft->group->members[request].repeats = earlier;
    *replayed = true;
    return {};
  }
  for (const ProducerState::Reply& reply : state.replies) {
    if (reply.sequence != stamp->sequence) continue;
    if (reply.content != content) return differs;
    IngestReply& answer = draft->group->members[request].reply;
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

/// The answers of Validate: fills outcomes and problems, and the positions of the valid events.
std::size_t GroupPreparer::ValidateBatch(const BatchView& batch, TimeUs now,
                                         GroupMember* member) const {
  const TimeUs time_bound = TimeBound(now, store_->options().future_bound_us);
  IngestReply& reply = member->reply;
  reply.outcomes.assign(batch.size(), Outcome::kAccepted);
  member->rows = batch.size();
  if (IsAllValid(batch.rows(), time_bound)) return 0;
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
  member->rows = member->positions.size();
  return invalid;
}

/// Which events of the member's batch are rows.
std::span<const std::uint32_t> GroupPreparer::PositionsOf(const GroupMember& member) {
  if (!member.positions.empty() || member.rows == 0) return member.positions;
  const std::size_t before = all_positions_.size();
  if (member.rows > before) {
    all_positions_.resize(member.rows);
    std::iota(all_positions_.begin() + static_cast<std::ptrdiff_t>(before), all_positions_.end(),
              static_cast<std::uint32_t>(before));
  }
  return std::span(all_positions_).first(member.rows);
}

/// Validates one batch and adds its valid events to the candidates. A refused batch adds nothing.
Status GroupPreparer::PrepareBatch(Draft* draft, std::size_t request) {
  GroupMember& member = draft->group->members[request];
  const EventBatch& events = draft->group->requests[request].events();
  const BatchView batch(events);
  const TimeUs now = draft->now;
  const std::size_t invalid = ValidateBatch(batch, now, &member);
  if (invalid > 0 && !events.partial) {
    member.Refuse(Status::InvalidArgument(DescribeProblems(member.reply.problems, invalid)));
    return {};
  }
  if (Status fits = CheckNamesFit(batch.rows(), store_->catalogue()); !fits.ok()) {
    member.Refuse(std::move(fits));
    return {};
  }
  member.first_row = collector_.size();
  std::vector<std::string> generated_ids;
  const std::span<const std::uint32_t> positions = PositionsOf(member);
  for (const std::uint32_t i : positions) {
    const EventRows::Row& row = batch.rows().rows()[i];
    draft->facts.push_back(static_cast<std::uint8_t>((row.has_time ? kTimeGiven : 0) |
                                                     (row.id_length == 0 ? kIdGenerated : 0) |
                                                     (events.producer ? kStamped : 0)));
    if (row.id_length != 0) continue;
    generated_ids.push_back(MakeUuidV7(now, random_));
    member.reply.generated_ids.push_back({i, generated_ids.back()});
  }
  QUIPU_TRY(collector_.Add(batch.rows(), {positions, generated_ids, now}));
  if (events.producer) {  // later batches of the same producer in this group build on it
    ProducerState& state = draft->producers[events.producer->id];
    if (events.producer->epoch > state.epoch) state = FreshProducer(events.producer->epoch);
    state.last_sequence = events.producer->sequence;
  }
  return {};
}

/// Settles the outcome of every event; what is not accepted leaves the rows.
Status GroupPreparer::CheckRows(Draft* draft) {
  if (!store_->options().check_identities) return {};
  const TimeUs late_before = LateBefore(draft->now, store_->options().late_bound_us);
  QUIPU_TRY_ASSIGN(const std::vector<Outcome> outcomes,
                   dedupe_.Check(stored_, draft->facts, late_before, &draft->rows));
  std::vector<std::uint32_t> refused;
  for (std::uint32_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i] != Outcome::kAccepted) refused.push_back(i);
  }
  if (refused.empty()) return {};
  for (GroupMember& member : draft->group->members) {
    if (member.settled) continue;
    for (std::size_t k = 0; k < member.rows; ++k)
      member.reply.outcomes[member.PositionOf(k)] = outcomes[member.first_row + k];
  }
  if (refused.size() < outcomes.size()) {
    RemoveRows(refused, &draft->rows);
  } else {
    draft->rows = {};
  }
  return {};
}

Status GroupPreparer::MakeCommit(Draft* draft) {
  CommitRequest request;
  Producers producers = RecordReplies(draft, next_seq_);
  request.producers.assign(producers.begin(), producers.end());
  request.rows = std::move(draft->rows);
  request.extra = std::move(pending_names_);
  request.sync = store_->options().durability == Durability::kSync;
  auto commit = store_->PrepareCommit(next_seq_, stored_.next_row, &request);
  pending_names_ = {};
  if (!commit) {
    pending_names_ = std::move(request.extra);
    if (store_->options().check_identities) dedupe_.Undo(request.rows.identities, stored_.next_row);
    return commit.error();
  }
  under_way_.push_back({commit->seq, commit->hot, std::move(producers)});
  for (GroupMember& member : draft->group->members) {
    if (!member.settled && member.reply.Count(Outcome::kAccepted) > 0)
      member.reply.seq = commit->seq;
  }
  draft->group->commit = *std::move(commit);
  return {};
}

/// The replies that a replay will be given, in the same durable write as the events.
GroupPreparer::Producers GroupPreparer::RecordReplies(Draft* draft, std::uint64_t seq) {
  std::set<std::string> changed;  // a refused batch leaves no trace of its producer
  for (std::size_t r = 0; r < draft->group->requests.size(); ++r) {
    const auto& stamp = draft->group->requests[r].events().producer;
    const GroupMember& member = draft->group->members[r];
    if (!stamp || member.settled) continue;
    changed.insert(stamp->id);
    ProducerState& state = draft->producers[stamp->id];
    if (stamp->epoch != state.epoch) continue;  // fenced by a later batch of this group
    ProducerState::Reply reply;
    reply.sequence = stamp->sequence;
    reply.seq = member.reply.Count(Outcome::kAccepted) > 0 ? seq : 0;
    reply.content = BatchView(draft->group->requests[r].events()).ContentHash();
    for (const Outcome o : member.reply.outcomes)
      reply.outcomes.push_back(static_cast<std::uint8_t>(o));
    for (const GeneratedId& g : member.reply.generated_ids) {
      reply.generated_ids.emplace_back(static_cast<std::uint32_t>(g.index), g.id);
    }
    state.replies.push_back(std::move(reply));
    if (state.replies.size() > ProducerState::kRepliesKept)
      state.replies.erase(state.replies.begin());
  }
  Producers states;
  for (const std::string& id : changed) states.emplace(id, std::move(draft->producers[id]));
  return states;
}

}  // namespace quipu
