// The layers by hand: what Database and Committer do with threads and locks, as steps of one thread.
#include <deque>

#include "base/calendar.h"
#include "base/check.h"
#include "ingest/group_preparer.h"
#include "ingest/sealer.h"
#include "query/answer.h"
#include "query/events.h"
#include "tests/oracle.h"
#include "tests/sim_engine.h"
#include "upkeep/erase.h"
#include "upkeep/merge.h"
#include "upkeep/retention.h"
#include "upkeep/verify.h"

namespace quipu {
namespace {

constexpr std::size_t kGroupsAheadMax = 3;

QuerySpec ReadersQuestion() {
  return Query().Select("count, sum(tokens)").GroupBy("service").spec();
}

class Layers final : public SimEngine {
 public:
  Layers(std::unique_ptr<Store> store, std::uint64_t seed, std::size_t batches_per_commit)
      : store_(std::move(store)),
        preparer_(store_.get(), seed),
        erasure_(store_.get(), {[this] { return SealHotRows(store_.get()); },
                                [this](const std::function<Status()>& task) {
                                  return BetweenCommits([&](KvBatch*) { return task(); });
                                }}),
        batches_per_commit_(batches_per_commit) {}

  TicketPtr Ingest(EventBatch batch) override {
    auto ticket = std::make_shared<Ticket>();
    IngestRequest& request = gathering_.group.requests.emplace_back();
    request.owned = std::move(batch);
    request.bytes = request.owned.bytes();
    request.event_count = request.owned.size();
    gathering_.group.bytes += request.bytes;
    gathering_.tickets.push_back(ticket);
    if (gathering_.tickets.size() >= batches_per_commit_) Prepare();
    while (ahead_.size() > kGroupsAheadMax) WriteOne();
    return ticket;
  }

  void WriteOne() override {
    if (ahead_.empty()) Prepare();
    if (ahead_.empty()) return;
    Gathering next = std::move(ahead_.front());
    ahead_.pop_front();
    Status status = next.group.status;
    if (status.ok() && next.group.commit) {
      status = store_->Commit(*std::move(next.group.commit));
    } else if (status.ok()) {
      status = store_->write_error();
    }
    for (std::size_t i = 0; i < next.tickets.size(); ++i) {
      GroupMember& member = next.group.members[i];
      const Status& failure = member.status.ok() ? status : member.status;
      if (failure.ok()) {
        next.tickets[i]->answer.emplace(std::move(member.reply));
      } else {
        next.tickets[i]->answer.emplace(failure);
      }
    }
    preparer_.ForgetWritten(store_->view()->as_of);
  }

  void Drain() override {
    Prepare();
    while (!ahead_.empty()) WriteOne();
  }

  Status Sync() override { return store_->SyncNow(); }
  Status Seal() override { return SealHotRows(store_.get()); }

  Status Merge(const Within& within) override {
    const auto job = PickCompactionOf(store_->view(), store_->options(),
                                      {.now_us = store_->clock()->NowUs(), .on_request = false});
    return job ? Run(*job, within) : Status();
  }

  Status Compact(const Within& within) override {
    QUIPU_TRY(Seal());
    for (;;) {
      const auto job = PickCompactionOf(store_->view(), store_->options(),
                                        {.now_us = store_->clock()->NowUs(), .on_request = true});
      if (!job) return {};
      QUIPU_TRY(Run(*job, within));
    }
  }

  Status Retain() override {
    QUIPU_TRY(Seal());
    return quipu::Retain(store_.get(), store_->clock()->NowUs(), nullptr, nullptr, {}).error();
  }

  Status Archive(const ArchiveRequest& request) override {
    const TimeUs now = store_->clock()->NowUs();
    QUIPU_TRY(Seal());
    QUIPU_TRY_ASSIGN(const std::uint32_t archive, ChooseArchive(store_.get(), request.folder));
    return ArchiveBefore(store_.get(), std::min(request.before, now), archive, request.drop_ids,
                         now, nullptr, {})
        .error();
  }

  Status Detach() override {
    return DetachArchiveFolder(store_.get(), "", store_->clock()->NowUs());
  }
  Status Attach() override { return AttachArchiveFolder(store_.get(), ""); }
  Status SetRetention(const RetentionPolicy& policy) override {
    return store_->SetRetention(policy);
  }
  Status SetClass(const std::string& customer, const std::string& customer_class) override {
    const auto ordinal = store_->catalogue().Find(NameKind::kCustomer, customer);
    if (!ordinal) return Status::NotFound("no such customer");
    return store_->SetCustomerClass(*ordinal, customer_class);
  }

  Status Erase(const std::string& customer) override {
    return BetweenCommits(
        [&](KvBatch* names) -> Status { return store_->EraseCustomer(customer, names).error(); });
  }

  Status FinishErasures() override {
    readers_.clear();
    for (;;) {
      QUIPU_TRY_ASSIGN(const auto outcome, erasure_.Step([](std::uint64_t) { return true; }));
      if (outcome == ErasureJob::Outcome::kNothingToDo) return {};
      if (outcome != ErasureJob::Outcome::kMore)
        return Status::Conflict("an erasure waits for " + erasure_.waits_for());
    }
  }

  Status Freeze(const std::string& name) override {
    QUIPU_TRY(Seal());
    const Status frozen = store_->Freeze(name).error();
    return frozen.code() == StatusCode::kAlreadyExists ? Status() : frozen;
  }
  Status DropFreeze(const std::string& name) override {
    const Status dropped = store_->DropFreeze(name);
    return dropped.code() == StatusCode::kNotFound ? Status() : dropped;
  }
  [[nodiscard]] std::map<std::string, std::uint64_t> Freezes() const override {
    std::map<std::string, std::uint64_t> commits;
    const ViewPtr view = store_->view();
    for (const FrozenPtr& f : *view->freezes) commits[f->record.name] = f->record.seq;
    return commits;
  }

  void Hold() override {
    ViewPtr view = store_->view();
    std::string text = AskAsReader(*view);
    readers_.push_back({std::move(view), std::move(text)});
  }
  std::string Release() override {
    if (readers_.empty()) return "";
    const Reader reader = std::move(readers_.front());
    readers_.pop_front();
    const std::string now = AskAsReader(*reader.view);
    return now == reader.answer ? "" : "a view has changed: " + reader.answer + " became " + now;
  }

  Status Close() override {
    Drain();
    if (store_->options().durability != Durability::kSync && !store_->has_failed())
      QUIPU_TRY(store_->SyncNow());
    readers_.clear();
    return store_->Close();
  }

  [[nodiscard]] Result<RetentionPolicy> Retention() const override { return store_->retention(); }
  [[nodiscard]] std::uint64_t as_of() const override { return store_->view()->as_of; }
  [[nodiscard]] std::uint64_t events() const override {
    const ViewPtr view = store_->view();
    const auto erased = ErasedRows(*view);
    return view->totals.rows - (erased ? *erased : 0);
  }
  [[nodiscard]] bool is_detached() const override {
    const ViewPtr view = store_->view();
    return std::any_of(view->archives.begin(), view->archives.end(),
                       [](const ArchiveFolder& folder) { return !folder.is_attached; });
  }
  [[nodiscard]] Result<ResultSet> Query(const QuerySpec& spec) const override {
    return RunQuery(*store_->view(), store_->catalogue(), spec);
  }
  [[nodiscard]] Result<EventPage> Events(const EventQuery& query) const override {
    return RunEventQuery(*store_->view(), store_->catalogue(), query);
  }
  [[nodiscard]] Result<VerifyReport> Verify() const override { return VerifyStore(*store_, {}); }

 private:
  struct Gathering {
    CommitGroup group;
    std::vector<TicketPtr> tickets;
  };
  struct Reader {
    ViewPtr view;
    std::string answer;
  };

  void Prepare() {
    if (gathering_.tickets.empty()) return;
    Gathering next = std::move(gathering_);
    gathering_ = {};
    preparer_.Prepare(&next.group);
    for (std::size_t i = 0; i < next.tickets.size(); ++i) {
      next.tickets[i]->commit = next.group.commit ? next.group.commit->seq : 0;
      next.tickets[i]->prepared = next.group.members[i].reply.outcomes;
    }
    ahead_.push_back(std::move(next));
  }

  Status BetweenCommits(const std::function<Status(KvBatch*)>& task) {
    Drain();
    preparer_.ForgetWritten(store_->view()->as_of);
    return task(preparer_.pending_names());
  }

  Status Run(const CompactionJob& job, const Within& within) {
    return RunCompaction(
        store_.get(), job,
        [&](std::uint64_t) {
          within();
          return true;
        },
        nullptr);
  }

  [[nodiscard]] std::string AskAsReader(const View& view) const {
    const auto answer = RunQuery(view, store_->catalogue(), ReadersQuestion());
    return answer ? AnswerText(*answer) : answer.error().ToString();
  }

  std::unique_ptr<Store> store_;
  GroupPreparer preparer_;
  ErasureJob erasure_;
  std::size_t batches_per_commit_;
  Gathering gathering_;          // batches that will be prepared together
  std::deque<Gathering> ahead_;  // prepared, not written
  std::deque<Reader> readers_;
};

}  // namespace

Result<std::unique_ptr<SimEngine>> OpenLayers(const std::string& path, const Options& options,
                                              const StoreEnvironment& environment,
                                              std::size_t batches_per_commit) {
  QUIPU_TRY_ASSIGN(auto store, Store::Open(path, options, environment));
  return std::unique_ptr<SimEngine>(
      std::make_unique<Layers>(std::move(store), environment.random_seed, batches_per_commit));
}

}  // namespace quipu
